"""One workflow: the steps of its runs, attempt by attempt, and what they got back."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import EngineUnavailableError
from engine.model import Topic
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle, showing
from tui.widgets.row_table import RowTable


@pytest.mark.parametrize("size", [(80, 24), (100, 40), (160, 45)])
async def test_the_steps_of_the_newest_run_are_shown(size: tuple[int, int], tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, size) as (app, pilot):
        await press(pilot, "2", "j", "enter")
        steps = app.screen.query_one("#steps", RowTable)
        assert steps.display is (size[0] >= 120)
        await press(pilot, "v")
        assert app.focused is steps
        assert steps.region.height >= 5
        assert steps.row_count == 12  # three attempts of three steps, each under a line
        text = frame(app)
        for words in (
            "Steps › execution 416 · failed",
            "attempt 1  ✗ failed",
            "confirm",
            "TRANSIENT",
        ):
            assert words in text, words
        await press(pilot, "v")
        assert app.focused is not steps


async def test_moving_over_runs_shows_their_steps_and_reads_each_once(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (160, 45)) as (app, pilot):
        await press(pilot, "2", "j", "enter", "j", "j")
        assert "Steps › execution 404 · ok" in frame(app)
        assert "· connect " in frame(app)
        client.calls.clear()
        client.announce(Topic.EXECUTIONS)
        await settle(pilot)
        names = {name for name, _ in client.calls}
        assert "executions" in names
        assert "trace" not in names


async def test_a_step_tells_its_tries_and_what_it_got_back(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (120, 120)) as (app, pilot):
        await press(pilot, "2", "j", "enter", "v", "enter")
        assert showing(app) == "WorkflowView"  # the line of an attempt has nothing more to say
        await press(pilot, "j", "j", "j", "enter")
        assert showing(app) == "PageModal"
        text = frame(app)
        for words in ("checkout › confirm", "Try 1 · http", "Try 3 · http", "TRANSIENT", "dns ", "Response",
                      "assertion failed: status (503) == 200", "http.response.status_code  503",
                      "execution 416", '{"paid": false}', "(cut)", "server: nginx"):  # fmt: skip
            assert words in text, words


async def test_a_workflow_that_has_not_run_says_so(tmp_path: Path) -> None:
    async with console(FakeClient(empty=True), tmp_path, (160, 45)) as (app, pilot):
        await press(pilot, "2", "enter")
        assert "it has not run in this time" in frame(app)


async def test_replies_that_cannot_be_had_are_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = FakeClient()

    async def replies(workflow_id: str, *, until: float | None = None, limit: int = 20) -> object:
        raise EngineUnavailableError("the engine has stopped")

    monkeypatch.setattr(client, "replies", replies)
    async with console(client, tmp_path, (120, 40)) as (app, pilot):
        await press(pilot, "2", "j", "enter", "v", "j", "enter")
        assert showing(app) == "WorkflowView"
        assert "the engine has stopped" in frame(app)


async def test_hostile_replies_stay_text(tmp_path: Path) -> None:
    async with console(FakeClient(hostile=True), tmp_path, (120, 60)) as (app, pilot):
        await press(pilot, "2", "j", "enter", "v", "j", "enter")
        assert showing(app) == "PageModal"
        shown = frame(app).replace("\n", "")
        assert not {one for one in shown if ord(one) < 32 or 0x7F <= ord(one) < 0xA0 or one == "\u202e"}
        assert "[/foo]" in shown
