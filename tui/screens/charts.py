"""View 4: any series over time, with what it was in the period before, and what happened meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content

from engine.errors import TocsinError
from engine.model import Alert, InForce, PointBucket, Series, SeriesKind, Topic
from engine.text import counted
from tui import present
from tui.actions import Scope, bindings
from tui.bridge import Loader
from tui.screens.base import LOADING, View
from tui.widgets.chart import Chart, Mark, value_text
from tui.widgets.chart_pair import clock_steps
from tui.widgets.columns import Cells
from tui.widgets.plot import Series as Line
from tui.widgets.row_table import Column, Row, RowTable

BUCKETS = 120
_ENDS = 2
"""Cells of the border beside a subtitle, more than beside the chart."""
_SUCCESS = "workflow.success"
_CHANGED = Content.styled(present.sign("◆", "c"), "$text-accent")
"""Marks another configuration."""
_COLUMNS = (Column("series", "Series", 18, flex=1), Column("of", "Of", 12, flex=1))


class Measure(StrEnum):
    """What of the points in a bucket is drawn."""

    PERCENTILES = "percentiles"
    SPREAD = "mean and extremes"
    RATE = "rate"
    COUNT = "points"


@dataclass(frozen=True, slots=True)
class Choice:
    """A row of the list: one series, or all of a name."""

    name: str
    labels: tuple[tuple[str, str], ...]
    kind: SeriesKind

    @property
    def key(self) -> str:
        return "|".join((self.name, *(f"{name}={value}" for name, value in self.labels)))

    @property
    def of(self) -> str:
        """Whose it is, the workflow first; empty for all together."""
        return " › ".join(value for name, value in sorted(self.labels, key=lambda one: one[0] != "workflow"))

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What can be drawn of it, the most telling first."""
        if self.kind is SeriesKind.COUNTER:
            return (Measure.RATE, Measure.COUNT)
        if self.kind is SeriesKind.DURATION:
            return (Measure.PERCENTILES, Measure.SPREAD, Measure.COUNT)
        return (Measure.SPREAD, Measure.PERCENTILES, Measure.COUNT)

    @property
    def unit(self) -> str:
        if self.kind is SeriesKind.DURATION:
            return "s"
        return "%" if self.name == _SUCCESS else ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What the chart shows: a choice's buckets, those of the period before, and what happened."""

    choice: Choice
    since: float
    until: float
    buckets: tuple[PointBucket, ...]
    before: tuple[PointBucket, ...]
    alerts: tuple[Alert, ...]
    configurations: tuple[InForce, ...] = ()


class ChartsView(View[tuple[Series, ...]]):
    """The list of all series beside the chart of the one under the cursor."""

    CSS_PATH = "charts.tcss"
    AUTO_FOCUS = "#series"
    SCOPE = Scope.CHARTS
    TOPICS = frozenset({Topic.EXECUTIONS})
    SLOWER = 10.0
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.CHARTS)

    def __init__(self) -> None:
        super().__init__()
        self._choices: dict[str, Choice] = {}
        self._measures: dict[str, int] = {}
        self._compares = False
        self._place: int | None = None
        self._shown: Drawing | None = None
        self._listed: tuple[Series, ...] | None = None
        self._is_asked = True
        self._drawing: Loader[Drawing | None] = Loader(
            self, "drawing", self._fetch_drawing, self._show_drawing, self._drawing_failed,
            apart=lambda: self.chart.took,
        )  # fmt: skip

    def compose_body(self) -> ComposeResult:
        table = RowTable(_COLUMNS, empty=LOADING, id="series")
        table.add_class("pane")
        chart = Chart(empty=self.nothing_of("points"), id="chart", classes="pane")
        with Container(id="columns"):
            yield table
            yield chart
        self.set_title(table, "Series")
        self.set_title(chart, "Chart")

    @property
    def chart(self) -> Chart:
        return self.query_one("#chart", Chart)

    async def fetch(self) -> tuple[Series, ...]:
        return await self.client.series()

    def show(self, data: tuple[Series, ...]) -> None:
        if data != self._listed:
            self._listed = data
            choices = choices_of(data)
            self._choices = {choice.key: choice for choice in choices}
            table = self.query_one("#series", RowTable)
            table.set_empty(Content("no series have been recorded yet:\nthe first execution begins them"))
            table.set_rows([_row(choice) for choice in choices])
            self.set_title(table, f"Series · {len(choices)}")
        if self._is_asked or self._shown is None:
            self._is_asked = False
            self._drawing.request(urgent=True)

    def topics_changed(self, topics: frozenset[Topic]) -> None:
        """What is drawn changes with every execution, the list of what there is to draw hardly ever."""
        super().topics_changed(topics)
        if self._awake and self.console.live and topics & self.TOPICS and self._shown is not None:
            self._drawing.request()

    def reload(self) -> None:
        self._is_asked = True
        super().reload()

    def on_screen_resume(self, _event: events.ScreenResume) -> None:
        self._is_asked = True

    def back(self) -> bool:
        if self._place is None:
            return False
        self._place = None
        self._draw()
        return True

    def action_measure(self) -> None:
        """Draw something else of the same points."""
        choice = self._choice()
        if choice is not None:
            self._measures[choice.name] = (self._measures.get(choice.name, 0) + 1) % len(choice.measures)
            self._draw()

    def action_compare(self) -> None:
        """Show what it was in the period before, or not."""
        self._compares = not self._compares
        self._drawing.request(urgent=True)

    def action_cursor(self, by: int) -> None:
        """Move the line from which values are read."""
        shown = self._shown
        if shown is None or not shown.buckets:
            return
        last = len(shown.buckets) - 1
        self._place = last if self._place is None else min(max(self._place + by, 0), last)
        self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing to measure before a series is chosen."""
        if action in ("measure", "compare", "cursor") and self.stands and self._choice() is None:
            return None
        return super().check_action(action, parameters)

    def _choice(self) -> Choice | None:
        key = self.query_one("#series", RowTable).cursor_key
        return self._choices.get(key) if key is not None else None

    async def _fetch_drawing(self) -> Drawing | None:
        choice = self._choice()
        if choice is None:
            return None
        until = self.console.moment()
        since, count = self.console.time_range.since(until), BUCKETS
        if self.console.live:
            since, until, count = clock_steps(since, until, count)
        span = until - since
        labels = dict(choice.labels)
        buckets = await self.client.points(choice.name, since, until, count, labels)
        before: tuple[PointBucket, ...] = ()
        if self._compares:
            before = await self.client.points(choice.name, since - span, since, count, labels)
        alerts = await self.client.alerts(since=since, at=self.console.at)
        fired = tuple(one for one in alerts if one.fired_at is not None and since <= one.fired_at <= until)
        changes = await self.client.configurations(since, until)
        changed = tuple(one for one in changes[1:] if one.since >= since)
        return Drawing(choice, since, until, buckets, before, fired, changed)

    def _show_drawing(self, drawing: Drawing | None) -> None:
        self._shown = drawing
        if drawing is None:
            self.chart.clear(Content("no series is selected"))
            self.set_title(self.chart, "Chart")
            self.chart.border_subtitle = Content("")
        else:
            self._draw()

    def _drawing_failed(self, error: TocsinError | None) -> None:
        self.console.report_trouble(self._drawing, error)

    def _draw(self) -> None:
        shown = self._shown
        if shown is None:
            return
        choice = shown.choice
        measure = choice.measures[self._measures.get(choice.name, 0) % len(choice.measures)]
        lines, unit = lines_of(shown, measure)
        marks = [
            Mark(one.fired_at, present.severity_sign(one.severity)) for one in shown.alerts if one.fired_at
        ]
        marks += [Mark(one.since, _CHANGED) for one in shown.configurations]
        self.chart.plot(str(measure), lines, shown.since, shown.until, unit=unit, marks=marks)
        bucket = shown.buckets[self._place] if self._place is not None and shown.buckets else None
        self.chart.point_at(bucket.at + bucket.width / 2 if bucket else None)
        where = present.foreign(choice.of or "all", 60)
        self.set_title(self.chart, present.foreign(choice.name, 60), where, self.console.time_range.label)
        room = self.chart.size.width - _ENDS
        said = reading(bucket, lines, self._place or 0, unit, room) if bucket else Content("")
        if self.chart.border_subtitle != said.markup:
            self.chart.border_subtitle = said

    @on(RowTable.Highlighted, "#series")
    def _moved(self) -> None:
        self._drawing.request(urgent=True)
        self.refresh_bindings()


def choices_of(series: Sequence[Series]) -> tuple[Choice, ...]:
    """Each name: all of its series together, then each of them; what says most about a workflow first."""
    choices: list[Choice] = []
    name = ""
    for one in sorted(series, key=lambda one: (not one.name.startswith("workflow."), one.name, one.labels)):
        if one.name != name and one.labels:
            choices.append(Choice(one.name, (), one.kind))
        name = one.name
        choices.append(Choice(one.name, one.labels, one.kind))
    return tuple(choices)


def lines_of(drawing: Drawing, measure: Measure) -> tuple[tuple[Line, ...], str]:
    """The lines to draw, the period before last, and the unit they are in."""
    factor, unit = _scale(drawing)
    chosen: Mapping[str, tuple[str, Callable[[PointBucket], float | None]]]
    match measure:
        case Measure.PERCENTILES:
            chosen = {
                "p50": ("primary", lambda bucket: bucket.p50),
                "p95": ("accent", lambda bucket: bucket.p95),
                "p99": ("error", lambda bucket: bucket.p99),
            }
        case Measure.SPREAD:
            chosen = {
                "mean": ("primary", lambda bucket: bucket.mean),
                "max": ("warning", lambda bucket: bucket.maximum),
                "min": ("success", lambda bucket: bucket.minimum),
            }
        case Measure.RATE:
            chosen, unit = {"rate": ("primary", lambda bucket: bucket.rate)}, "/s"
        case Measure.COUNT:
            chosen = {"points": ("primary", lambda bucket: float(bucket.count))}
            factor, unit = 1.0, ""
    lines = [_line(name, drawing.buckets, value, color, factor) for name, (color, value) in chosen.items()]
    if drawing.before:
        name = "p95" if "p95" in chosen else next(iter(chosen))
        _, value = chosen[name]
        ago = _line(f"{name} before", drawing.before, value, "secondary", factor)
        span = drawing.until - drawing.since
        lines.append(replace(ago, points=tuple((at + span, level) for at, level in ago.points)))
    return tuple(lines), unit


def reading(bucket: PointBucket, lines: Sequence[Line], place: int, unit: str, room: int) -> Content:
    """The values under the cursor, after the time they are of; the values come first where room is short.

    Args:
        room: cells.
    """
    values = []
    for line in lines:
        value = line.points[place][1] if place < len(line.points) else None
        values.append(f"{line.name} {value_text(value, unit)}")
    begins, ends = present.clock_text(bucket.at), present.clock_text(bucket.at + bucket.width)
    points = counted(bucket.count, "point")
    forms = ([f"{begins} – {ends}", *values, points], [begins, *values, points], [begins, *values])
    said = ["  ".join(form) for form in forms]
    return Content(next((one for one in said if len(one) <= room), said[-1]))


def _scale(drawing: Drawing) -> tuple[float, str]:
    """Seconds become milliseconds where all are short, shares percent."""
    choice = drawing.choice
    if choice.kind is SeriesKind.DURATION:
        buckets = (*drawing.buckets, *drawing.before)
        longest = max((one.maximum for one in buckets if one.maximum is not None), default=0.0)
        return (1000.0, "ms") if longest < 2.0 else (1.0, "s")
    return (100.0, "%") if choice.unit == "%" else (1.0, choice.unit)


def _line(
    name: str,
    buckets: Sequence[PointBucket],
    value: Callable[[PointBucket], float | None],
    color: str,
    factor: float,
) -> Line:
    found = ((bucket.at + bucket.width / 2, value(bucket) if bucket.count else None) for bucket in buckets)
    return Line(name, tuple((at, None if level is None else level * factor) for at, level in found), color)


def _row(choice: Choice) -> Row:
    return Row(choice.key, partial(_cells, choice))


def _cells(choice: Choice) -> Cells:
    name = present.foreign(choice.name, 60)
    of = choice.of
    return name, present.foreign(of, 80) if of else Content.styled("all", present.MUTED)
