"""Filters of lists: what they mean, what a list shows meanwhile, and that they are remembered."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.content import Content
from textual.widgets import Input

from engine.model import Outcome, Topic
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle
from tui.app import TocsinApp
from tui.filtering import PatternError, compile_filter
from tui.memory import Memory
from tui.widgets.columns import Row
from tui.widgets.row_table import RowTable
from tui.widgets.sieve import Sieve

_LINE = "▲ WARNING  Slow response · Checkout  24m"


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("slow", True),
        ("SLOW check", True),
        ("slow login", False),
        ("!login", True),
        ("!slow", False),
        ('"slow response"', True),
        ('"response slow"', False),
        ('!"slow response"', False),
        ("/slow.*checkout/", True),
        ("/^slow/", False),
        ("!/^slow/ warning", True),
        ("!/slow/", False),
        (r"/\d+m$/", True),
        ('"slow resp', True),
        ("/slow r", True),
    ],
)
def test_what_a_filter_means(text: str, passes: bool) -> None:
    test = compile_filter(text)
    assert test is not None
    assert test(_LINE) is passes


@pytest.mark.parametrize("text", ["", "  ", "!", "/", '"', "//", "! !"])
def test_what_says_nothing_yet_hides_nothing(text: str) -> None:
    assert compile_filter(text) is None


@pytest.mark.parametrize("text", ["/(/", "/[/", "/(?=x)/"])
def test_a_pattern_that_cannot_be_used_is_told(text: str) -> None:
    with pytest.raises(PatternError, match="pattern cannot be used"):
        compile_filter(text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_a_filter_and_inverse_words_part_all_lines(text: str, line: str) -> None:
    try:
        test = compile_filter(text)
    except PatternError:
        return
    assert test is None or test(line) in (True, False)


@given(st.text(string.ascii_letters, min_size=1, max_size=8), st.text(max_size=30))
def test_a_word_or_its_inverse_passes_never_both(word: str, line: str) -> None:
    plain, inverse = compile_filter(word), compile_filter(f"!{word}")
    assert plain is not None
    assert inverse is not None
    assert plain(line) is not inverse(line)


_rows = st.lists(st.text("ab", min_size=1, max_size=3), max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["replace", "append", "prepend"]), _rows), max_size=6))
def test_what_is_shown_is_always_what_passes(steps: list[tuple[str, list[str]]]) -> None:
    sieve, most = Sieve(), 10
    sieve.filter(lambda text: "a" in text)
    for kind, texts in steps:
        rows = [Row(text, (Content(text),)) for text in texts]
        if kind == "replace":
            sieve.replace(rows[:most])
        elif kind == "append":
            sieve.append(rows, most)
        else:
            sieve.prepend(rows, most)
        assert len(sieve.all) <= most
        assert sieve.shown == [row for row in sieve.all if "a" in row.key]
    sieve.filter(None)
    assert sieve.shown == sieve.all


def _names(app: TocsinApp) -> list[str]:
    return [row.key for row in app.screen.query_one("#workflows", RowTable).shown_rows]


async def test_a_list_is_filtered_while_it_is_typed_and_esc_shows_all(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "2", "g")
        everything = _names(app)
        await press(pilot, "slash", *"chec")
        assert _names(app) == ["checkout"]
        assert "Workflows · 6 › / chec · 1 of 6" in frame(app)
        assert "1 of 6" in frame(app)
        await press(pilot, "enter")
        assert isinstance(app.focused, RowTable)
        assert _names(app) == ["checkout"]
        await press(pilot, "escape")
        assert _names(app) == everything
        assert "› /" not in frame(app)
        assert app.current_mode == "workflows"
        await press(pilot, "escape")
        assert app.current_mode == "dashboard"


async def test_the_cursor_stays_with_its_row_and_news_are_filtered_as_well(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "2", "g", "j", "slash", *"!login", "enter")
        table = app.screen.query_one("#workflows", RowTable)
        assert table.cursor_key == "checkout"
        client.add_execution("user-login", Outcome.OK)
        client.announce(Topic.EXECUTIONS)
        await settle(pilot)
        assert "user-login" not in _names(app)
        assert table.total_count == 6


async def test_the_cursor_goes_to_the_first_row_that_passes_when_its_own_is_hidden(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "2", "G")
        table = app.screen.query_one("#workflows", RowTable)
        assert table.cursor_key == "nightly-report"
        await press(pilot, "slash", *"!nightly", "enter")
        assert len(_names(app)) == 5
        assert table.cursor_key == _names(app)[0]


async def test_nothing_that_passes_says_so_and_a_bad_pattern_changes_nothing(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "2", "slash", *"chec", "space", *"/(/")
        assert "pattern cannot be used" in frame(app)
        assert _names(app) == ["checkout"]
        field = app.screen.query_one("#filter", Input)
        field.value = "nowhere"
        await settle(pilot)
        assert "nothing passes the filter" in frame(app)
        assert "esc shows all rows" in frame(app)


async def test_logs_are_searched_instead(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "6", "slash")
        assert app.focused is not None
        assert app.focused.id == "search"


async def test_filters_are_remembered_by_list_and_follow_hostile_rows(tmp_path: Path) -> None:
    memory = Memory(filters={"workflows.workflows": "[/foo]"})
    app = TocsinApp(FakeClient(hostile=True), crash_log=tmp_path / "crash.log", memory=memory)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "2")
        assert 0 < len(_names(app)) < 6
        assert "› / [/foo]" in frame(app)
        await press(pilot, "slash", "end", "x", "enter")
        assert memory.filters == {"workflows.workflows": "[/foo]x"}
        await press(pilot, "escape")
        assert memory.filters == {}
        assert not app.crash_sentence


async def test_a_zoomed_pane_can_be_filtered(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "3", "z", "slash", *"slow")
        assert "/ slow" in frame(app)
        assert app.focused is not None
        assert app.focused.id == "filter"
        assert app.focused.region.height == 1
