"""The jump line: what fits what was typed, where it leads, and that hostile names stay names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from engine.errors import EngineUnavailableError
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle, showing
from tests.tui.hosts import is_safe
from tui.app import TocsinApp
from tui.jump import Target, fitting
from tui.memory import Memory
from tui.widgets.row_table import RowTable


def _targets(*entries: str) -> list[Target]:
    return [Target(entry, "", lambda: None) for entry in entries]


def _found(typed: str, *entries: str) -> list[str]:
    return [fit.target.entry for fit in fitting(typed, _targets(*entries), 10)]


def test_starts_of_words_come_before_insides_and_those_before_letters_apart() -> None:
    entries = ("workflow c-h-e-ck", "view precheck", "workflow checkout", "checks", "nothing")
    assert _found("check", *entries) == ["checks", "workflow checkout", "view precheck", "workflow c-h-e-ck"]


def test_every_word_has_to_be_there_in_any_order() -> None:
    assert _found("out work", "workflow checkout", "workflow login") == ["workflow checkout"]
    assert _found("", "b", "a") == ["b", "a"]


def test_what_changes_something_or_is_over_comes_last_of_equals_only() -> None:
    targets = [
        Target("pause checks", "", lambda: None, is_late=True),
        *_targets("workflow checkout", "precheck"),
    ]
    found = [fit.target.entry for fit in fitting("check", targets, 10)]
    assert found == ["workflow checkout", "pause checks", "precheck"]


@given(st.text(max_size=12), st.lists(st.text(max_size=12), max_size=8))
def test_what_fits_has_the_letters_where_it_says(typed: str, entries: list[str]) -> None:
    for fit in fitting(typed, _targets(*entries), 10):
        folded = fit.target.entry.casefold()
        letters = {folded[place] for place in fit.places}
        assert letters == {letter for word in typed.casefold().split() for letter in word}


async def _jump(pilot: Pilot[int], typed: str) -> None:
    await press(pilot, "colon")
    pilot.app.screen.query_one(Input).value = typed
    await settle(pilot)
    await press(pilot, "enter")


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("alerts", "AlertsView"), ("checko", "WorkflowView"), ("workflow image", "WorkflowView"),
        ("logs pay", "LogsView"), ("#1", "AlertsView"), ("alert #2", "AlertsView"), ("rule ", "RulesView"),
        ("channel", "NotificationsView"),
        ("zoom", "DashboardView"), ("help", "HelpModal"), ("range 6h", "DashboardView"),
    ],
)  # fmt: skip
async def test_names_lead_where_they_say(typed: str, kind: str, tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await _jump(pilot, typed)
        assert showing(app) == kind, frame(app)


async def test_a_way_somewhere_comes_before_what_stops_everything_and_the_open_before_the_past(
    tmp_path: Path,
) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "colon")
        app.screen.query_one(Input).value = "check"
        await settle(pilot)
        found = [str(option.prompt) for option in app.screen.query_one(OptionList).options]
        assert found[0].startswith("workflow checkout")
        assert any(entry.startswith("pause all checks") for entry in found)
        states = ["resolved" in entry for entry in found if entry.startswith("alert #")]
        assert states == sorted(states)


async def test_jumping_goes_to_the_very_thing(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await _jump(pilot, "workflow checkout")
        assert showing(app) == "WorkflowView"
        assert "Checkout" in frame(app)
        await _jump(pilot, "alert #2")
        assert showing(app) == "AlertsView"
        assert app.screen.query_one("#timeline", RowTable).cursor_key == "2"
        await _jump(pilot, "logs pay")
        assert showing(app) == "LogsView"
        assert app.screen.query_one("#search", Input).value == "pay"
        execution = client.all_executions[-1]
        await _jump(pilot, f"trace {execution.trace_id}")
        assert showing(app) == "ExecutionView"
        await _jump(pilot, "range 24h")
        assert app.time_range.label == "24h"
        await _jump(pilot, "theme nord")
        assert app.theme == "nord"
        await _jump(pilot, "zoom")
        assert app.screen.maximized is not None


async def test_keys_choose_and_complete_and_entries_come_back(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "colon", *"view")
        options = app.screen.query_one(OptionList)
        await press(pilot, "down", "down", "up")
        assert options.highlighted == 1
        await press(pilot, "tab")
        chosen = app.screen.query_one(Input).value
        assert chosen.startswith("view ")
        await press(pilot, "enter", "colon")
        assert app.memory.jumps == [chosen]
        assert f"{chosen}  again" in frame(app)
        await press(pilot, "1", "escape", "escape")
        await press(pilot, "1", "colon", "enter")
        assert app.current_mode == chosen.removeprefix("view ")


async def test_what_is_not_there_any_more_is_told(tmp_path: Path) -> None:
    app = TocsinApp(FakeClient(), crash_log=tmp_path / "crash.log", memory=Memory(jumps=["workflow [/gone]"]))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "colon", "enter")
        assert "there is no workflow [/gone] any more" in frame(app)
        await press(pilot, "colon", *"qqqqzzzz")
        assert "nothing is called so" in frame(app)
        await press(pilot, "enter", "escape")
        assert showing(app) == "DashboardView"


async def test_hostile_names_are_listed_as_text(tmp_path: Path) -> None:
    async with console(FakeClient(hostile=True), tmp_path, (120, 30)) as (app, pilot):
        for typed in ("workflow", "alert", "[/foo]", "logs [@click=app.quit]x"):
            await press(pilot, "colon")
            app.screen.query_one(Input).value = typed
            await settle(pilot)
            assert is_safe(frame(app).split("\n"))
            await press(pilot, "enter")
            assert is_safe(frame(app).split("\n"))
            app.open_view("dashboard")
        assert app.is_running
        assert not app.crash_sentence


async def test_an_engine_that_does_not_answer_leaves_what_is_known(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        client.fail_with = EngineUnavailableError("the engine [/gone]")
        await press(pilot, "colon")
        assert "the engine [/gone]" in frame(app)
        await press(pilot, *"traces", "enter")
        assert app.current_mode == "traces"
