"""Drawing only what has changed: the terminal shows the same as if all had been drawn."""

from __future__ import annotations

import random
from typing import Any

import pytest
from rich.cells import cell_len
from textual._compositor import ChopsUpdate
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.style import Style
from textual.widgets import Static

from tests.tui.hosts import Host
from tui.touched import TouchedCompositor
from tui.widgets.row_table import Column, Row, RowTable
from tui.widgets.writing import write_title

_SIZE = (60, 16)
_NAMES = ("plain", "日本語 wide", "")


class _Table(RowTable):
    """Notes which of its lines it is asked for."""

    asked: int = 0

    def render_lines(self, crop: Region) -> list[Strip]:
        self.asked += crop.height
        return super().render_lines(crop)


def _table() -> _Table:
    table = _Table((Column("name", "Name", 12, flex=1),), empty=Content("nothing"), follow=True, max_rows=40)
    table.styles.border = ("round", "white")
    return table


class _Screen(Screen[None]):
    def __init__(self) -> None:
        super().__init__()
        self._compositor = TouchedCompositor()
        self.clock = Static("0")
        self.tables = (_table(), _table())

    def compose(self) -> ComposeResult:
        yield self.clock
        yield Horizontal(*self.tables)


class _App(Host):
    """Keeps what the terminal would show, cell by cell."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = [[" "] * _SIZE[0] for _ in range(_SIZE[1])]
        self.drawn = 0

    def get_default_screen(self) -> Screen[None]:
        return _Screen()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, ChopsUpdate):
            for y, first, last in renderable.spans:
                ends = renderable.chop_ends[y]
                for end, (x, strip) in zip(ends, renderable.chops[y].items(), strict=True):
                    if strip is not None and x <= last and end > first:
                        _put(self.cells[y], x, strip.crop(0, min(end, last) - x))
                        self.drawn += 1
        elif renderable is not None:
            self.cells = _whole(screen)


def _put(line: list[str], x: int, strip: Strip) -> None:
    for character in strip.text:
        wide = cell_len(character)
        line[x : x + wide] = [character, *[""] * (wide - 1)]
        x += wide


def _whole(screen: Screen[Any]) -> list[list[str]]:
    cells = [[" "] * _SIZE[0] for _ in range(_SIZE[1])]
    for line, strip in zip(cells, screen._compositor.render_strips(), strict=True):
        _put(line, 0, strip)
    return cells


def _row(number: int) -> Row:
    name = f"{number} {_NAMES[number % 3]}"
    return Row(str(number), lambda: (Content(name),))


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_changes_the_terminal_shows_what_a_whole_frame_would(seed: int) -> None:
    chance, app = random.Random(seed), _App()
    async with app.run_test(size=_SIZE) as pilot:
        screen = app.screen
        assert isinstance(screen, _Screen)
        await pilot.pause()
        for step in range(60):
            table = chance.choice(screen.tables)
            match chance.randrange(7):
                case 0:
                    screen.clock.update(str(step))
                case 1:
                    table.set_rows([_row(number) for number in range(step, step + chance.randrange(30))])
                case 2:
                    table.append_rows([_row(1000 + step * 10 + number) for number in range(3)])
                case 3:
                    table.prepend_rows([_row(2000 + step * 10 + number) for number in range(3)])
                case 4:
                    table.action_cursor_down() if step % 2 else table.action_last()
                case 5:
                    table.action_first()
                case _:
                    write_title(table, Content(f"title {step}"))
            if chance.randrange(2):
                await pilot.pause()
                assert app.cells == _whole(screen), step
        assert app.drawn


async def test_a_title_changes_without_what_is_below_it() -> None:
    app = _App()
    async with app.run_test(size=_SIZE) as pilot:
        screen = app.screen
        assert isinstance(screen, _Screen)
        for title in ("first", "second"):
            screen.tables[1].asked = 0
            write_title(screen.tables[1], Content(title))
            await pilot.pause()
            assert f" {title} " in "".join(app.cells[1])
        assert screen.tables[1].asked == 1


async def test_a_clock_asks_no_list_for_its_lines() -> None:
    app = _App()
    async with app.run_test(size=_SIZE) as pilot:
        screen = app.screen
        assert isinstance(screen, _Screen)
        left, right = screen.tables
        listed = [_row(number) for number in range(30)]
        for _ in range(2):
            left.set_rows(listed)
            right.set_rows(listed)
            await pilot.pause()
        left.asked = right.asked = 0
        screen.clock.update("1", layout=False)
        listed[20] = Row("20", (Content("other"),))
        left.set_rows(listed)
        await pilot.pause()
        assert (left.asked, right.asked) == (1, 0)
        assert app.cells == _whole(screen)


async def test_a_list_that_moves_on_draws_only_what_is_new() -> None:
    app = _App()
    async with app.run_test(size=_SIZE) as pilot:
        screen = app.screen
        assert isinstance(screen, _Screen)
        table = screen.tables[0]
        made: list[int] = []

        def row(number: int) -> Row:
            return Row(str(number), lambda: (Content(str(number)),), of=number)

        draw = table._draw

        def noted(row: Row, style: Style, width: int) -> Strip:
            made.append(int(row.key))
            return draw(row, style, width)

        table._draw = noted  # type: ignore[method-assign]
        table.set_rows([row(number) for number in range(50, 20, -1)])
        await pilot.pause()
        table.action_last()
        await pilot.pause()
        made.clear()
        table.set_rows([row(number) for number in range(52, 20, -1)])
        await pilot.pause()
        assert made == []
        table.action_first()
        await pilot.pause()
        made.clear()
        table.set_rows([row(number) for number in range(54, 20, -1)], keep_cursor=False)
        await pilot.pause()
        # The cursor's colour is another line: the row that it leaves and the one that it comes to are made.
        assert made == [54, 53, 52]
        assert app.cells == _whole(screen)


async def test_lines_come_and_go_without_a_layout_while_the_scrollbar_stays() -> None:
    app = _App()
    async with app.run_test(size=_SIZE) as pilot:
        screen = app.screen
        assert isinstance(screen, _Screen)
        table = screen.tables[0]
        layouts: list[int] = []
        lay_out = screen._refresh_layout

        def noted(*options: Any, **more: Any) -> None:
            layouts.append(table.row_count)
            lay_out(*options, **more)

        screen._refresh_layout = noted  # type: ignore[method-assign]
        for count, expected in ((30, [30]), (33, []), (31, []), (3, [3]), (4, [])):
            layouts.clear()
            table.set_rows([_row(number) for number in range(count)])
            await pilot.pause()
            assert layouts[:1] == expected
            assert table.virtual_size.height == count + 1
            assert app.cells == _whole(screen)
        assert table.max_scroll_y == 0


async def test_the_scrollbar_is_where_textual_would_have_it() -> None:
    app = _App()
    async with app.run_test(size=_SIZE) as pilot:
        screen = app.screen
        assert isinstance(screen, _Screen)
        table = screen.tables[0]
        table.set_rows([_row(number) for number in range(20)])
        table.focus()
        await pilot.pause()
        for last in range(20, 40):
            table.append_rows([_row(last)])
            table.action_last() if last % 3 else table.action_first()
            await pilot.pause()
            as_drawn = [list(line) for line in app.cells]
            table.vertical_scrollbar.refresh()
            table.refresh()
            await pilot.pause()
            assert app.cells == as_drawn
