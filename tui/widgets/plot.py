"""Charts as text: the one place that knows plotext, which keeps module state and is not thread safe."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tui import present

PLOTTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plot")
"""The one thread in which plotext is imported and used."""

AXES = "axes"
"""The name of the axes' colour among a frame's colours."""

_STEPS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
_DAY = 86_400
_HEADROOM = 1.05
# Charts below each other have their time axes below each other: `100 %` and `1000 ms` both fit.
_LABEL_WIDTH = 7
_LOWEST, _HIGHEST = 1e-6, 1e12
# Lower than this, every line is needed for the values.
_TIMES_FROM = 5
_ASCII_MARKERS = "*+o"
# Where colour cannot tell lines apart their shapes must; the first one stays the finest.
_PLAIN_MARKERS = ("braille", "•", "×")
_ASCII_AXES = str.maketrans("│┤├┼└─┬┴", "|++++-++")

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart; points are (time, value), None where nothing was measured.

    `color` is the name of a theme variable without its sign: `primary`, `success`, `warning` …
    """

    name: str
    points: tuple[tuple[float, float | None], ...]
    color: str = "primary"

    @property
    def measured(self) -> tuple[tuple[float, float], ...]:
        """The points that can be drawn: plotext never ends on numbers out of all proportion."""
        return tuple((x, y) for x, y in self.points if y is not None and abs(y) <= _HIGHEST)


@dataclass(frozen=True, slots=True)
class Frame:
    """What a chart shows in `width` × `height` cells, over [since, until]; colours by theme variable."""

    series: tuple[Series, ...]
    width: int
    height: int
    since: float
    until: float
    unit: str = ""
    y_range: tuple[float, float] | None = None
    colors: Mapping[str, Rgb] = field(default_factory=dict)
    is_plain: bool = False
    """Without colour."""


def value_ticks(low: float, high: float, count: int) -> tuple[float, ...]:
    """At least `count` + 1 values in [low, high], a step of 1, 2 or 5 × 10ⁿ apart, wherever such exist."""
    span = max(high - low, 1e-9) * (1 + 1e-9)
    power = 10.0 ** math.floor(math.log10(span))
    step = next(
        power * part for part in (5, 2, 1, 0.5, 0.2, 0.1) if math.floor(span / (power * part)) >= count
    )
    first, last = math.ceil(low / step - 1e-9), math.floor((low + span) / step + 1e-9)
    return tuple(round(number * step, 9) for number in range(first, last + 1))


def time_ticks(since: float, until: float, count: int) -> tuple[tuple[float, str], ...]:
    """At most about `count` round local times in [since, until], each with its label."""
    rough = (until - since) / max(count, 1)
    step = next((step for step in _STEPS if step >= rough), _STEPS[-1])
    offset = time.localtime(since).tm_gmtoff
    at = math.ceil((since + offset) / step) * step - offset
    ticks: list[tuple[float, str]] = []
    while at <= until and len(ticks) <= count:
        ticks.append((float(at), _time_label(at, step)))
        at += step
    return tuple(ticks)


def _time_label(at: float, step: int) -> str:
    local = time.localtime(at)
    midnight = not (local.tm_hour or local.tm_min or local.tm_sec)
    if step >= _DAY or (midnight and step >= 3600):
        return time.strftime("%d %b", local)
    return present.clock_text(at, seconds=step < 60)


def runs(points: Sequence[tuple[float, float]]) -> tuple[tuple[tuple[float, float], ...], ...]:
    """The points cut where nothing was measured for much longer than is usual between them."""
    if len(points) < 2:
        return (tuple(points),) if points else ()
    distances = [later[0] - earlier[0] for earlier, later in itertools.pairwise(points)]
    limit = statistics.median(distances) * 2.5
    cuts = [0, *(place + 1 for place, distance in enumerate(distances) if distance > limit), len(points)]
    return tuple(tuple(points[start:end]) for start, end in itertools.pairwise(cuts))


def render_plot(frame: Frame) -> str:
    """Draw a frame as exactly `height` lines with ANSI colours. Only ever called in `PLOTTER`'s thread."""
    import plotext

    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plot_size(frame.width, frame.height)
    plotext.canvas_color("default")
    plotext.axes_color("default")
    plotext.ticks_color(frame.colors.get(AXES, "default"))
    plotext.xaxes(frame.height >= _TIMES_FROM, False)
    plotext.yaxes(True, False)
    low, high = _value_range(frame)
    _axes(plotext, frame, low, high)
    for place, series in enumerate(frame.series):
        inside = [(x, min(max(y, low), high)) for x, y in series.measured if frame.since <= x <= frame.until]
        _line(plotext, frame, inside, place)
    lines = plotext.build().split("\n")[: frame.height]
    lines += [""] * (frame.height - len(lines))
    text = "\n".join(lines)
    return text if present.UNICODE else text.translate(_ASCII_AXES)


def _value_range(frame: Frame) -> tuple[float, float]:
    if frame.y_range is not None:
        return frame.y_range
    highest = max((y for series in frame.series for _, y in series.measured), default=0.0)
    return 0.0, highest * _HEADROOM if highest >= _LOWEST else 1.0


def columns_of(frame: Frame, moments: Sequence[float]) -> tuple[int, ...]:
    """The columns of a drawn frame that stand for times in [since, until]."""
    _, labels = _value_labels(frame, *_value_range(frame))
    axis = max(map(len, labels))
    shares = ((at - frame.since) / (frame.until - frame.since) for at in moments)
    room = max(frame.width - axis - 2, 0)
    return tuple(axis + 1 + round(min(max(share, 0.0), 1.0) * room) for share in shares)


def _value_labels(frame: Frame, low: float, high: float) -> tuple[tuple[float, ...], list[str]]:
    ticks = value_ticks(low, high, min(max((frame.height - 1) // 4, 1), 5))
    labels = [f"{value:g}" for value in ticks]
    labels[-1] += f" {frame.unit}" if frame.unit else ""
    labels[-1] = labels[-1].rjust(_LABEL_WIDTH)
    return ticks, labels


def _axes(plotext: Any, frame: Frame, low: float, high: float) -> None:
    ticks, labels = _value_labels(frame, low, high)
    plotext.ylim(low, high)
    plotext.yticks(ticks, labels)
    room = max((frame.width - 8) // 12, 1)
    times = time_ticks(frame.since, frame.until, room) if frame.height >= _TIMES_FROM else ()
    # Counted from `since`: plotext loses precision on numbers as large as epoch seconds.
    plotext.xlim(0.0, frame.until - frame.since)
    plotext.xticks([at - frame.since for at, _ in times], [label for _, label in times])


def marker_of(place: int, *, is_plain: bool) -> str:
    """What the line at `place` is drawn with, in plotext's words; lines without colour differ."""
    if not present.UNICODE:
        return _ASCII_MARKERS[place % len(_ASCII_MARKERS)]
    return _PLAIN_MARKERS[place % len(_PLAIN_MARKERS)] if is_plain else "braille"


def _line(plotext: Any, frame: Frame, points: Sequence[tuple[float, float]], place: int) -> None:
    marker = marker_of(place, is_plain=frame.is_plain)
    color = frame.colors.get(frame.series[place].color, "default")
    for run in runs(points):
        xs, ys = [x - frame.since for x, _ in run], [y for _, y in run]
        if len(run) == 1:
            plotext.scatter(xs, ys, marker=present.sign("•", marker), color=color)
        else:
            plotext.plot(xs, ys, marker=marker, color=color)
