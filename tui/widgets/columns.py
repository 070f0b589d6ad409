"""Columns and rows of a table, and how columns share its width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from textual.content import Content

GAP = 1
"""Cells between two columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column `width` cells wide; with `flex` it also takes its share of what is left over.

    It is hidden while the table is narrower than `min_terminal` cells.
    """

    key: str
    title: str
    width: int
    flex: int = 0
    align: Literal["left", "right"] = "left"
    min_terminal: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a unique key, one Content a column (or one across them all), and a style under it."""

    key: str
    cells: tuple[Content, ...]
    style: str = ""


def lay_out(columns: Sequence[Column], width: int) -> tuple[tuple[int, int], ...]:
    """Position and width of each column in `width` cells; what does not fit is narrowed, then left out."""
    shown = [(place, column) for place, column in enumerate(columns) if width >= column.min_terminal]
    left = width - sum(column.width for _, column in shown) - GAP * (len(shown) - 1)
    flex = sum(column.flex for _, column in shown)
    used, placed = 0, []
    for place, column in shown:
        share = max(left, 0) * column.flex // flex if column.flex else 0
        # What integer division leaves over goes to the columns that follow.
        left, flex = left - share, flex - column.flex
        cells = min(column.width + share, width - used)
        if cells <= 0:
            break
        placed.append((place, cells))
        used += cells + GAP
    return tuple(placed)


def same_row(one: Row, other: Row) -> bool:
    """Whether both rows look alike."""
    return one is other or (
        one.key == other.key
        and one.style == other.style
        and len(one.cells) == len(other.cells)
        and all(a is b or a.is_same(b) for a, b in zip(one.cells, other.cells, strict=True))
    )
