"""Where a person has been: the history itself, and that going back shows what was there."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, showing
from tui.history import History, Place
from tui.widgets.row_table import RowTable


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=150))
def test_back_and_forward_again_lead_through_the_same_places(visited: list[str]) -> None:
    history, here = History(), Place("start")
    for name in visited:
        if name != here.view:
            history.leave(here)
            here = Place(name)
    way = [here]
    while (place := history.back(way[-1])) is not None:
        way.append(place)
    assert len(way) <= 101
    there = [way[-1]]
    while (place := history.forward(there[-1])) is not None:
        there.append(place)
    assert there == way[::-1]
    assert all(one.view != other.view for one, other in pairwise(way))


def test_going_elsewhere_forgets_what_lay_ahead() -> None:
    history = History()
    history.leave(Place("a"))
    assert history.back(Place("b")) == Place("a")
    history.leave(Place("a"))
    assert history.forward(Place("c")) is None


async def test_back_returns_to_the_detail_and_the_row(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "2", "g", "j", "enter")
        await press(pilot, "j", "j")
        row = app.screen.query_one("#executions", RowTable).cursor_key
        await press(pilot, "enter")
        assert showing(app) == "ExecutionView"
        await press(pilot, "3", "left_curly_bracket")
        assert showing(app) == "ExecutionView"
        await press(pilot, "left_curly_bracket")
        assert showing(app) == "WorkflowView"
        assert app.screen.query_one("#executions", RowTable).cursor_key == row
        await press(pilot, "left_curly_bracket")
        assert showing(app) == "WorkflowsView"
        assert app.screen.query_one("#workflows", RowTable).cursor_key == "checkout"
        await press(pilot, "right_curly_bracket", "right_curly_bracket", "alt+right")
        assert showing(app) == "AlertsView"
        await press(pilot, "right_curly_bracket")
        assert "there is nothing after this" in frame(app)


async def test_what_stands_on_top_is_made_again_with_its_cursor(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "2", "g", "enter", "j", "j")
        row = app.screen.query_one("#executions", RowTable).cursor_key
        await press(pilot, "escape", "left_curly_bracket")
        assert showing(app) == "WorkflowView"
        assert app.screen.query_one("#executions", RowTable).cursor_key == row
        assert row is not None


async def test_the_way_that_led_here_stands_in_the_title(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "2", "g", "j", "enter", "enter")
        assert "Workflows › Checkout › Execution" in frame(app)
        await press(pilot, "5", "enter")
        assert "Traces › Execution" in frame(app)
