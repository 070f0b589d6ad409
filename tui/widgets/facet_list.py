"""What the lines of a search are: levels, workflows and sources, each counted over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from textual.content import Content

from engine.model import LogFacet, LogFacets, LogLevel
from tui.present import MUTED, foreign, log_level, sign
from tui.widgets.columns import Column, Row
from tui.widgets.row_table import RowTable

BUCKETS = 48
_BAR = 2
_COLUMNS = (
    Column("name", "", 12, flex=1),
    Column("lines", "Lines", 8, align="right"),
    Column("bar", "Over time", 12, flex=2),
)
_SIGNS, _ASCII_SIGNS = " ▁▂▃▄▅▆▇█", " .:-=+*#%"
_LEVELS = {level.label: level for level in LogLevel}


class FacetList(RowTable):
    """One line a facet; `enter` on one narrows the search to it. Keys are what a search takes."""

    def __init__(self, *, empty: Content, id: str | None = None) -> None:
        super().__init__(_COLUMNS, empty=empty, id=id)
        self._facets: dict[str, LogFacet] = {}

    def show(self, facets: LogFacets) -> None:
        """Show these."""
        kinds = (("level", facets.levels), ("workflow", facets.workflows), ("source", facets.sources))
        self._facets = {f"{kind}:{facet.name}": facet for kind, found in kinds for facet in found}
        self.set_rows(
            [
                Row(key, (_name(key, facet.name), Content(f"{facet.lines:,}"), Content("")))
                for key, facet in self._facets.items()
            ]
        )

    def drawn_besides(self, row: Row) -> object:
        facet = self._facets.get(row.key)
        return facet.buckets if facet is not None else None

    def cell(self, row: Row, place: int, width: int) -> Content:
        if place != _BAR or row.key not in self._facets:
            return row.cells[place]
        return Content.styled(bars(self._facets[row.key].buckets, width), "$primary")


def bars(counts: Sequence[int], width: int) -> str:
    """Counts as exactly `width` signs, neighbours added up, the tallest for the greatest; 0 is blank."""
    if not counts or width <= 0:
        return " " * max(width, 0)
    edges = [place * len(counts) // width for place in range(width + 1)]
    sums = [max(counts[first : max(last, first + 1)]) for first, last in pairwise(edges)]
    signs = sign(_SIGNS, _ASCII_SIGNS)
    most = max(sums)
    return "".join(signs[-(-count * (len(signs) - 1) // most)] if most else " " for count in sums)


def _name(key: str, name: str) -> Content:
    if key.startswith("level:") and name in _LEVELS:
        return log_level(_LEVELS[name])
    kind = "" if key.startswith("workflow:") else "source "
    return Content.styled(kind, MUTED).append(foreign(name, 64))
