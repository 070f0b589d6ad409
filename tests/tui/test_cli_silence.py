"""`tocsin silence`, beside a running engine and on a file alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.model import Alert, AlertState
from engine.store.migrations import prepare
from tests.engine.test_engine import running
from tests.tui.command_line import other_process, tocsin
from tests.tui.test_cli import elsewhere as elsewhere
from tui.cli import main

RULES = """\
version: 1
silences: [{matchers: [subject=batch], author: ada, reason: standing, until: 2100-01-01}]
workflows:
  - {id: shop, name: Shop, every: 1h, steps: [{id: s, shell: {command: ["true"]}}]}
rules:
  - {id: slow-shop, name: Slow, conditions: [{type: CUSTOM, expression: workflow.duration > 99}]}
  - {id: down, name: Down, conditions: [{type: PATTERN, text: refused}]}
"""


async def test_silences_are_made_listed_and_expired(elsewhere: Path) -> None:
    (elsewhere / "rules.yaml").write_text(RULES)
    db = str(elsewhere / "t.db")
    words = ("silence", "add", "rule=slow-*", "severity!=CRITICAL", "--for", "2h", "--reason", "known")
    async with running(load_config(elsewhere / "rules.yaml"), Path(db)) as (engine, _):
        made = json.loads((await other_process(*words, "--author", "bob", "--json", "--db", db)).stdout)
        assert (made["id"], made["author"], made["reason"]) == (1, "bob", "known")
        assert made["matchers"] == ["rule=slow-*", "severity!=CRITICAL"]
        assert made["ends_at"] - made["created_at"] == pytest.approx(7_200, abs=30)
        listed = (await tocsin("silence", "--db", db)).stdout.splitlines()
        assert [line.split()[0] for line in listed] == ["ID", "1", "-1"]
        assert [one.id for one in engine.alerts.silences()] == [1, -1]
        refused = await tocsin("silence", "expire", "7", "--db", db)
        assert (refused.returncode, refused.stderr.startswith("tocsin: there is no open silence 7")) == (
            2,
            True,
        )
    alone = await tocsin("silence", "--db", db)
    assert [line.split()[0] for line in alone.stdout.splitlines()] == ["ID", "1"]
    ended = json.loads((await tocsin("silence", "expire", "1", "--json", "--db", db)).stdout)
    assert ended["expired_at"] is not None
    assert (await tocsin("silence", "--db", db)).stdout == "There are no silences.\n"
    again = await tocsin(*words, "--db", db)
    assert again.stdout.splitlines()[1].split()[0] == "2", "numbers are not used twice"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "--for", "2h"], "at least one matcher"),
        (["add", "rule=x"], "either --for or --until"),
        (["add", "rule=x", "--for", "2h", "--until", "2100-01-01"], "either --for or --until"),
        (["add", "rule=x", "--for", "soon", "--reason", "y"], "a duration is"),
        (["add", "rule=x", "--for", "31d", "--reason", "y"], "30 d at most"),
        (["add", "rule=x", "--until", "tomorrow", "--reason", "y"], "--until tomorrow: a moment is such as"),
        (["add", "rule=x", "--for", "2h"], "needs a --reason"),
        (["add", "severity=CRIT", "--for", "2h", "--reason", "y"], "did you mean CRITICAL?"),
        (["expire", "-1"], "stands in the configuration"),
        (["add", "x", "--for", "2h", "--reason", "y"], "is no matcher"),
        (["expire"], "needs the ID"),
        (["list", "rule=x"], "takes no matchers"),
    ],
)
def test_what_cannot_be_meant_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    db = tmp_path / "t.db"
    prepare(db, 0.0)
    assert main(["silence", *words, "--db", str(db)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err


SHOP_DOWN = """\
version: 1
workflows:
  - {id: shop, name: Shop, every: 1h, retry: fast, steps: [{id: s, shell: {command: ["false"]}}]}
rules:
  - id: down
    name: Down
    conditions: [{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}]
"""


async def test_an_alert_is_acknowledged_for_a_while_and_shown_as_muted(elsewhere: Path) -> None:
    (elsewhere / "rules.yaml").write_text(SHOP_DOWN)
    db = str(elsewhere / "t.db")
    async with running(load_config(elsewhere / "rules.yaml"), Path(db)) as (engine, watch):
        await watch.for_row(lambda row: isinstance(row, Alert) and row.state is AlertState.FIRING)
        await tocsin("silence", "add", "rule=down", "--for", "1h", "--reason", "known", "--db", db)
        line = (await tocsin("alerts", "--db", db)).stdout.splitlines()[1]
        assert line.split()[:3] == ["1", "firing,", "muted"]
        refused = await tocsin("alerts", "ack", "1", "--for", "soon", "--db", db)
        assert (refused.returncode, "a duration is" in refused.stderr) == (2, True)
        refused = await tocsin("alerts", "resolve", "1", "--for", "1h", "--db", db)
        assert (refused.returncode, refused.stderr) == (2, "tocsin: --for belongs to ack\n")
        assert (await other_process("alerts", "ack", "1", "--for", "30m", "--db", db)).returncode == 0
        (alert,) = engine.alerts.open_alerts()
        assert alert.ack_until is not None
        assert alert.acked_at is not None
        assert alert.ack_until - alert.acked_at == pytest.approx(1_800, abs=30)
