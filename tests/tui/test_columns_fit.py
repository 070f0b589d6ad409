"""Columns are as wide as they say: what appears in a wider table takes no cell from what was there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import tui
from tui.widgets.columns import GAP, Column, lay_out

_ROOT = Path(tui.__file__).parent


def all_columns() -> dict[str, tuple[Column, ...]]:
    """The columns of every table there is, by where they stand."""
    found: dict[str, tuple[Column, ...]] = {}
    for path in sorted(_ROOT.rglob("*.py")):
        if "Column(" in path.read_text(encoding="utf-8"):
            module = import_module(".".join(("tui", *path.relative_to(_ROOT).with_suffix("").parts)))
            for name, value in vars(module).items():
                if isinstance(value, tuple) and value and isinstance(value[0], Column):
                    found[f"{path.stem}.{name}"] = value
    return found


TABLES = all_columns()


@pytest.mark.parametrize("columns", TABLES.values(), ids=TABLES)
def test_a_column_that_appears_is_in_full_and_cuts_no_other(columns: tuple[Column, ...]) -> None:
    always = [column.width for column in columns if not column.min_terminal]
    for width in range(sum(always) + GAP * (len(always) - 1), 260):
        placed = dict(lay_out(columns, width))
        wanted = [place for place, column in enumerate(columns) if width >= column.min_terminal]
        cut = [columns[place].key for place in wanted if placed.get(place, 0) < columns[place].width]
        assert not cut, f"{cut} at {width} cells"
        assert sum(placed.values()) + GAP * (len(placed) - 1) <= width


def test_every_table_was_found() -> None:
    assert {"rows.WORKFLOW_COLUMNS", "rows.LOG_COLUMNS", "timeline._COLUMNS"} <= set(TABLES)


def test_no_column_grows_beyond_its_most_and_those_that_follow_have_the_rest() -> None:
    columns = (Column("name", "", 10, flex=3, most=14), Column("bar", "", 10, flex=1, most=30))
    assert [dict(lay_out(columns, width)) for width in (21, 25, 41, 90)] == [
        {0: 10, 1: 10}, {0: 13, 1: 11}, {0: 14, 1: 26}, {0: 14, 1: 30},
    ]  # fmt: skip
