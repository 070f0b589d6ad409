"""`tocsin maintenance`, beside a running engine and on a file alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.store.migrations import prepare
from tests.engine.test_engine import running
from tests.tui.command_line import other_process, tocsin
from tests.tui.test_cli import elsewhere as elsewhere
from tui.cli import main

RULES = """\
version: 1
maintenance: [{id: nightly, tags: [batch], do: stop, cron: "0 2 * * *", duration: 1h}]
workflows:
  - {id: shop, name: Shop, every: 1h, tags: [batch], steps: [{id: s, shell: {command: ["true"]}}]}
"""


async def test_maintenance_is_made_listed_and_ended(elsewhere: Path) -> None:
    (elsewhere / "rules.yaml").write_text(RULES)
    db = str(elsewhere / "t.db")
    words = ("maintenance", "add", "workflow=shop", "--for", "2h", "--reason", "new disks")
    async with running(load_config(elsewhere / "rules.yaml"), Path(db)) as (engine, _):
        more = ("--mode", "stop", "--author", "bob", "--json", "--db", db)
        made = json.loads((await other_process(*words, *more)).stdout)
        assert (made["id"], made["author"], made["mode"], made["state"]) == ("1", "bob", "stop", "on")
        assert made["ends_at"] - engine.alerts.judge.muting.windows.find(1).created_at == 7_200
        assert engine.alerts.is_stopped("shop")
        listed = (await tocsin("maintenance", "--db", db)).stdout.splitlines()
        assert listed[1].split()[:3] == ["1", "on", "stop"]
        assert listed[2].split()[:3] == ["nightly", "waiting", "stop"]
        assert "tag=batch" in listed[2]
        refused = await tocsin("maintenance", "end", "7", "--db", db)
        assert refused.stderr.startswith("tocsin: there is no open maintenance 7")
        unknown = await tocsin("maintenance", "add", "workflow=shpo", *words[3:], "--db", db)
        assert "there is no workflow shpo" in unknown.stderr
        assert "did you mean shop?" in unknown.stderr
    alone = await tocsin("maintenance", "--db", db)
    assert [line.split()[0] for line in alone.stdout.splitlines()] == ["ID", "1"]
    ended = json.loads((await tocsin("maintenance", "end", "1", "--json", "--db", db)).stdout)
    assert ended["state"] == "ended"
    assert (await tocsin("maintenance", "--db", db)).stdout == "There is no maintenance.\n"
    again = await tocsin(*words, "--db", db)
    assert again.stdout.splitlines()[1].split()[:2] == ["2", "on"], "numbers are not used twice"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add"], "either --for or --to"),
        (["add", "--for", "2h", "--to", "2100-01-01"], "either --for or --to"),
        (["add", "rule=x", "--for", "2h", "--reason", "y"], "not rule=x"),
        (["add", "tag=~x", "--for", "2h", "--reason", "y"], "not tag=~x"),
        (["add", "shop", "--for", "2h", "--reason", "y"], "not shop"),
        (["add", "--for", "soon", "--reason", "y"], "--for soon: a duration is"),
        (["add", "--to", "tomorrow", "--reason", "y"], "--to tomorrow: a moment is such as"),
        (["add", "--from", "then", "--for", "1h", "--reason", "y"], "a moment is such as"),
        (["add", "--for", "2h"], "needs a --reason"),
        (["end"], "needs the ID"),
        (["end", "nightly"], "others stand in the configuration"),
        (["list", "tag=x"], "takes no workflows"),
    ],
)
def test_what_cannot_be_meant_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    db = tmp_path / "t.db"
    prepare(db, 0.0)
    assert main(["maintenance", *words, "--db", str(db)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
