"""The row table: cursor, following, bounds, and that it draws no more than it must."""

from __future__ import annotations

import random

import pytest
from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.widgets import Button

from tests.tui.fake_data import HOSTILE
from tests.tui.hosts import Ear, Host, frame, is_safe
from tui.present import foreign
from tui.widgets.row_table import Column, Row, RowTable

COLUMNS = (
    Column("id", "id", 6, align="right"),
    Column("name", "name", 8, flex=1),
    Column("extra", "extra", 5, min_terminal=60),
)


def row(number: int, name: str = "row") -> Row:
    return Row(str(number), (Content(str(number)), foreign(f"{name} {number}"), Content("x")))


def rows(*numbers: int) -> list[Row]:
    return [row(number) for number in numbers]


class Counting(RowTable):
    """Counts the cells it draws."""

    drawn = 0

    def cell(self, row: Row, place: int, width: int) -> Content:
        self.drawn += 1
        return super().cell(row, place, width)


def table(**options: bool | int) -> Counting:
    return Counting(COLUMNS, empty=Content("nothing here\npress x"), id="t", **options)  # type: ignore[arg-type]


def body(app: Host) -> list[str]:
    """The screen without its header and its scrollbar."""
    return [line[:-1].rstrip() for line in frame(app)[1:]]


@pytest.mark.parametrize("width", [40, 80, 160])
async def test_columns_stay_aligned_with_wide_and_hostile_text(width: int) -> None:
    widget = table()
    app = Host(widget)
    async with app.run_test(size=(width, 16)) as pilot:
        widget.set_rows([row(number, text) for number, text in enumerate(HOSTILE)])
        await pilot.pause()
        lines = frame(app)
        assert is_safe(lines)
        assert {cell_len(line) for line in lines} == {width}
        assert ("extra" in lines[0]) is (width >= 60)
        for number in range(len(HOSTILE)):
            assert lines[number + 1].startswith(f"{number:>6} ")


async def test_empty_state_is_centred_and_can_change() -> None:
    widget = table()
    app = Host(widget)
    async with app.run_test(size=(40, 10)) as pilot:
        assert [line.strip() for line in frame(app)][4:6] == ["nothing here", "press x"]
        widget.set_empty(Content("loading"))
        await pilot.pause()
        assert any(line.strip() == "loading" for line in frame(app))
        assert widget.cursor_key is None
        await pilot.press("enter", "j", "G")
        widget.set_rows(rows(1))
        await pilot.pause()
        assert "row 1" in frame(app)[1]
        widget.set_rows([])
        await pilot.pause()
        assert any(line.strip() == "loading" for line in frame(app))


async def test_keys_move_and_tell() -> None:
    widget, ear = table(), Ear()
    async with Host(widget).run_test(size=(60, 11), message_hook=ear) as pilot:
        widget.focus()
        widget.set_rows(rows(*range(100)))
        expected = {
            "j": "1", "down": "2", "k": "1", "ctrl+d": "6", "pagedown": "16", "ctrl+u": "11", "pageup": "1",
            "G": "99", "home": "0", "end": "99", "g": "0",
        }  # fmt: skip
        for key, cursor in expected.items():
            await pilot.press(key)
            assert widget.cursor_key == cursor, key
        told = [message.key for message in ear.of(RowTable.Highlighted)]
        assert told == ["0", *expected.values()]
        await pilot.press("enter")
        assert [message.key for message in ear.of(RowTable.Selected)] == ["0"]


async def test_moving_against_the_ends_tells_so() -> None:
    widget, ear = table(), Ear()
    async with Host(widget).run_test(size=(60, 11), message_hook=ear) as pilot:
        widget.focus()
        widget.set_rows(rows(*range(30)))
        await pilot.press("j")
        assert not ear.of(RowTable.TopReached)
        assert not ear.of(RowTable.BottomReached)
        await pilot.press("k")
        assert len(ear.of(RowTable.TopReached)) == 1
        await pilot.press("G")
        assert len(ear.of(RowTable.BottomReached)) == 1
        await pilot.press("j")
        assert len(ear.of(RowTable.BottomReached)) == 2


async def test_cursor_stays_with_its_row_and_lines_stay_in_place() -> None:
    widget = table()
    app = Host(widget)
    async with app.run_test(size=(60, 11)) as pilot:
        widget.set_rows(rows(*range(50)))
        widget.move_to("30")
        await pilot.pause()
        before = body(app)
        widget.set_rows(rows(*range(-5, 50)))
        await pilot.pause()
        assert widget.cursor_key == "30"
        assert body(app) == before


async def test_a_view_at_its_top_shows_what_is_new() -> None:
    widget = table()
    app = Host(widget)
    async with app.run_test(size=(60, 11)) as pilot:
        widget.set_rows(rows(*range(5)))
        widget.set_rows(rows(-1, *range(5)))
        await pilot.pause()
        assert "row -1" in frame(app)[1]
        assert widget.cursor_key == "0"


async def test_cursor_keeps_its_place_when_its_row_is_gone() -> None:
    widget, ear = table(), Ear()
    async with Host(widget).run_test(size=(60, 11), message_hook=ear) as pilot:
        widget.set_rows(rows(*range(10)))
        widget.move_to("4")
        widget.set_rows(rows(0, 1, 2, 3, 5, 6))
        assert widget.cursor_key == "5"
        widget.set_rows(rows(0, 1))
        assert widget.cursor_key == "1"
        widget.set_rows(rows(7, 8), keep_cursor=False)
        assert widget.cursor_key == "7"
        widget.set_rows([])
        await pilot.pause()
        assert [message.key for message in ear.of(RowTable.Highlighted)] == ["0", "4", "5", "1", "7", None]


async def test_a_reader_who_scrolled_away_is_not_pulled_back() -> None:
    widget = table()
    app = Host(widget)
    async with app.run_test(size=(60, 11)) as pilot:
        widget.set_rows(rows(*range(100)))
        await pilot.pause()
        widget.scroll_to(y=50, animate=False)
        await pilot.pause()
        widget.set_rows(rows(*range(101)))
        await pilot.pause()
        assert widget.scroll_offset.y == 50
        assert widget.cursor_key == "0"


async def test_following_sticks_to_the_end_until_one_moves_up() -> None:
    widget = table(follow=True)
    app = Host(widget)
    async with app.run_test(size=(60, 11)) as pilot:
        widget.focus()
        for number in range(30):
            widget.append_rows(rows(number))
        await pilot.pause()
        assert [widget.at_end, widget.cursor_key] == [True, "29"]
        assert "row 29" in frame(app)[-1]
        await pilot.press("k")
        widget.append_rows(rows(30))
        await pilot.pause()
        assert [widget.at_end, widget.cursor_key] == [False, "28"]
        assert "row 29" in frame(app)[-1]
        await pilot.press("G")
        widget.append_rows(rows(31, 32))
        await pilot.pause()
        assert "row 32" in frame(app)[-1]


async def test_appended_rows_are_bounded_and_the_view_stays() -> None:
    widget = table(max_rows=50)
    app = Host(widget)
    async with app.run_test(size=(60, 11)) as pilot:
        widget.set_rows(rows(*range(50)))
        widget.move_to("30")
        await pilot.pause()
        before = body(app)
        widget.append_rows(rows(*range(50, 60)))
        await pilot.pause()
        assert widget.row_count == 50
        assert body(app) == before
        widget.append_rows(rows(*range(60, 100)))
        await pilot.pause()
        assert widget.cursor_key == "50"


async def test_prepended_rows_do_not_move_the_view() -> None:
    widget = table(max_rows=60)
    app = Host(widget)
    async with app.run_test(size=(60, 11)) as pilot:
        widget.set_rows(rows(*range(50)))
        await pilot.pause()
        before = body(app)
        widget.prepend_rows(rows(*range(-20, 0)))
        await pilot.pause()
        assert widget.cursor_key == "0"
        assert body(app) == before
        assert widget.row_count == 60
        widget.focus()
        await pilot.press("G")
        assert widget.cursor_key == "39"


async def test_a_click_moves_and_a_click_on_the_cursor_opens() -> None:
    widget, ear = table(), Ear()
    async with Host(widget).run_test(size=(60, 11), message_hook=ear) as pilot:
        widget.set_rows(rows(*range(5)))
        await pilot.click("#t", offset=(3, 0))
        await pilot.click("#t", offset=(3, 9))
        assert widget.cursor_key == "0"
        await pilot.click("#t", offset=(3, 3))
        assert widget.cursor_key == "2"
        assert not ear.of(RowTable.Selected)
        await pilot.click("#t", offset=(3, 3))
        assert [message.key for message in ear.of(RowTable.Selected)] == ["2"]


async def test_the_cursor_is_brighter_with_the_focus() -> None:
    widget, button = table(), Button("b")
    app = Host(button, widget)
    async with app.run_test(size=(60, 14)) as pilot:
        widget.set_rows(rows(*range(5)))

        async def background(focused: RowTable | Button) -> object:
            focused.focus()
            await pilot.pause()
            style = app.screen.get_style_at(8, widget.region.y + 1)
            return style.bgcolor

        assert await background(widget) != await background(button)


async def test_a_hundred_thousand_rows_draw_only_what_is_in_view() -> None:
    widget = table()
    app = Host(widget)
    async with app.run_test(size=(80, 24)) as pilot:
        widget.focus()
        many = rows(*range(100_000))
        widget.set_rows(many)
        await pilot.pause()
        assert widget.drawn <= 3 * 23 * 3
        await pilot.press("G")
        assert "row 99999" in frame(app)[-1]
        await pilot.press("k", "k")
        await pilot.pause()
        widget.drawn = 0
        await pilot.press("k")
        await pilot.pause()
        assert 0 < widget.drawn <= 2 * 3
        widget.drawn = 0
        changed = list(many)
        changed[99_990] = row(99_990, "changed")
        widget.set_rows(changed)
        await pilot.pause()
        assert 0 < widget.drawn <= 2 * 3
        assert any("changed 99990" in line for line in frame(app))


async def test_partial_redraws_leave_the_same_picture_as_a_full_one() -> None:
    widget = table(follow=True, max_rows=60)
    app = Host(widget)
    chance = random.Random(7)
    async with app.run_test(size=(50, 9)) as pilot:
        widget.focus()
        for _ in range(30):
            fresh = [row(chance.randrange(1000), chance.choice("abc")) for _ in range(chance.randrange(9))]
            unique = list({one.key: one for one in fresh}.values())
            chance.choice([widget.set_rows, widget.append_rows, widget.prepend_rows])(unique)
            await pilot.press(chance.choice(["j", "k", "g", "G", "ctrl+d", "pageup"]))
            await pilot.pause()
            partial = frame(app)
            widget.refresh()
            await pilot.pause()
            assert frame(app) == partial


async def test_rows_may_be_set_before_the_table_is_shown() -> None:
    widget = table(follow=True)
    widget.set_rows(rows(*range(40)))
    widget.move_to("20")
    app = Host(widget)
    async with app.run_test(size=(60, 11)) as pilot:
        await pilot.pause()
        assert any("row 20" in line for line in frame(app))


async def test_resizing_keeps_the_cursor_in_view() -> None:
    widget = table()
    app = Host(widget)
    async with app.run_test(size=(60, 30)) as pilot:
        widget.set_rows(rows(*range(100)))
        widget.move_to("28")
        await pilot.resize_terminal(30, 6)
        await pilot.pause()
        assert any("row 28" in line for line in frame(app))


async def test_wheel_against_the_end_tells_so() -> None:
    widget, ear = table(), Ear()
    async with Host(widget).run_test(size=(60, 11), message_hook=ear) as pilot:
        widget.set_rows(rows(*range(12)))
        await pilot.pause()
        for _ in range(4):
            await pilot._post_mouse_events([events.MouseScrollDown], "#t", button=0)
        assert ear.of(RowTable.BottomReached)
        assert not ear.of(RowTable.TopReached)


async def test_a_line_that_looks_as_before_is_not_drawn_again() -> None:
    shown = table()
    app = Host(shown)
    async with app.run_test(size=(40, 8)) as pilot:
        shown.set_rows(rows(*range(5)))
        await pilot.pause()
        shown.drawn = 0
        shown.set_rows(rows(*range(5)))
        shown.refresh()
        await pilot.pause()
        assert shown.drawn == 0
        shown.set_rows([*rows(0, 1, 2, 3), row(4, "another")])
        await pilot.pause()
        assert shown.drawn == 2
        app.theme = "textual-light"
        await pilot.pause()
        assert shown.drawn > 2


async def test_a_step_draws_two_lines() -> None:
    shown = table()
    app = Host(shown)
    async with app.run_test(size=(40, 8)) as pilot:
        shown.set_rows(rows(*range(5)))
        shown.focus()
        await pilot.pause()
        shown.drawn = 0
        await pilot.press("j")
        await pilot.pause()
        assert shown.drawn == 2 * 2


async def test_drawn_lines_are_kept_within_bounds() -> None:
    shown = table()
    app = Host(shown)
    async with app.run_test(size=(40, 100)) as pilot:
        listed = rows(*range(1_000))
        shown.set_rows(listed)
        shown.focus()
        for _ in range(10):
            await pilot.press("pagedown")
        assert 100 <= sum(one.strip is not None for one in listed) <= 256


async def test_rows_that_are_gone_or_out_of_view_keep_no_lines() -> None:
    shown = table()
    async with Host(shown).run_test(size=(40, 8)) as pilot:
        listed = rows(*range(100))
        shown.set_rows(listed)
        shown.focus()
        await pilot.pause()
        await pilot.press("pagedown", "pagedown")
        assert listed[0].strip is not None
        shown.append_rows(rows(100))
        await pilot.pause()
        assert [one.key for one in listed if one.strip is not None] == [row.key for row, _ in shown._window()]
        shown.set_rows(rows(*range(100)))
        assert not any(one.strip for one in listed)
