"""Lists in the order of a column: which way, what the heading says, and that it is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.content import Content

from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, key_of, press, settle
from tui.memory import Memory, load_memory
from tui.widgets.columns import Column, Row
from tui.widgets.ordering import Order, Sorts, following, heading, ordered
from tui.widgets.row_table import RowTable

SORTS: Sorts = {"name": lambda one: str(one), "much": lambda one: one}
COLUMNS = (Column("name", "Name", 8), Column("bar", "Bar", 8), Column("much", "Much", 5, align="right"))


@given(st.lists(st.none() | st.integers(-5, 5)), st.booleans())
def test_what_is_not_known_comes_last_and_equals_stay_in_place(
    values: list[int | None], falling: bool
) -> None:
    rows = [Row(str(place), (Content(""),), of=value) for place, value in enumerate(values)]
    found = ordered({"much": lambda one: one}, Order("much", falling), rows)
    known = [row.of for row in found if row.of is not None]
    assert known == sorted(known, key=int, reverse=falling)  # type: ignore[arg-type]
    assert [row.of for row in found[len(known) :]] == [None] * (len(values) - len(known))
    for value in set(values):
        places = [int(row.key) for row in found if row.of == value]
        assert places == sorted(places)


def test_columns_follow_each_other_and_then_the_usual_order_does() -> None:
    first = following(COLUMNS, SORTS, None)
    assert first == Order("name", falling=False)
    second = following(COLUMNS, SORTS, first)
    assert second == Order("much", falling=True)
    assert following(COLUMNS, SORTS, second) is None
    assert following(COLUMNS[:1], SORTS, second) == first
    assert following(COLUMNS, {}, None) is None


@pytest.mark.parametrize("order", [Order("p95", falling=True), Order("a b", falling=False)])
def test_an_order_is_written_as_it_is_read(order: Order) -> None:
    assert Order.parse(str(order)) == order
    assert order.turned().turned() == order != order.turned()


@pytest.mark.parametrize("text", ["", "p95", "falling", " falling", "p95 sideways"])
def test_what_says_no_order_is_none(text: str) -> None:
    assert Order.parse(text) is None


@pytest.mark.parametrize(("width", "shown"), [(8, "Tries ▼"), (6, "Tries▼"), (5, "Trie▼"), (1, "▼")])
def test_the_arrow_is_seen_however_narrow_the_column(width: int, shown: str) -> None:
    assert heading("Tries", width, falling=True).plain == shown


@pytest.mark.parametrize(
    ("view", "list_id"),
    [
        ("workflows", "workflows"), ("alerts", "timeline"), ("traces", "executions"),
        ("rules", "rules"), ("notifications", "notifications"), ("reports", "levels"),
    ],
)  # fmt: skip
async def test_each_list_is_sorted_by_each_column_it_offers(view: str, list_id: str, tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (300, 50)) as (app, pilot):
        await press(pilot, key_of(view))
        table = app.screen.query_one(f"#{list_id}", RowTable)
        usual, at = [row.key for row in table.shown_rows], table.cursor_key
        seen = set[str]()
        while not seen or table.order is not None:
            await press(pilot, "o")
            if table.order is None:
                break
            seen.add(table.order.column)
            worths = [table.sorts[table.order.column](row.of) for row in table.shown_rows]
            known = [worth for worth in worths if worth is not None]
            assert known == sorted(known, reverse=table.order.falling)
            assert worths == known + [None] * (len(worths) - len(known))
            assert ("▼" if table.order.falling else "▲") in frame(app)
        assert seen == table.sorts.keys()
        assert [row.key for row in table.shown_rows] == usual
        assert table.cursor_key == at


async def test_an_order_is_turned_kept_and_there_at_the_next_start(tmp_path: Path) -> None:
    memory = Memory(path=tmp_path / "console.json")
    async with console(FakeClient(), tmp_path, (160, 40), memory=memory) as (app, pilot):
        await press(pilot, "2", "O")
        assert "sort it by a column first" in frame(app)
        await press(pilot, "o", "O")
        names = [row.key for row in app.screen.query_one("#workflows", RowTable).shown_rows]
        assert "Workflow ▼" in frame(app)
        assert names[0] == "user-login"
    memory.save()
    again = load_memory(tmp_path / "console.json")
    assert again.orders == {"workflows.workflows": "name falling"}
    async with console(FakeClient(), tmp_path, (160, 40), memory=again) as (app, pilot):
        await press(pilot, "2")
        await settle(pilot)
        assert [row.key for row in app.screen.query_one("#workflows", RowTable).shown_rows] == names
        assert "Workflow ▼" in frame(app)


async def test_an_order_that_no_list_has_is_let_go(tmp_path: Path) -> None:
    memory = Memory(orders={"workflows.workflows": "gone falling"})
    async with console(FakeClient(), tmp_path, memory=memory) as (app, pilot):
        await press(pilot, "2")
        assert app.screen.query_one("#workflows", RowTable).order is None


async def test_a_list_in_the_order_of_time_stays_so(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "6", "o")
        assert "there is no list here that can be sorted" in frame(app)


async def test_all_that_pass_the_filter_are_marked_and_again_none(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (120, 40)) as (app, pilot):
        await press(pilot, "3", "slash", *"critical", "enter", "M")
        assert "1 marked" in frame(app)
        await press(pilot, "escape", "M")
        assert "3 marked" in frame(app)
        await press(pilot, "M")
        assert "marked" not in frame(app).split("Alerts ·")[1].splitlines()[0]
