"""Rows in the order of one of their columns, and how the heading says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.content import Content

from tui.present import sign
from tui.widgets.columns import Column, Row

Worth = float | str | tuple[float, ...] | None
"""What a row is sorted by; None, for what is not known, comes last in either direction."""
Sorts = Mapping[str, Callable[[Any], Worth]]
"""The columns to sort by, and what counts there of what a row shows; ranks begin with the worst."""
_FALLING, _RISING = "falling", "rising"


@dataclass(frozen=True, slots=True)
class Order:
    """By the column with this key; `falling`: the greatest first."""

    column: str
    falling: bool

    def __str__(self) -> str:
        return f"{self.column} {_FALLING if self.falling else _RISING}"

    @classmethod
    def parse(cls, text: str) -> Order | None:
        """What `str` made of it; None for anything else."""
        column, _, way = text.rpartition(" ")
        return cls(column, way == _FALLING) if column and way in (_FALLING, _RISING) else None

    def turned(self) -> Order:
        """The other way round."""
        return Order(self.column, not self.falling)


def following(columns: Sequence[Column], sorts: Sorts, order: Order | None) -> Order | None:
    """By the next of the columns that can be sorted by, after the last one by none; numbers fall at first."""
    able = [column for column in columns if column.key in sorts]
    keys = [column.key for column in able]
    place = keys.index(order.column) + 1 if order is not None and order.column in keys else 0
    if place == len(able):
        return None
    return Order(keys[place], able[place].align == "right")


def ordered(sorts: Sorts, order: Order, rows: Sequence[Row]) -> list[Row]:
    """The rows in this order; equals stay as they were given."""
    worth = sorts[order.column]
    weighed = [(worth(row.of), row) for row in rows]
    known: list[tuple[Any, Row]] = [(value, row) for value, row in weighed if value is not None]
    known.sort(key=lambda one: one[0], reverse=order.falling)
    return [row for _, row in known] + [row for value, row in weighed if value is None]


def heading(title: str, width: int, *, falling: bool) -> Content:
    """A title with an arrow that is always to be seen."""
    arrow = sign("▼", "v") if falling else sign("▲", "^")
    gap = " " if len(title) + 2 <= width else ""
    return Content(title[: max(width - len(gap) - 1, 0)]) + Content(gap + arrow)
