"""The keys that move a cursor through lines: one, half a page, a page, to either end."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.scroll_view import ScrollView


class Stepping(ScrollView):
    """Lines with a cursor; whoever draws them says how many there are and puts the cursor where it goes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor_up", "Up", show=False, id="lists.up"),
        Binding("down,j", "cursor_down", "Down", show=False, id="lists.down"),
        Binding("pageup", "page_up", "Page up", show=False),
        Binding("pagedown", "page_down", "Page down", show=False),
        Binding("ctrl+u", "half_page_up", "Half a page up", show=False, id="lists.half_up"),
        Binding("ctrl+d", "half_page_down", "Half a page down", show=False, id="lists.half_down"),
        Binding("g,home", "first", "First", show=False, id="lists.top"),
        Binding("G,end", "last", "Last", show=False, id="lists.bottom"),
        Binding("enter", "choose", "Open", show=False, id="lists.open"),
    ]

    @property
    def row_count(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    @property
    def _page(self) -> int:
        """Lines that fit."""
        raise NotImplementedError

    def _move(self, distance: int) -> None:
        """Move the cursor by so many lines, down when positive."""
        raise NotImplementedError

    def action_cursor_up(self) -> None:
        self._move(-1)

    def action_cursor_down(self) -> None:
        self._move(1)

    def action_page_up(self) -> None:
        self._move(-self._page)

    def action_page_down(self) -> None:
        self._move(self._page)

    def action_half_page_up(self) -> None:
        self._move(-max(self._page // 2, 1))

    def action_half_page_down(self) -> None:
        self._move(max(self._page // 2, 1))

    def action_first(self) -> None:
        self._move(-max(self.row_count, 1))

    def action_last(self) -> None:
        self._move(max(self.row_count, 1))
