"""What is drawn when a part of the screen changes: the lines of the widgets that are in it, and no others."""

from __future__ import annotations

from collections.abc import Iterable

from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region
from textual.strip import Strip


class TouchedCompositor(Compositor):
    """Asks widgets only for lines that have changed.

    Textual's own asks every widget for all lines in the rectangle around all that has changed. With a clock
    in the first line of a screen and anything that moves below, that is the whole screen at every second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._touched: tuple[Region, ...] | None = None

    def render_partial_update(self) -> ChopsUpdate | None:
        self._touched = tuple(self._dirty_regions)
        try:
            return super().render_partial_update()
        finally:
            self._touched = None

    def _get_renders(self, crop: Region | None = None) -> Iterable[tuple[Region, Region, list[Strip]]]:
        if self._touched is None:
            yield from super()._get_renders(crop)
            return
        for widget, (region, clip) in self.visible_widgets.items():
            seen = region.intersection(clip)
            parts = [part for part in self._touched if part.overlaps(seen)]
            if parts:
                top, bottom = max(seen.y, min(part.y for part in parts)), max(part.bottom for part in parts)
                lines = Region(seen.x, top, seen.width, min(bottom, seen.bottom) - top)
                yield region, lines, widget.render_lines(lines.translate(-region.offset))
