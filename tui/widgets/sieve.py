"""Rows of a table, those of them that pass its filter, and their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tui.widgets.columns import Row

Passes = Callable[[str], bool]
Sort = Callable[[Sequence[Row]], list[Row]]


def row_text(row: Row) -> str:
    """What a row says, as one line of text."""
    return " ".join(" ".join(cell.plain for cell in row.cells).split())


class Sieve:
    """`shown` are the rows of `all` that pass, in the order that is asked for, else in the same.

    Without a filter and an order both are the same list. What is appended or prepended is not put in order.
    """

    def __init__(self) -> None:
        self.all: list[Row] = []
        self.shown: list[Row] = self.all
        self.passes: Passes | None = None
        self.sort: Sort | None = None

    def replace(self, rows: Sequence[Row]) -> None:
        """Have these instead."""
        self.all = list(rows)
        self._sift()

    def filter(self, passes: Passes | None) -> None:
        """Show what passes; None: everything."""
        self.passes = passes
        self._sift()

    def order(self, sort: Sort | None) -> None:
        """Show them in the order that `sort` puts them in; None: as they are."""
        self.sort = sort
        self._sift()

    def append(self, rows: Sequence[Row], most: int) -> int:
        """Add at the end and keep the last `most`; returns how many shown ones the beginning has lost."""
        self.all.extend(rows)
        surplus = max(len(self.all) - most, 0)
        gone = self._passing(self.all[:surplus])
        del self.all[:surplus]
        if self.shown is not self.all:
            self.shown.extend(self._passing(rows))
            del self.shown[: len(gone)]
        return len(gone)

    def prepend(self, rows: Sequence[Row], most: int) -> int:
        """Add at the beginning and keep the first `most`; returns how many shown ones that were."""
        self.all[:0] = rows
        gone = self._passing(self.all[most:])
        del self.all[most:]
        added = self._passing(rows)
        if self.shown is not self.all:
            self.shown[:0] = added
            del self.shown[len(self.shown) - len(gone) :]
        return len(added)

    def _sift(self) -> None:
        shown = self.all if self.passes is None else self._passing(self.all)
        self.shown = shown if self.sort is None else self.sort(shown)

    def _passing(self, rows: Sequence[Row]) -> list[Row]:
        passes = self.passes
        return list(rows) if passes is None else [row for row in rows if passes(row_text(row))]
