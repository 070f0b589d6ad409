"""The borders of the dashboard: moved by keys and by the mouse, kept from run to run."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.fakes import FakeClient
from tests.tui.harness import console, press, settle
from tui.actions import Scope, in_scope
from tui.app import TocsinApp
from tui.memory import load_memory
from tui.widgets.pane_grid import LEAST, MOST, PaneGrid


def widths(app: TocsinApp) -> tuple[int, ...]:
    return tuple(pane.outer_size.width for pane in app.screen.query_one(PaneGrid).children)


def heights(app: TocsinApp) -> tuple[int, ...]:
    return tuple(pane.outer_size.height for pane in app.screen.query_one(PaneGrid).children)


async def test_the_focused_pane_gets_room_from_the_others(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (120, 42)) as (app, pilot):
        assert (widths(app), heights(app)) == ((60,) * 4, (20,) * 4)
        await press(pilot, "plus")
        assert (widths(app), heights(app)) == ((66, 54, 66, 54), (22, 22, 18, 18))
        await press(pilot, "tab", "tab", "tab", "plus", "plus")
        assert (widths(app), heights(app)) == ((54, 66, 54, 66), (18, 18, 22, 22))
        await press(pilot, "minus", "equals_sign")
        assert (widths(app), heights(app)) == ((60,) * 4, (20,) * 4)


async def test_every_key_of_the_registry_moves_its_border(tmp_path: Path) -> None:
    moved = {
        "dashboard.grow": {"columns": 55, "rows": 48},
        "dashboard.shrink": {"columns": 45, "rows": 38},
        "dashboard.border_left": {"columns": 45},
        "dashboard.border_right": {"columns": 55},
        "dashboard.border_up": {"rows": 38},
        "dashboard.border_down": {"rows": 48},
        "dashboard.even": {},
    }
    async with console(FakeClient(), tmp_path) as (app, pilot):
        for action in in_scope(Scope.DASHBOARD):
            if action.id in moved:
                await press(pilot, "equals_sign", action.key)
                assert app.screen.query_one(PaneGrid).shares == moved.pop(action.id), action.id
    assert moved == {}


@pytest.mark.parametrize(("key", "share"), [("shift+left", LEAST), ("shift+right", MOST)])
async def test_no_border_leaves_the_grid(key: str, share: int, tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, *[key] * 20)
        assert app.screen.query_one(PaneGrid).shares == {"columns": share}


async def test_the_mouse_drags_a_border(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (120, 42)) as (app, pilot):
        await drag(pilot, (60, 10), (90, 30))
        assert app.screen.query_one(PaneGrid).shares == {"columns": 75}
        await drag(pilot, (89, 21), (30, 11))
        assert app.screen.query_one(PaneGrid).shares == {"columns": 25, "rows": 25}
        await drag(pilot, (10, 20), (60, 20))
        assert app.screen.query_one(PaneGrid).shares == {"columns": 25, "rows": 25}


async def drag(pilot: Pilot[int], here: tuple[int, int], there: tuple[int, int]) -> None:
    await pilot.mouse_down(offset=here)
    await pilot.hover(offset=there)
    await pilot.mouse_up(offset=there)
    await settle(pilot)


async def test_borders_stay_where_they_were_put(tmp_path: Path) -> None:
    memory = load_memory(tmp_path / "console.json")
    async with console(FakeClient(), tmp_path, memory=memory) as (app, pilot):
        await press(pilot, "shift+right", "shift+right")
        before = widths(app)
    async with console(FakeClient(), tmp_path, memory=load_memory(tmp_path / "console.json")) as (app, pilot):
        assert widths(app) == before == (60, 40, 60, 40)
        await press(pilot, "equals_sign")
    assert load_memory(tmp_path / "console.json").panes == {}


async def test_stacked_panes_keep_their_heights(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "plus")
        await pilot.resize_terminal(70, 30)
        await settle(pilot)
        stacked = heights(app)
        await press(pilot, "plus", "shift+down")
        assert heights(app) == stacked == (12, 12, 10, 12)
        await pilot.resize_terminal(100, 30)
        await settle(pilot)
        assert app.screen.query_one(PaneGrid).shares == {"columns": 55, "rows": 48}
        assert widths(app) == (55, 45, 55, 45)
