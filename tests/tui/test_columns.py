"""How columns share the width of a table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from textual.content import Content

from tests.tui.hosts import Host, frame
from tui.widgets.columns import GAP, Column, lay_out
from tui.widgets.row_table import Row, RowTable

_columns = st.lists(
    st.builds(
        Column,
        key=st.just("k"),
        title=st.just("t"),
        width=st.integers(1, 20),
        flex=st.integers(0, 3),
        min_terminal=st.integers(0, 100),
    ),
    min_size=1,
    max_size=8,
)


@given(_columns, st.integers(0, 200))
def test_columns_never_exceed_the_width(columns: list[Column], width: int) -> None:
    placed = lay_out(columns, width)
    assert sum(cells for _, cells in placed) + GAP * max(len(placed) - 1, 0) <= width
    assert all(cells > 0 for _, cells in placed)
    assert all(width >= columns[place].min_terminal for place, _ in placed)


def test_flexible_columns_fill_the_width() -> None:
    columns = [Column("a", "a", 5), Column("b", "b", 5, flex=1), Column("c", "c", 5, flex=2)]
    placed = lay_out(columns, 47)
    assert sum(cells for _, cells in placed) + 2 * GAP == 47
    assert placed[0] == (0, 5)
    assert placed[2][1] > placed[1][1] > 5


async def test_a_scrollbar_stands_clear_of_the_last_column() -> None:
    widget = RowTable(
        (Column("name", "name", 8, flex=1), Column("id", "id", 6, align="right")), empty=Content("")
    )
    app = Host(widget)
    async with app.run_test(size=(30, 5)) as pilot:
        for count, last in ((4, 29), (40, 27)):
            widget.set_rows([Row(str(n), (Content("x"), Content("9"))) for n in range(count)])
            await pilot.pause()
            assert "".join(line[last] for line in frame(app)) == "d9999"
            assert {line[last + 1 : 29].strip() for line in frame(app)} == {""}
