"""Four panes, two by two, whose borders can be moved."""

from __future__ import annotations

from typing import Literal

from textual import events
from textual.containers import Container
from textual.geometry import clamp
from textual.message import Message
from textual.widget import Widget

LEAST, MOST = 15, 85
STEP = 5
"""How far a key moves a border, in percent of the grid."""
Way = Literal["columns", "rows"]
WAYS: tuple[Way, Way] = ("columns", "rows")


class PaneGrid(Container):
    """Its style sheet says how the panes share it, until a border is moved by keys or by the mouse.

    On a narrow terminal, where panes stand one above the other, that stays as it is.
    """

    class Moved(Message):
        """A border is somewhere else, or all are back where they belong."""

        def __init__(self, grid: PaneGrid) -> None:
            super().__init__()
            self.grid = grid

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shares: dict[Way, int] = {}
        # Measured once: right after `even()` the panes are not back in their places yet.
        self._usual: dict[Way, int] = {}
        self._dragged: tuple[Way, ...] = ()

    @property
    def shares(self) -> dict[Way, int]:
        """Percent (15–85) of the first column and of the first row, as far as a border was moved."""
        return dict(self._shares)

    @property
    def is_stacked(self) -> bool:
        """The panes stand one above the other."""
        return self.screen.has_class("-narrow")

    def restore(self, shares: dict[Way, int]) -> None:
        """Put borders where they have been before; shares are kept within their bounds."""
        self._shares = {way: clamp(share, LEAST, MOST) for way, share in shares.items()}
        self._apply()

    def move(self, columns: int, rows: int) -> None:
        """Move the border between columns to the right, that between rows down, by percent of the grid."""
        for way, distance in zip(WAYS, (columns, rows), strict=True):
            if distance:
                self._put(way, self._share(way) + distance)

    def grow(self, pane: Widget, percent: int) -> None:
        """Give a pane more room in both directions, or less."""
        place = self.children.index(pane)
        self.move(-percent if place % 2 else percent, -percent if place >= 2 else percent)

    def even(self) -> None:
        """Back to how the style sheet has it."""
        self._shares.clear()
        self._apply()
        self.post_message(self.Moved(self))

    def _share(self, way: Way) -> int:
        if way in self._shares:
            return self._shares[way]
        if way not in self._usual:
            first = self.children[0].outer_size
            shown = first.width / self.size.width if way == "columns" else first.height / self.size.height
            self._usual[way] = round(shown * 100)
        return self._usual[way]

    def _put(self, way: Way, share: int) -> None:
        if not self.is_stacked:
            self._shares[way] = clamp(share, LEAST, MOST)
            self._apply()
            self.post_message(self.Moved(self))

    def _apply(self) -> None:
        for way in WAYS:
            share = None if self.is_stacked else self._shares.get(way)
            if share is None:
                self.styles.clear_rule(f"grid_{way}")
            elif way == "columns":
                self.styles.grid_columns = f"{share}fr {100 - share}fr"
            else:
                self.styles.grid_rows = f"{share}fr {100 - share}fr"
        self.refresh(layout=True)

    def on_resize(self) -> None:
        self._usual.clear()
        # Whether the terminal is narrow is known after the screen has been told of its size.
        self.call_after_refresh(self._apply)

    # The mouse: a border is two cells wide, the edges of the panes beside it.

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if self.is_stacked:
            return
        edge = self.children[0].region.bottom_right
        x, y = event.screen_x - edge.x, event.screen_y - edge.y
        self._dragged = tuple(way for way, at in zip(WAYS, (x, y), strict=True) if at in (-1, 0))
        if self._dragged:
            event.stop()
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        here = self.region
        for way in self._dragged:
            inside, size = (
                (event.screen_x - here.x, here.width)
                if way == "columns"
                else (event.screen_y - here.y, here.height)
            )
            self._put(way, round(inside * 100 / max(size, 1)))

    def on_mouse_up(self) -> None:
        if self._dragged:
            self._dragged = ()
            self.release_mouse()
