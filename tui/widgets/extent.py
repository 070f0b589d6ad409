"""Lines that scroll, and whose number changes all the time: only what looks different is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby

from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar

_PARTS = 8
"""Of a cell of the scrollbar: as finely as its ends are drawn."""


class Extent(ScrollView):
    """Lines that scroll up and down.

    Textual lays out the whole screen, and draws all of it, whenever a line is added.
    """

    def set_extent(self, lines: int) -> None:
        """Have so many lines; the screen is laid out only where the scrollbar comes or goes."""
        size = Size(0, lines)
        has_bar = lines > self.container_size.height
        if self.is_mounted and has_bar is self.show_vertical_scrollbar and not self.styles.auto_dimensions:
            self.set_reactive(ScrollView.virtual_size, size)
            self._move_bar()
        else:
            self.virtual_size = size

    def put_first(self, line: int) -> None:
        """Have this line as the first in view, as far as there are lines below it."""
        if self.is_attached:
            # Forced: whether there is a scrollbar is known only after the next layout.
            self.scroll_to(y=max(line, 0), animate=False, force=True)

    def refresh_some(self, first: int, changed: Iterable[bool]) -> None:
        """Redraw those of the lines in view, from this one on, that have changed."""
        line = first
        for is_changed, alike in groupby(changed):
            count = sum(1 for _ in alike)
            if is_changed:
                self.refresh(Region(0, line, self.size.width, count))
            line += count

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """As Textual does, but for the scrollbar, which is drawn only where that shows."""
        self._move_bar()
        if round(old_value) != round(new_value):
            self.refresh(self.size.region)

    def _move_bar(self) -> None:
        if not self.show_vertical_scrollbar:
            return
        bar = self.vertical_scrollbar
        before = _thumb(bar)
        bar.set_reactive(ScrollBar.window_virtual_size, self.virtual_size.height)
        bar.set_reactive(ScrollBar.position, bar.validate_position(self.scroll_y))
        if _thumb(bar) != before:
            bar.refresh()


def _thumb(bar: ScrollBar) -> tuple[int, int]:
    """Where the thumb of a scrollbar begins and how long it is, as its renderer rounds both."""
    lines, page, cells = bar.window_virtual_size, bar.window_size, bar.size.height
    if not 0 < page < lines or not cells:
        return 0, 0
    length = max(1.0, page * cells / lines)
    return int((cells - length) * bar.position / (lines - page) * _PARTS), math.ceil(length * _PARTS)
