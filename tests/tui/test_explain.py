"""`tocsin explain`, and the page behind `e`: the same words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.model import Alert, AlertState
from tests.engine.test_engine import running
from tests.tui.command_line import other_process, tocsin
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, key_of, press, showing
from tests.tui.test_cli import elsewhere as elsewhere

RULES = """\
version: 1
channels: {ops: {log: {}}, pager: {log: {}, min_severity: CRITICAL}}
workflows:
  - {id: shop, name: Shop, every: 1h, retry: {max_attempts: 1}, steps: [{id: s, shell: {command: ["false"]}}]}
rules:
  - id: down
    name: Down
    conditions: [{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}]
    channels: [ops, pager]
"""


async def explain(*argv: str) -> tuple[int, str, str]:
    done = await tocsin("explain", *argv)
    return done.returncode, done.stdout, done.stderr


async def test_alerts_and_rules_are_explained_beside_an_engine_and_without(elsewhere: Path) -> None:
    (elsewhere / "rules.yaml").write_text(RULES)
    db = str(elsewhere / "t.db")
    async with running(load_config(elsewhere / "rules.yaml"), Path(db)) as (_, watch):
        await watch.for_row(lambda row: isinstance(row, Alert) and row.state is AlertState.FIRING)
        done = await other_process("explain", "1", "--db", db)
        code, said = done.returncode, done.stdout
        assert (code, said.splitlines()[0]) == (0, "Alert 1: Down, about shop (WARNING)")
        assert "pager: WARNING, the channel takes CRITICAL and above" in said
        assert said.splitlines()[-2].split()[0] == "true:"
        _, said, _ = await explain("down", "--db", db)
        assert "It looks for workflow.status == failed\n" in said
        _, said, _ = await explain("down", "shop", "--json", "--db", db)
        kinds = [json.loads(line)["kind"] for line in said.splitlines()]
        assert kinds.count("title") == 2
        code, _, wrong = await explain("dawn", "--db", db)
        assert (code, wrong) == (2, "tocsin: there is no rule dawn (did you mean down?)\n")
        assert (await explain("7", "--db", db))[2] == "tocsin: there is no alert 7\n"
    code, alone, _ = await explain("1", "--db", db)
    assert code == 0
    assert "execution 1 of shop" in alone
    assert "Now" not in alone.splitlines()
    assert "no engine runs" in (await explain("down", "--db", db))[1]


@pytest.mark.parametrize("view", ["dashboard", "alerts"])
async def test_e_opens_the_explanation_of_the_alert_under_the_cursor(view: str, tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, key_of(view), "e")
        assert showing(app) == "ExplainedModal"
        for words in (
            "Checkout failed",
            "Why it fired",
            "cooldown: no earlier alert to wait for",
            "taken in 12 ms",
        ):
            assert words in frame(app)
        await press(pilot, "escape")
        assert showing(app) != "ExplainedModal"


async def test_hostile_words_in_an_explanation_are_only_shown(tmp_path: Path) -> None:
    async with console(FakeClient(hostile=True), tmp_path) as (app, pilot):
        await press(pilot, key_of("alerts"), "e")
        assert showing(app) == "ExplainedModal"
        assert "\x1b" not in frame(app)


async def test_without_an_alert_there_is_nothing_to_explain(tmp_path: Path) -> None:
    async with console(FakeClient(empty=True), tmp_path) as (app, pilot):
        await press(pilot, key_of("alerts"), "e")
        assert "no alert is selected" in frame(app)
