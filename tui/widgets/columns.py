"""Columns and rows of a table, and how columns share its width."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.segment import Segment
from textual.content import Content
from textual.filter import DimFilter
from textual.geometry import Size
from textual.strip import Strip
from textual.style import Style

from tui.present import fit

GAP = 1
"""Cells between two columns."""
FAINT = DimFilter(0.75)
"""Dim rows can still be read: Textual's own share, a half, leaves a muted word too little contrast."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column `width` cells wide; with `flex` it also takes its share of what is left over, up to `most`.

    It is hidden while the table is narrower than `min_terminal` cells.
    """

    key: str
    title: str
    width: int
    flex: int = 0
    align: Literal["left", "right"] = "left"
    min_terminal: int = 0
    most: int = 1_000


Cells = tuple[Content, ...]


class Row:
    """One line: a unique key, one Content a column (or one across them all), and a style under it.

    A function instead of cells is called when they are first needed: most rows are never in view.

    Args:
        of: what the row shows, for tables that sort by it.
    """

    __slots__ = ("_cells", "besides", "key", "of", "strip", "style")

    def __init__(
        self, key: str, cells: Cells | Callable[[], Cells], style: str = "", of: object = None
    ) -> None:
        self.of = of
        self.key = key
        self.style = style
        self._cells = cells
        self.besides: object = None
        self.strip: tuple[object, Strip] | None = None

    def drawn(self, look: object, draw: Callable[[], Strip]) -> Strip:
        """Its line as it was drawn last, or anew when it was drawn with another `look`."""
        if self.strip is None or self.strip[0] != look:
            self.strip = look, draw()
        return self.strip[1]

    @property
    def cells(self) -> Cells:
        if not isinstance(self._cells, tuple):
            self._cells = self._cells()
        return self._cells


class Lines:
    """The rows of a table that keep the line they were drawn as, and what it was cut into: at most `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: deque[Row] = deque()

    def add(self, row: Row) -> None:
        """Its line is about to be drawn; beyond the bound, the one that was drawn first is forgotten."""
        self._of.append(row)
        if len(self._of) > self._most:
            self._of.popleft().strip = None

    def only(self, shown: Iterable[Row]) -> None:
        """Forget the lines of all other rows, and those rows, which may be in the table no more."""
        kept = [row for row in shown if row.strip is not None]
        for row in set(self._of).difference(kept):
            row.strip = None
        self._of = deque(kept)


def lay_out(columns: Sequence[Column], width: int) -> tuple[tuple[int, int], ...]:
    """Position and width of each column in `width` cells; what does not fit is narrowed, then left out."""
    shown = [(place, column) for place, column in enumerate(columns) if width >= column.min_terminal]
    left = width - sum(column.width for _, column in shown) - GAP * (len(shown) - 1)
    flex = sum(column.flex for _, column in shown)
    used, placed = 0, []
    for place, column in shown:
        share = max(left, 0) * column.flex // flex if column.flex else 0
        share = min(share, column.most - column.width)
        # What is not taken, or what integer division leaves over, goes to the columns that follow.
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


def draw_line(
    columns: Sequence[Column], cells: Sequence[tuple[int, int, Content]], style: Style, width: int
) -> Strip:
    """One line of `width` cells: each of `cells` is the place of its column, its width, and what it shows."""
    segments: list[Segment] = []
    used = 0
    for place, cell_width, content in cells:
        if used:
            segments.append(Segment(" " * GAP, style.rich_style))
        fitted = fit(content, cell_width, columns[place].align)
        segments += fitted.render_segments(style)
        used += cell_width + (GAP if used else 0)
    return Strip(segments, used).adjust_cell_length(width, style.rich_style)


def draw_centred(content: Content, y: int, size: Size, style: Style) -> Strip:
    """Line `y` of `size` cells with `content` in their middle."""
    lines = content.wrap(max(size.width - 2, 1))
    line = y - max(size.height - len(lines), 0) // 2
    if not 0 <= line < len(lines):
        return Strip.blank(size.width, style.rich_style)
    text = lines[line].rstrip()
    left = max(size.width - text.cell_length, 0) // 2
    segments = text.pad_left(left).render_segments(style)
    return Strip(segments).adjust_cell_length(size.width, style.rich_style)
