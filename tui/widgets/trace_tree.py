"""A trace as a waterfall: the tree of spans beside their times on one scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from textual.content import Content
from textual.message import Message

from engine.client import Anatomy, Segment, anatomy
from engine.model import LogLevel, LogRecord, Outcome, Scalar, Span, SpanStatus
from tui.present import (
    MUTED,
    clock_text,
    duration_text,
    fit,
    foreign,
    hanging,
    log_level,
    outcome_glyph,
    percent_text,
    sign,
)
from tui.widgets.branches import Branch, branches
from tui.widgets.columns import Column, Row
from tui.widgets.row_table import RowTable

MAX_SPANS = 10_000
"""Spans drawn of one trace; what is beyond is counted in a last line."""

_COLUMNS = (
    Column("name", "Span", 20, flex=2),
    Column("outcome", "", 1),
    Column("path", "", 1),
    Column("duration", "Took", 9, align="right"),
    Column("own", "Own", 9, align="right", min_terminal=72),
    Column("bar", "", 20, flex=3, min_terminal=56),
)
NO_SPANS = Content("no spans: it did not run, or its trace was not sampled")
_BAR = 5
# The share of a trace from which on a span is marked, and seconds lost to rounding between two times.
_MATTERS = 0.01
_MOMENT = 1e-5
_LONGEST_NAME = 32
_ERROR = "/error"
_REST = "/rest"
# Each phase: attribute, word, style, and what stands for it without colour.
_PHASES = (
    ("phase.dns", "dns", "$secondary", "░", ":"),
    ("phase.connect", "connect", "$accent", "▒", "="),
    ("phase.tls", "tls", "$warning", "▓", "%"),
    ("phase.first_byte", "wait", "$primary", "█", "#"),
    ("phase.transfer", "transfer", "$success", "▆", "+"),
)


def error_message(span: Span) -> str:
    """Why a span failed, as far as it says; an empty string for others."""
    if span.status is not SpanStatus.ERROR:
        return ""
    for key in ("error.message", "exception.message", "status.message", "error.type"):
        if message := span.attributes.get(key):
            return str(message)
    return next((event.name for event in span.events if "error" in event.name or "fail" in event.name), "")


def span_outcome(span: Span) -> Outcome:
    """What the span says of its outcome, else what its status means."""
    try:
        return Outcome(str(span.attributes.get("outcome", "")))
    except ValueError:
        return Outcome.FAILED if span.status is SpanStatus.ERROR else Outcome.OK


class TraceTree(RowTable):
    """Spans of one trace under a cursor, with bars on a shared time scale."""

    class Opened(Message):
        """Enter, or a click on the cursor's span."""

        def __init__(self, tree: TraceTree, span: Span) -> None:
            super().__init__()
            self.tree = tree
            self.span = span

        @property
        def control(self) -> TraceTree:
            return self.tree

    def __init__(
        self, *, empty: Content | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(_COLUMNS, empty=empty or NO_SPANS, id=id, classes=classes)
        self._spans: dict[str, Span] = {}
        self._from = 0.0
        self._length = 0.0
        self._anatomy = Anatomy(None, {}, ())
        self._path: dict[str, list[Segment]] = {}
        self._given: tuple[Sequence[Span], Sequence[LogRecord]] = ((), ())
        self._logs: dict[str, list[LogRecord]] = {}
        self._folded: set[str] = set()
        self._version = 0

    def show(
        self, spans: Sequence[Span], title: Content | None = None, logs: Sequence[LogRecord] = ()
    ) -> None:
        """Show these spans, at most 10,000, with marks where they logged; `title` becomes the border's."""
        if title is not None:
            self.border_title = title
        if {span.trace_id for span in spans[:1]} != {span.trace_id for span in self._given[0][:1]}:
            self._folded.clear()
        if self._given != (spans, logs):
            self._given = (spans, logs)
            self._build()

    def _build(self) -> None:
        """Make the rows of what was given."""
        spans, logs = self._given
        shown = spans[:MAX_SPANS]
        self._place_logs(shown, logs)
        start = min((span.started_at for span in shown), default=0.0)
        length = max((span.started_at + span.duration for span in shown), default=0.0) - start
        if (start, length) != (self._from, self._length):
            self._from, self._length = start, length
            self._redraw()
        self._take_apart(shown)
        self._spans = {}
        # A failure is told once, where it happened: not again at every ancestor.
        failed = [span for span in shown if span.status is SpanStatus.ERROR]
        inherited = {span.parent_id for span in failed if span.parent_id != span.span_id}
        rows: list[Row] = []
        for branch in branches(shown, self._folded):
            message = error_message(branch.span) if branch.span.span_id not in inherited else ""
            rows.extend(self._branch_rows(branch, message))
        if len(spans) > MAX_SPANS:
            more = Content.styled(f"{len(spans) - MAX_SPANS} more spans are not shown", MUTED)
            rows.append(Row(_REST, (more,)))
        self.set_rows(rows)

    def fold(self, away: bool) -> None:
        """Hide what is below the cursor's span, or show it; of a span with nothing below, fold its parent."""
        span = self.cursor_span
        if span is None:
            return
        parents = {one.span_id: one.parent_id for one in self._given[0]}
        if not away:
            self._folded.discard(span.span_id)
        elif span.span_id in parents.values() and span.span_id not in self._folded:
            self._folded.add(span.span_id)
        elif (parent := parents.get(span.span_id)) in parents and parent is not None:
            self._folded.add(parent)
            self.move_to(parent)
        self._build()

    def logs_of(self, span: Span) -> Sequence[LogRecord]:
        """The lines a span wrote; those that name no span, or one that is not here, are the root's."""
        return self._logs.get(span.span_id, ())

    def _place_logs(self, spans: Sequence[Span], logs: Sequence[LogRecord]) -> None:
        known = {span.span_id for span in spans}
        root = next((span.span_id for span in spans if span.parent_id not in known), "")
        before, self._logs = self._logs, {}
        for record in sorted(logs, key=lambda one: (one.at, one.id)):
            key = record.span_id if record.span_id in known else root
            self._logs.setdefault(key or "", []).append(record)
        if before != self._logs:
            self._redraw()

    @property
    def cursor_span(self) -> Span | None:
        return self._spans.get(self.cursor_key or "")

    def _take_apart(self, spans: Sequence[Span]) -> None:
        """Find where the time went."""
        found = anatomy(spans)
        if found == self._anatomy:
            return
        self._anatomy, self._path = found, {}
        for segment in found.path:
            self._path.setdefault(segment.span_id, []).append(segment)
        self._redraw()

    def _redraw(self) -> None:
        """What bars are measured against has changed."""
        self._version += 1
        self.refresh()

    def _share(self, span: Span) -> float:
        """The part of the trace's time that this span itself decided, 0–1."""
        whole = self._anatomy.root.duration if self._anatomy.root is not None else 0.0
        own = sum(segment.duration for segment in self._path.get(span.span_id, ()))
        return own / whole if whole > 0 else 0.0

    def _branch_rows(self, branch: Branch, message: str) -> Iterator[Row]:
        span = branch.span
        # Identifiers come from outside and may repeat: the place makes keys unique.
        key = span.span_id if span.span_id not in self._spans else f"{span.span_id}/{len(self._spans)}"
        self._spans[key] = span
        name = Content.styled(branch.guides, MUTED) + foreign(span.name, 200)
        if service := span.attributes.get("service.name"):
            name += foreign(f" {service}", 60, MUTED)
        if branch.folded:
            name += Content.styled(f" {sign('▸', '>')} {branch.folded} more", MUTED)
        glyph = outcome_glyph(span_outcome(span))
        took = Content(duration_text(span.duration))
        own = Content.styled(duration_text(self._anatomy.self_times.get(span.span_id)), MUTED)
        mark = _critical(1) if self._share(span) >= _MATTERS else Content("")
        yield Row(key, (name, glyph, mark, took, own, Content("")))
        if message:
            self._spans[key + _ERROR] = span
            text = Content.styled(branch.below, MUTED) + foreign(message, 300, "$error")
            yield Row(key + _ERROR, (text,))

    def record(self, key: str) -> Span | None:
        return self._spans.get(key)

    def chosen(self, key: str) -> Message:
        return self.Opened(self, self._spans[key]) if key in self._spans else self.Selected(self, key)

    def cell(self, row: Row, place: int, width: int) -> Content:
        span = self._spans.get(row.key)
        return self._bar(span, width) if place == _BAR and span is not None else row.cells[place]

    def drawn_besides(self, row: Row) -> object:
        return self._version, self._spans.get(row.key)

    def title_cell(self, place: int, width: int) -> Content:
        if place != _BAR:
            return super().title_cell(place, width)
        total = Content(duration_text(self._length))
        for legend in self._legends():
            if legend.cell_length + total.cell_length + 4 <= width:
                return Content("0 ") + fit(legend, width - total.cell_length - 3) + Content(" ") + total
        return Content("0") + fit(total, max(width - 1, 0), "right")

    def _legends(self) -> Iterator[Content]:
        """What bars are made of, the longest first: the critical path, and the phases that some span has."""
        met = {key for span in self._spans.values() for key in span.attributes}
        words = [
            Content.styled(f"{sign(glyph, ascii_glyph)} {word}", style)
            for key, word, style, glyph, ascii_glyph in _PHASES
            if key in met
        ]
        if self._path:
            path = _critical(1) + Content(" critical path")
            yield Content("  ").join([path, *words])
            yield path
        elif words:
            yield Content("  ").join(words)

    def _bar(self, span: Span, width: int) -> Content:
        """The span on the trace's scale, at least one cell, its phases in their shades."""
        scale = width / self._length if self._length > 0 else 0.0
        start = min(int((span.started_at - self._from) * scale), width - 1)
        cells = min(max(round(span.duration * scale), 1), width - start)
        shades = self._shades(span, cells) or self._stretches(span, start, cells, scale)
        return self._marked(Content(" " * start) + Content("").join(shades), span, width, scale)

    def _marked(self, bar: Content, span: Span, width: int, scale: float) -> Content:
        """The bar with a sign at each moment at which the span logged something."""
        for record in self.logs_of(span):
            place = min(max(int((record.at - self._from) * scale), 0), width - 1)
            bar = bar.pad_right(max(place + 1 - bar.cell_length, 0))
            mark = Content.styled(sign("◆", "o"), _log_style(record.level))
            bar = bar[:place] + mark + bar[place + 1 :]
        return bar

    def _stretches(self, span: Span, start: int, cells: int, scale: float) -> list[Content]:
        """Cells of a bar: heavy where the span itself was what the trace waited for, light elsewhere."""
        root = self._anatomy.root
        lead = (root.started_at if root is not None else 0.0) - self._from
        ending = span.started_at + span.duration - self._from - _MOMENT
        heavy = [False] * cells
        for segment in self._path.get(span.span_id, ()):
            if segment.duration * scale < 0.5 and segment.duration < span.duration / 2:
                continue
            first, last = lead + segment.start, lead + segment.start + segment.duration
            # A bar is at least a cell and ends with its span, however its length was rounded.
            end = cells if last >= ending else int(last * scale) - start
            for cell in range(max(int(first * scale) - start, 0), min(end, cells)):
                heavy[cell] = True
        style = "$error" if span.status is SpanStatus.ERROR else ""
        return [
            _critical(count, style) if is_heavy else Content.styled(sign("─", "-") * count, style or MUTED)
            for is_heavy, count in ((key, len(list(group))) for key, group in groupby(heavy))
        ]

    def _shades(self, span: Span, cells: int) -> list[Content]:
        """Cells of a bar by phases; none for a span without."""
        phases = [
            (number(span.attributes.get(key)), style, sign(glyph, ascii_glyph))
            for key, _, style, glyph, ascii_glyph in _PHASES
        ]
        if not any(seconds for seconds, _, _ in phases):
            return []
        parts, used, elapsed = [], 0, 0.0
        whole = max(span.duration, sum(seconds for seconds, _, _ in phases))
        for seconds, style, glyph in phases:
            elapsed += seconds
            upto = round(elapsed / whole * cells)
            parts.append(Content.styled(glyph * (upto - used), style))
            used = upto
        return [*parts, Content.styled(sign("─", "-") * (cells - used), MUTED)]

    def detail(self, span: Span) -> Content:
        """Everything known of a span, for reading: times, status, attributes, events, links."""
        lines = [
            foreign(span.name, style="bold"),
            _fact("Outcome", span_outcome(span).value),
            _fact("Took", duration_text(span.duration)),
            _fact("Own time", duration_text(self._anatomy.self_times.get(span.span_id))),
            _fact("Critical", f"{percent_text(self._share(span))} of the trace's time"),
            _fact(
                "Started", f"{clock_text(span.started_at)}, {duration_text(span.started_at - self._from)} in"
            ),
            _fact("Kind", span.kind.value),
            _fact("Span", span.span_id),
            _fact("Parent", span.parent_id or sign("–", "-")),
            _fact("Trace", span.trace_id),
        ]
        if span.attributes:
            lines += [Content(""), _heading("Attributes")]
            width = min(max(12, *map(len, span.attributes)), _LONGEST_NAME)
            lines += [_fact(key, _value(key, value), width) for key, value in sorted(span.attributes.items())]
        if span.events:
            lines += [Content(""), _heading("Events")]
        for event in span.events:
            at = f"+{duration_text(event.at - span.started_at)}"
            lines.append(_fact(at, event.name))
            lines += [Content("  ") + _fact(key, value) for key, value in event.attributes.items()]
        if span.links:
            lines += [Content(""), _heading("Links")]
        for link in span.links:
            lines += [_fact("Trace", link.trace_id), _fact("Span", link.span_id)]
            lines += [Content("  ") + _fact(key, value) for key, value in link.attributes.items()]
        if logs := self.logs_of(span):
            lines += [Content(""), _heading("Log")]
        for record in logs:
            at = f"+{duration_text(max(record.at - span.started_at, 0.0))}".ljust(12)
            lead = Content.styled(f"{at} ", MUTED) + log_level(record.level) + " "
            lines.append(hanging(lead, foreign(record.message, 2000)))
        return Content("\n").join(lines)


def _log_style(level: LogLevel) -> str:
    return "$error" if level >= LogLevel.ERROR else "$warning" if level >= LogLevel.WARNING else "$primary"


def number(value: Scalar) -> float:
    """The seconds an attribute holds; 0 for anything that is no positive, finite number."""
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
    return float(value) if usable and value is not None else 0.0


def _critical(cells: int, style: str = "") -> Content:
    return Content.styled(sign("━", "*") * cells, style or "bold")


def _heading(text: str) -> Content:
    return Content.styled(text, "bold $text-primary")


def _value(key: str, value: Scalar) -> Scalar:
    return duration_text(number(value)) if key.startswith("phase.") else value


def _fact(name: str, value: Scalar, width: int = 12) -> Content:
    return hanging(Content.styled(foreign(name, 120).plain.ljust(width) + " ", MUTED), foreign(value, 2000))
