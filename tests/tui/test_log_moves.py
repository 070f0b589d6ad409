"""Ways through the log: facets that narrow a search, steps in time, and to a trace and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import Input

from engine.model import LogFacets, Topic
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle, showing
from tui.app import TocsinApp
from tui.widgets.facet_list import bars
from tui.widgets.row_table import RowTable


def _cursor(app: TocsinApp) -> str | None:
    return app.screen.query_one("#lines", RowTable).cursor_key


def _search(app: TocsinApp) -> str:
    return app.screen.query_one("#search", Input).value


@given(st.lists(st.integers(0, 10**6), max_size=60), st.integers(0, 80))
def test_bars_fill_their_width_and_show_where_there_is_something(counts: list[int], width: int) -> None:
    drawn = bars(counts, width)
    assert len(drawn) == width
    assert bool(drawn.strip()) is bool(width and any(counts))


@pytest.mark.parametrize("size", [(80, 24), (160, 40)])
async def test_facets_count_lines_and_narrow_the_search(size: tuple[int, int], tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, size) as (app, pilot):
        await press(pilot, "6", "f")
        assert app.focused is not None
        assert app.focused.id == "facets"
        assert "Facets › 212 lines ·" in frame(app)
        (line,) = [line for line in frame(app).splitlines() if "│ error " in line]
        assert line.split("│")[1].split()[1] == "5"
        await press(pilot, "enter")
        assert _search(app) == "level:error"
        assert app.screen.query_one("#lines", RowTable).row_count == 5
        facets = app.screen.query_one("#facets", RowTable)
        assert facets.cursor_key == "level:error"
        await press(pilot, "j", "enter")
        assert _search(app) == "level:error workflow:checkout"
        await press(pilot, "enter")
        assert _search(app) == "level:error"
        await press(pilot, "escape")
        assert _search(app) == ""


async def test_facets_follow_what_is_logged_and_cost_nothing_while_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = FakeClient()
    asked: list[str] = []
    whole = client.log_facets

    async def log_facets(query: str = "", **more: Any) -> LogFacets:
        asked.append(query)
        return await whole(query, **more)

    async with console(client, tmp_path, (160, 40)) as (app, pilot):
        monkeypatch.setattr(client, "log_facets", log_facets)
        await press(pilot, "6")
        assert asked == []
        await press(pilot, "f")
        client.add_log("one more")
        client.announce(Topic.LOGS)
        await settle(pilot)
        assert "213 lines" in frame(app)
        await press(pilot, "f")
        assert app.focused is not None
        assert app.focused.id == "lines"


async def test_steps_go_by_the_times_of_lines(tmp_path: Path) -> None:
    client = FakeClient()
    at = {str(record.id): record.at for record in client.all_logs}
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "6")
        newest = at[_cursor(app) or ""]
        await press(pilot, "h")
        assert 60 <= newest - at[_cursor(app) or ""] < 70
        await press(pilot, "h", "l")
        assert 60 <= newest - at[_cursor(app) or ""] < 70
        await press(pilot, "l", "l")
        assert at[_cursor(app) or ""] == newest


async def test_a_step_beyond_what_is_listed_leaves_the_range_and_esc_comes_back(tmp_path: Path) -> None:
    client = FakeClient()
    at = {str(record.id): record.at for record in client.all_logs}
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "6", "g", "h")
        assert at[_cursor(app) or ""] <= client.clock.now() - 900 - 50
        assert "Logs · up to 15:4" in frame(app)
        assert "esc goes back to now" in frame(app)
        client.add_log("said meanwhile")
        client.announce(Topic.LOGS)
        await settle(pilot)
        assert "said meanwhile" not in frame(app)
        await press(pilot, "escape")
        assert "said meanwhile" in frame(app)
        assert "following" in frame(app)


async def test_a_step_to_before_the_first_line_stays_where_it_was(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "6", "ctrl+left")
        before = _cursor(app)
        assert "nothing older was logged" in frame(app)
        assert "Logs · 15m" in frame(app)
        assert before is not None
        await press(pilot, "g", "h", "slash", *"step", "enter")
        assert "Logs · up to" in frame(app)
        await press(pilot, "ctrl+left", "ctrl+left")
        assert "nothing older matches" in frame(app)
        subtitle = app.screen.query_one("#lines", RowTable).border_subtitle
        assert "esc clears the search, then goes back to now" in str(subtitle)
        await press(pilot, "escape")
        assert "Logs · up to" in frame(app)
        await press(pilot, "escape")
        assert "Logs · 15m" in frame(app)


async def test_steps_leave_a_search_with_an_end_of_its_own_alone(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "6")
        app.screen.query_one("#search", Input).value = "until:2025-11-24T15:50:00+00:00"
        await settle(pilot)
        await press(pilot, "H")
        assert "has an until: of its own" in frame(app)


async def test_a_line_opens_its_trace_at_its_span_and_esc_is_back_on_the_line(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "6", "k", "k")
        line = _cursor(app)
        await press(pilot, "enter")
        assert showing(app) == "ExecutionView"
        tree = app.screen.query_one("#trace", RowTable)
        assert tree.cursor_key == f"{11:016x}"
        for _ in range(600):
            client.add_log("said meanwhile")
        await press(pilot, "escape")
        assert _cursor(app) == line


async def test_a_span_leads_to_its_lines_and_a_span_without_any_to_those_of_its_execution(
    tmp_path: Path,
) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "5", "enter", "j", "j", "L")
        assert app.current_mode == "logs"
        assert _search(app) == f"execution:420 span:{11:016x}"
        assert app.screen.query_one("#lines", RowTable).row_count == 1
        await press(pilot, "5", "g", "j", "L")
        assert _search(app) == "execution:420"
        assert app.screen.query_one("#lines", RowTable).row_count == 2


async def test_lines_of_an_execution_before_the_range_are_found(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        app.open_execution(3)
        await settle(pilot)
        await press(pilot, "L")
        assert _search(app).startswith("execution:3")
        assert app.screen.query_one("#lines", RowTable).row_count >= 1
