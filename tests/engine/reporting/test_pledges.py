"""What a configuration promises of its workflows, live and from the text that is left of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.attached import FileClient
from engine.clock import SystemClock
from engine.config.loader import load_config
from engine.engine import Engine
from engine.errors import ConfigError
from engine.reporting.model import Pledge
from engine.reporting.pledges import pledges_in, pledges_of

TEXT = """
version: 1
environments: {local: {}, prod: {}}
settings: {objective: 99.5%}
overlays: {prod: {workflows: {shop: {objective: 99.99}}}}
workflows:
  - {id: shop, name: The shop, on_call: true, timeout: 5s, objective: "99.9 %",
     steps: [{id: a, shell: {command: ["true"]}}]}
  - {id: mail, name: Mail, on_call: true, steps: [{id: a, shell: {command: ["true"]}}]}
rules:
  - {id: failed, name: Failed, workflows: [shop],
     conditions: [{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}]}
  - {id: off, name: Off, enabled: false,
     conditions: [{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}]}
  - {id: own, name: Own,
     conditions: [{type: THRESHOLD, metric: health.store.status, operator: "==", value: unhealthy}]}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(TEXT)
    return path


def test_objectives_timeouts_and_the_rules_that_look_at_workflows(rules: Path) -> None:
    config = load_config(rules).config
    assert pledges_of(config) == (Pledge("shop", 0.999, 5.0, 1), Pledge("mail", 0.995, 60.0, 0))
    assert pledges_of(config, 1, 1) == (Pledge("mail", 0.995, 60.0, 0),)


def test_an_objective_is_a_share_that_leaves_room_to_fail(rules: Path) -> None:
    for wrong in ("100%", "0", "often"):
        rules.write_text(TEXT.replace('"99.9 %"', wrong))
        with pytest.raises(ConfigError, match="objective"):
            load_config(rules)


def test_the_text_of_a_configuration_still_tells_objectives() -> None:
    assert pledges_in(TEXT, "local") == (Pledge("shop", 0.999), Pledge("mail", 0.995))
    assert pledges_in(TEXT, "prod") == (Pledge("shop", 0.9999), Pledge("mail", 0.995))
    assert pledges_in("workflows: [{id: a, objective: 7.x}, 3]", "") == (Pledge("a"),)
    assert pledges_in(": : {", "") == ()


async def test_a_file_tells_them_with_and_without_its_engine(rules: Path, tmp_path: Path) -> None:
    db = tmp_path / "t.db"
    engine = Engine(load_config(rules), db, SystemClock())
    await engine.start()
    try:
        client = await FileClient.open(db)
        assert await client.pledges() == engine.pledges()
        assert len(engine.pledges()) == 2
    finally:
        await engine.stop(5.0)
    assert await client.pledges() == (Pledge("shop", 0.999), Pledge("mail", 0.995))
    assert await client.replies("shop") == ()
    client.close()
