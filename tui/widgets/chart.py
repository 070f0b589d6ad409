"""Charts that never block the loop: drawn in a thread of their own, the last frame stays until the next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.text import Text
from textual import work
from textual.color import Color
from textual.content import Content
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

from engine.client import Bucket
from tui.present import MUTED, duration_text, fit, foreign, sign, sparkline
from tui.widgets.plot import AXES, PLOTTER, Frame, Rgb, Series, columns_of, marker_of, render_plot

_LEAST_WIDTH, _LEAST_HEIGHT = 16, 3
_MILLISECONDS_BELOW = 2.0
_LEGEND_SIGNS = {"braille": "━"}
_SECONDS = {"ms": 0.001, "s": 1.0}


_CURSOR = "on $primary 40%"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a moment: one character above the chart."""

    at: float
    sign: Content


class Chart(Widget):
    """A line chart over time under a line with its title and legend, and one with marks when there are any.

    Args:
        empty: what is shown while no point can be drawn.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = "Chart { height: 1fr; min-height: 3; }"

    def __init__(
        self,
        *,
        empty: Content | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._empty = empty or Content("no executions in this range")
        self._why = self._empty
        self._legend = Content("")
        self._wanted: Frame | None = None
        self._drawn: Frame | None = None
        self._lines: tuple[Content, ...] = ()
        self._marks: tuple[Mark, ...] = ()
        self._cursor: float | None = None
        self.took = 0.0
        """Seconds of processor time that the newest drawing took."""

    def plot(
        self,
        title: Content | str,
        series: Sequence[Series],
        since: float,
        until: float,
        *,
        unit: str = "",
        y_range: tuple[float, float] | None = None,
        marks: Sequence[Mark] = (),
    ) -> None:
        """Draw `series` over [since, until]; `unit` is shown with the y axis, `y_range` fixes it."""
        self._why = self._empty
        self._marks = tuple(mark for mark in marks if since <= mark.at <= until)
        is_plain = self.app.no_color
        self._legend = _legend(title, series, unit, is_plain=is_plain)
        self._wanted = Frame(
            tuple(series), 0, 0, since, max(until, since + 1.0), unit, y_range, is_plain=is_plain
        )
        # What is to be drawn replaces legend and lines at once.
        if not self._request() or self._drawn is None:
            self.refresh()

    def clear(self, why: Content) -> None:
        """Draw nothing, and say why there is nothing to draw."""
        self._why, self._legend, self._wanted, self._marks, self._cursor = why, Content(""), None, (), None
        self.refresh()

    def point_at(self, at: float | None) -> None:
        """Stand a line at a moment, or none."""
        if at != self._cursor:
            self._cursor = at
            self.refresh()

    @property
    def _head(self) -> int:
        """Lines above the plot."""
        return 2 if self._marks else 1

    @property
    def _has_points(self) -> bool:
        return self._wanted is not None and any(series.measured for series in self._wanted.series)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._recolor)

    def on_resize(self) -> None:
        self._request()

    def _recolor(self, _theme: Theme) -> None:
        self._request()

    def _request(self) -> bool:
        """Have the wanted frame drawn at the present size and in the present colours; False when it is."""
        width, height = self.size.width, self.size.height - self._head
        if self._wanted is None or not self._has_points or width < _LEAST_WIDTH or height < _LEAST_HEIGHT:
            return False
        frame = replace(self._wanted, width=width, height=height, colors=self._colors(self._wanted.series))
        if frame == self._drawn:
            self.workers.cancel_group(self, "draw")
            return False
        self._draw(frame)
        return True

    def _colors(self, series: Sequence[Series]) -> dict[str, Rgb]:
        variables = self.app.theme_variables
        colors = {one.color: Color.parse(variables[one.color]).rgb for one in series}
        ground = Color.parse(variables["background"])
        return colors | {AXES: Color.parse(variables["foreground"]).blend(ground, 0.45).rgb}

    @work(group="draw", exclusive=True)
    async def _draw(self, frame: Frame) -> None:
        """Draw this frame next, instead of any that is still to be drawn."""
        lines, self.took = await asyncio.get_running_loop().run_in_executor(PLOTTER, _draw_lines, frame)
        self._drawn, self._lines = frame, lines
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size.width, self.size.height
        content = Content("")
        if y == 0 and (height > 1 or not self._has_points):
            content = self._legend
        elif not self._has_points:
            content = self._empty_line(y - 1, height - 1)
        elif width < _LEAST_WIDTH or height - self._head < _LEAST_HEIGHT:
            content = self._small_line(y - 1, width)
        elif self._marks and y == 1:
            content = self._mark_line(width)
        elif y - self._head < len(self._lines):
            content = self._with_cursor(self._lines[y - self._head])
        style = self.visual_style
        return Strip(fit(content, width).render_segments(style)).adjust_cell_length(width, style.rich_style)

    def _empty_line(self, line: int, height: int) -> Content:
        """The empty state, in the middle of `height` lines."""
        width = self.size.width
        lines = self._why.wrap(max(width, 1))
        place = line - max(height - len(lines), 0) // 2
        if not 0 <= place < len(lines):
            return Content("")
        content = lines[place].rstrip().stylize(MUTED)
        return content.pad_left(max(width - content.cell_length, 0) // 2)

    def _mark_line(self, width: int) -> Content:
        """The marks in their columns; of two in one column the later is seen."""
        if self._drawn is None:
            return Content("")
        columns = columns_of(self._drawn, [mark.at for mark in self._marks])
        signs = {column: mark.sign for column, mark in zip(columns, self._marks, strict=True)}
        return Content("").join(signs.get(column, Content(" ")) for column in range(width))

    def _with_cursor(self, line: Content) -> Content:
        frame = self._drawn
        if frame is None or self._cursor is None or not frame.since <= self._cursor <= frame.until:
            return line
        (column,) = columns_of(frame, [self._cursor])
        return fit(line, frame.width).stylize(_CURSOR, column, column + 1)

    def _small_line(self, line: int, width: int) -> Content:
        """Where axes do not fit: a trend for each series."""
        series = self._wanted.series if self._wanted else ()
        if not 0 <= line < len(series):
            return Content("")
        return sparkline([value for _, value in series[line].measured], width)


def _draw_lines(frame: Frame) -> tuple[tuple[Content, ...], float]:
    """In `PLOTTER`'s thread: a frame as styled lines, and the seconds of processor time that this took."""
    began = time.thread_time()
    lines = tuple(Content.from_rich_text(line) for line in Text.from_ansi(render_plot(frame)).split("\n"))
    return lines, time.thread_time() - began


def _legend(title: Content | str, series: Sequence[Series], unit: str, *, is_plain: bool) -> Content:
    """The title, then name and newest value of each series in its colour, after what it is drawn with."""
    parts = [title if isinstance(title, Content) else foreign(title, style="bold")]
    for place, one in enumerate(series):
        marker = marker_of(place, is_plain=is_plain)
        newest = value_text(one.measured[-1][1] if one.measured else None, unit)
        parts.append(
            Content.styled(f"{_LEGEND_SIGNS.get(marker, marker)} {one.name} {newest}", f"${one.color}")
        )
    return Content("  ").join([part for part in parts if part])


def value_text(value: float | None, unit: str) -> str:
    """The value with three digits in its unit; seconds as everywhere else. A dash for None."""
    if value is None:
        return sign("–", "-")
    if unit in _SECONDS:
        return duration_text(value * _SECONDS[unit])
    return f"{value:.3g} {unit}".rstrip()


def _series(
    buckets: Sequence[Bucket], name: str, color: str, value: Callable[[Bucket], float | None]
) -> Series:
    points = tuple((bucket.at + bucket.width / 2, value(bucket)) for bucket in buckets)
    return Series(name, points, color)


def duration_series(buckets: Sequence[Bucket]) -> tuple[tuple[Series, ...], str]:
    """p50 and p95 of `buckets`, and the unit chosen for both: `ms` or `s`."""
    longest = max((bucket.p95 for bucket in buckets if bucket.p95 is not None), default=0.0)
    factor, unit = (1000.0, "ms") if longest < _MILLISECONDS_BELOW else (1.0, "s")

    def scaled(seconds: float | None) -> float | None:
        return seconds * factor if seconds is not None else None

    p50 = _series(buckets, "p50", "primary", lambda bucket: scaled(bucket.p50))
    p95 = _series(buckets, "p95", "accent", lambda bucket: scaled(bucket.p95))
    return (p50, p95), unit


def success_series(buckets: Sequence[Bucket]) -> tuple[Series, ...]:
    """The success rate of `buckets` in percent, 0–100."""

    def percent(bucket: Bucket) -> float | None:
        rate = bucket.success_rate
        return rate * 100 if rate is not None else None

    return (_series(buckets, "success", "success", percent),)
