"""A table for up to a million rows: draws only the lines in view and measures nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.style import Style

from tui.widgets.columns import FAINT, Column, Lines, Row, draw_centred, draw_line, lay_out, same_row
from tui.widgets.extent import Extent
from tui.widgets.ordering import Order, Sorts, following, heading, ordered
from tui.widgets.sieve import Passes, Sieve
from tui.widgets.stepping import Stepping
from tui.widgets.telling import Telling

__all__ = ["Column", "Row", "RowTable"]


NOT_SORTED: Sorts = {}
_KEPT = 128
"""Lines that are kept as they were drawn: a tall page."""
_FILTERED_OUT = Content("nothing passes the filter")


class RowTable(Telling, Stepping, Extent, can_focus=True):
    """Rows under a cursor that stays with its row, by key, when rows change.

    Args:
        columns: at least one; their number is the number of cells of every row.
        empty: what is shown when there are no rows: why, and which key helps.
        follow: while the cursor is on the last row, it stays on the last row as rows are appended.
        sorts: the columns that it can be sorted by; such a table is given all its rows at once.
        lead: the first row matters most: until a person takes the cursor, it stays on the first row.
        max_rows: rows kept by `append_rows` and `prepend_rows`; those at the far end are dropped.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "row-table--header",
        "row-table--cursor",
        "row-table--empty",
    }
    DEFAULT_CSS = """
    RowTable {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
    }
    RowTable > .row-table--header { color: $text-muted; text-style: bold; }
    RowTable > .row-table--empty { color: $text-muted; }
    RowTable > .row-table--cursor { background: $block-cursor-blurred-background; }
    RowTable:focus > .row-table--cursor {
        background: $block-cursor-background;
        color: $block-cursor-foreground;
    }
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: Content,
        follow: bool = False,
        lead: bool = False,
        show_header: bool = True,
        sorts: Sorts = NOT_SORTED,
        max_rows: int = 5000,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._columns = tuple(columns)
        self._empty = empty
        self._follow = follow
        self._lead = lead
        self._taken = False
        self._header = int(show_header)
        self._max_rows = max_rows
        self._sieve = Sieve()
        self._filtered_out = _FILTERED_OUT
        self.sorts = sorts
        self._order: Order | None = None
        self._cursor = 0
        self._announced: str | None = None
        self._lines = Lines(_KEPT)

    # What is in the table.

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor; None when there are no rows."""
        return self._rows[self._cursor].key if self._rows else None

    @property
    def taken(self) -> bool:
        """A person has put the cursor where it is."""
        return self._taken

    @property
    def row_count(self) -> int:
        return len(self._rows)

    @property
    def columns(self) -> tuple[Column, ...]:
        return self._columns

    @property
    def shown_rows(self) -> tuple[Row, ...]:
        """The rows that pass the filter, from top to bottom."""
        return tuple(self._rows)

    @property
    def total_count(self) -> int:
        """How many rows there are, whether they pass the filter or not."""
        return len(self._sieve.all)

    @property
    def at_end(self) -> bool:
        """The cursor is on the last row and that row is in view."""
        last = len(self._rows) - 1
        return self._cursor >= last and self.scroll_offset.y + self._page > last

    def set_rows(self, rows: Sequence[Row], *, keep_cursor: bool = True) -> None:
        """Show these rows instead; the cursor stays with its key, else with its place."""
        before, key = self._window(), self.cursor_key
        top, old, following = self.scroll_offset.y, self._cursor, self._follow and self.at_end
        # Whoever has scrolled away from the cursor is not pulled back to it.
        in_view = top <= old < top + self._page
        keep_cursor = keep_cursor and (self._taken or self.has_focus or not self._lead)
        self._sieve.replace(rows)
        if following:
            self._cursor = len(self._rows) - 1
        elif keep_cursor:
            self._cursor = self._find(key) if key is not None else 0
        else:
            self._cursor = top = old = 0
            in_view = True
        self._cursor = max(min(self._cursor, len(self._rows) - 1), 0)
        # Lines stay where they are for the eye, but a view at its top keeps showing what is newest.
        self._settle(before, top + self._cursor - old if top else 0, reveal=in_view or following)

    def release(self) -> None:
        """Forget that a person took the cursor: back to the first row."""
        self._taken = False
        self._put_cursor(0)

    def append_rows(self, rows: Sequence[Row]) -> None:
        """Add rows at the bottom; beyond `max_rows` the first ones are dropped."""
        before, top, following = self._window(), self.scroll_offset.y, self._follow and self.at_end
        surplus = self._sieve.append(rows, self._max_rows)
        self._cursor = max(len(self._rows) - 1 if following else self._cursor - surplus, 0)
        self._settle(before, top - surplus, reveal=following)

    def prepend_rows(self, rows: Sequence[Row]) -> None:
        """Add rows at the top without moving the view; beyond `max_rows` the last ones are dropped."""
        before, top = self._window(), self.scroll_offset.y
        added = self._sieve.prepend(rows, self._max_rows)
        self._cursor = max(min(self._cursor + added, len(self._rows) - 1), 0)
        self._settle(before, top + added, reveal=False)

    def redraw_changed(self) -> None:
        """Redraw the rows in view of which something else is to be drawn than what was."""
        changed = (row.besides != self.drawn_besides(row) for row, _ in self._window())
        self.refresh_some(self._header, changed)

    def set_filter(self, passes: Passes | None, filtered_out: Content = _FILTERED_OUT) -> None:
        """Show only rows whose text passes, or `filtered_out`; None: all. The cursor stays with its row."""
        self._filtered_out = filtered_out
        self._rearrange(lambda: self._sieve.filter(passes))

    @property
    def order(self) -> Order | None:
        """The order of the rows; None: as they are given."""
        return self._order

    def set_order(self, order: Order | None) -> None:
        """Put the rows in this order, and every row to come. The cursor stays with its row."""
        self._order = order
        self._rearrange(
            lambda: self._sieve.order(None if order is None else partial(ordered, self.sorts, order))
        )
        self.refresh()

    def next_order(self) -> Order | None:
        """By the next of the columns in view that it can be sorted by."""
        places = self._places(self.scrollable_content_region.width)
        return following([self._columns[place] for place, _ in places], self.sorts, self._order)

    def _rearrange(self, change: Callable[[], None]) -> None:
        before, key = self._window(), self.cursor_key
        change()
        self._cursor = next((place for place, row in enumerate(self._rows) if row.key == key), 0)
        self._settle(before, 0, reveal=True)

    def move_to(self, key: str) -> bool:
        """Put the cursor on the row with this key; False when there is none."""
        place = next((place for place, row in enumerate(self._rows) if row.key == key), None)
        if place is not None:
            self._put_cursor(place)
        return place is not None

    def set_header(self, shown: bool) -> None:
        """Show the titles of the columns, or not."""
        if shown is not bool(self._header):
            self._header = int(shown)
            self.set_extent(len(self._rows) + self._header)
            self.refresh()

    def set_empty(self, empty: Content) -> None:
        """Change what is shown when there are no rows."""
        self._empty = empty
        if not self._rows:
            self.refresh()

    # What a subclass may draw or tell differently.

    def record(self, _key: str) -> object:
        """What stands behind a row; None when only its text is known."""
        return None

    def cell(self, row: Row, place: int, _width: int) -> Content:
        """What a cell of `_width` cells shows; a subclass may draw to measure."""
        return row.cells[place]

    def drawn_besides(self, _row: Row) -> object:
        """What `cell` draws that is not in the row itself: a line is drawn anew when it differs."""
        return None

    def title_cell(self, place: int, width: int) -> Content:
        """What the header shows above a column."""
        column, order = self._columns[place], self._order
        if order is not None and order.column == column.key:
            return heading(column.title, width, falling=order.falling)
        return Content(column.title)

    def chosen(self, key: str) -> Message:
        """The message for a row that was chosen."""
        return self.Selected(self, key)

    # Where the cursor is and what is in view.

    @property
    def _rows(self) -> list[Row]:
        return self._sieve.shown

    @property
    def _page(self) -> int:
        """Rows that fit."""
        return max(self.size.height - self._header, 1)

    def _find(self, key: str) -> int:
        """Where the row with this key is now; the cursor's place when it is gone."""
        place = self._cursor
        if place < len(self._rows) and self._rows[place].key == key:
            return place
        return next((place for place, row in enumerate(self._rows) if row.key == key), place)

    def _window(self) -> list[tuple[Row, bool]]:
        """The rows in view, each with whether the cursor is on it."""
        top = self.scroll_offset.y
        shown = self._rows[top : top + self._page]
        return [(row, top + line == self._cursor) for line, row in enumerate(shown)]

    def _settle(self, before: list[tuple[Row, bool]], top: int, *, reveal: bool) -> None:
        """After rows have changed: scroll to `top`, keep the cursor in view, redraw what differs."""
        self.set_extent(len(self._rows) + self._header)
        self.put_first(top)
        if reveal:
            self._reveal()
        after = self._window()
        known = {row.key: row for row, _ in before}
        stay = {row.key for row, _ in after if row.key in known and self._is_as_drawn(row, known[row.key])}
        if len(before) != len(after) or not after:
            self.refresh()
        else:
            was, now = ([(row.key, on_cursor) for row, on_cursor in rows] for rows in (before, after))
            pairs = zip(was, now, strict=True)
            self.refresh_some(self._header, [old != new or new[0] not in stay for old, new in pairs])
        self._lines.only(row for row, _ in after)
        self._announce()

    def _is_as_drawn(self, new: Row, old: Row) -> bool:
        """Whether a row looks like the one that was there before: then its line is kept, wherever it goes."""
        same = same_row(old, new) and old.besides == self.drawn_besides(new)
        if same:
            new.besides, new.strip = old.besides, old.strip
        return same

    def _reveal(self) -> None:
        """Scroll no more than needed to have the cursor in view."""
        top, page = self.scroll_offset.y, self._page
        wanted = min(max(top, self._cursor - page + 1), self._cursor)
        if wanted != top:
            self.put_first(wanted)

    def _refresh_row(self, place: int) -> None:
        line = place - self.scroll_offset.y + self._header
        if self._header <= line < self.size.height:
            self.refresh(Region(0, line, self.size.width, 1))

    def _put_cursor(self, place: int) -> None:
        old, self._cursor = self._cursor, place
        self._refresh_row(old)
        self._refresh_row(place)
        self._reveal()
        self._announce()

    def _announce(self) -> None:
        if self.cursor_key != self._announced:
            self._announced = self.cursor_key
            self.post_message(self.Highlighted(self, self._announced))

    def _take(self, place: int) -> None:
        """A person puts the cursor there; the first time it is told even where it has been before."""
        if not self._taken:
            self._taken, self._announced = True, None
        self._put_cursor(place)

    def _move(self, distance: int) -> None:
        """Move the cursor, and tell when it is at either end."""
        last = len(self._rows) - 1
        target = self._cursor + distance
        if self._rows:
            self._take(max(min(target, last), 0))
        if distance < 0 and target <= 0:
            self.post_message(self.TopReached(self))
        elif distance > 0 and target >= last:
            self.post_message(self.BottomReached(self))

    # Keys and mouse.

    def action_choose(self) -> None:
        if (key := self.cursor_key) is not None:
            self.post_message(self.chosen(key))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        place = self.scroll_offset.y + offset.y - self._header if offset is not None else -1
        if offset is None or offset.y < self._header or place >= len(self._rows):
            return
        if place == self._cursor:
            self.action_choose()
        else:
            self._take(place)

    def on_mouse_scroll_up(self) -> None:
        if self.scroll_offset.y <= 0:
            self.post_message(self.TopReached(self))

    def on_mouse_scroll_down(self) -> None:
        if self.scroll_offset.y >= self.max_scroll_y:
            self.post_message(self.BottomReached(self))

    def on_resize(self) -> None:
        self.put_first(self.scroll_offset.y)
        self._reveal()

    # Drawing.

    def _places(self, width: int) -> tuple[tuple[int, int], ...]:
        """Where columns are in `width` cells, of which the last is left free beside a scrollbar."""
        return lay_out(self._columns, width - self.show_vertical_scrollbar)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if not self._rows:
            empty = self._filtered_out if self._sieve.all else self._empty
            style = self.get_visual_style("row-table--empty")
            return draw_centred(empty, y, Size(width, self.size.height), style)
        if y < self._header:
            style = self.get_visual_style("row-table--header")
            titles = [(p, w, self.title_cell(p, w)) for p, w in self._places(width)]
            return draw_line(self._columns, titles, style, width)
        place = self.scroll_offset.y + y - self._header
        if place >= len(self._rows):
            return Strip.blank(width, self.visual_style.rich_style)
        row = self._rows[place]
        on_cursor = place == self._cursor
        style = self.get_visual_style("row-table--cursor") if on_cursor else self.visual_style
        if row.style:
            style += Style.parse(row.style)
        look = (style, width, self.size.width, self.app.theme)
        row.besides = self.drawn_besides(row)
        return row.drawn((look, row.besides), lambda: self._draw(row, style, width))

    def _draw(self, row: Row, style: Style, width: int) -> Strip:
        self._lines.add(row)
        places = self._places(width) if len(row.cells) > 1 else ((0, width - self.show_vertical_scrollbar),)
        cells = [(p, w, self.cell(row, p, w)) for p, w in places]
        line = draw_line(self._columns, cells, style, width)
        return line.apply_filter(FAINT, self.background_colors[1]) if row.style else line
