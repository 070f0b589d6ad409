from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.config.loader import LoadedConfig, load_config
from engine.drill import NO_CHANNELS, Hop, drill
from engine.errors import NotFoundError
from engine.model import Notice

CONFIG = """
version: 1
environments: {{local: {{x: 1}}}}
channels:
  told: {{file: {{path: {told}}}}}
  broken: {{file: {{path: {told}/no/such}}}}
  seen: {{console: {{}}}}
  strict: {{log: {{}}, min_severity: CRITICAL}}
routes:
{routes}
workflows:
  - {{id: shop, name: Shop, every: 1m, tags: [database], steps: [{{id: s, wait: {{for: 1s}}}}]}}
rules:
  - id: slow
    name: Slow
    severity: WARNING
    tags: [latency]
    channels: [told, strict]
    conditions: [{{type: THRESHOLD, metric: workflow.duration, operator: ">", value: 3s}}]
"""


def _loaded(path: Path, routes: str = "") -> LoadedConfig:
    file = path / "rules.yaml"
    file.write_text(CONFIG.format(told=path / "told.ndjson", routes=routes))
    return load_config(file, None)


async def _hops(loaded: LoadedConfig, **more: Any) -> list[Hop]:
    return [hop async for hop in drill(loaded, **more)]


def _told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "told.ndjson").read_text().splitlines()]


async def test_every_hop_gives_a_receipt(tmp_path: Path) -> None:
    hops = await _hops(_loaded(tmp_path), channels=["told"])
    assert [(hop.name, hop.done) for hop in hops] == [
        (name, True) for name in ("check", "rule", "route", "deliver", "close")
    ]
    assert hops[1].words.startswith("DRILL fired at ")
    assert hops[2].words == "to told"
    assert hops[3].words.startswith("told: taken in ")
    fired, resolved = _told(tmp_path)
    assert fired["alerts"][0]["id"] == resolved["alerts"][0]["id"] > 1_000_000_000, "no alert's that is real"
    assert "DRILL" in fired["title"]
    assert "This is a drill: nothing is wrong." in fired["body"]
    assert resolved["alerts"][0]["kind"] == "resolved"


async def test_two_drills_are_not_taken_for_one_another(tmp_path: Path) -> None:
    loaded = _loaded(tmp_path)
    for _ in range(2):
        await _hops(loaded, channels=["told"])
    assert len({message["key"] for message in _told(tmp_path)}) == 4


async def test_a_channel_that_takes_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "told.ndjson").write_text("")
    hops = await _hops(_loaded(tmp_path), channels=["broken", "told"])
    found = {hop.words.partition(":")[0]: hop.done for hop in hops if hop.name == "deliver"}
    assert found == {"broken": False, "told": True}
    assert "not a directory" in next(hop.words for hop in hops if not hop.done)


async def test_routes_decide_and_say_why(tmp_path: Path) -> None:
    routes = "  - {channels: [seen], tags: [database]}\n  - {channels: [told], group_by: [rule]}"
    hops = await _hops(_loaded(tmp_path, routes))
    route = next(hop for hop in hops if hop.name == "route")
    assert route.words == "to told; not seen: route 1: takes tags database"
    assert hops[-1].name == "close"


async def test_nobody_to_tell_is_a_hop_not_made(tmp_path: Path) -> None:
    hops = await _hops(_loaded(tmp_path, "  - {channels: [seen], tags: [database]}"))
    assert [(hop.name, hop.done) for hop in hops] == [("check", True), ("rule", True), ("route", False)]
    assert hops[-1].words == "nobody would be told: not seen: route 1: takes tags database"


async def test_without_channels_it_says_how_one_is_written(tmp_path: Path) -> None:
    loaded = _loaded(tmp_path)
    rules = tuple(rule.model_copy(update={"channels": ()}) for rule in loaded.config.rules)
    silent = replace(loaded, config=loaded.config.model_copy(update={"rules": rules}))
    hops = await _hops(silent, rule_id="slow")
    assert hops[-1].words == "nobody would be told: its rule names none, and there are no routes"
    empty = replace(silent, config=silent.config.model_copy(update={"channels": {}}))
    hops = await _hops(empty)
    assert hops[-1].words == f"nobody would be told: {NO_CHANNELS}"
    with pytest.raises(NotFoundError) as caught:
        await _hops(empty, channels=["ops"])
    assert caught.value.hint == NO_CHANNELS


async def test_it_stands_in_for_a_rule(tmp_path: Path) -> None:
    hops = await _hops(_loaded(tmp_path, "  - {channels: [seen], tags: [latency]}"), rule_id="slow")
    route = next(hop for hop in hops if hop.name == "route")
    assert route.words == "to told, seen; not strict: WARNING, the channel takes CRITICAL and above"
    assert "DRILL Slow" in _told(tmp_path)[0]["title"]


async def test_the_console_is_told_as_well(tmp_path: Path) -> None:
    heard: list[Notice] = []
    await _hops(_loaded(tmp_path), channels=["seen"], notice=heard.append)
    assert [notice.title for notice in heard] == ["[CRITICAL] DRILL · drill", "[RESOLVED] DRILL · drill"]


@pytest.mark.parametrize("more", [{"channels": ["nobody"]}, {"rule_id": "none"}])
async def test_what_is_not_there_is_told(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(NotFoundError):
        await _hops(_loaded(tmp_path), **more)
