"""Records as rows of tables: which columns, and what stands in them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from textual.content import Content

from engine.client import WorkflowStatus
from engine.model import BreakerState, Execution, LogRecord, Outcome, Priority
from tui import present
from tui.widgets.ordering import Sorts
from tui.widgets.row_table import Column, Row, RowTable

WORKFLOW_COLUMNS = (
    Column("name", "Workflow", 16, flex=8, most=32),
    Column("priority", "Priority", 8, min_terminal=116),
    Column("schedule", "Schedule", 16, min_terminal=134),
    Column("last", "Last", 18),
    Column("uptime", "Recent", 12, flex=2, min_terminal=70, most=60),
    Column("success", "Success", 8, align="right"),
    Column("p50", "p50", 9, align="right", min_terminal=84),
    Column("p95", "p95", 9, align="right"),
    Column("trend", "Trend", 12, flex=1, min_terminal=150, most=48),
    Column("breaker", "Breaker", 11, min_terminal=106),
    Column("next", "Next", 9, align="right", min_terminal=92),
)
_UPTIME, _TREND = 4, 8
_BY_BREAKER = (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED)
_WORST_FIRST = {outcome: rank for rank, outcome in enumerate((
    Outcome.FAILED, Outcome.ERROR, Outcome.INTERRUPTED, Outcome.DEGRADED, Outcome.SKIPPED, Outcome.OK,
))}  # fmt: skip
_WORKFLOW_SORTS: Sorts = {
    "name": lambda status: status.name.casefold(),
    "priority": lambda status: -list(Priority).index(status.priority),
    "schedule": lambda status: status.schedule,
    "last": lambda status: (
        (_WORST_FIRST[status.last.outcome], -status.last.started_at) if status.last else None
    ),
    "success": lambda status: status.success_rate,
    "p50": lambda status: status.p50,
    "p95": lambda status: status.p95,
    "breaker": lambda status: _worst(status),
    "next": lambda status: None if status.paused else status.next_at,
}

EXECUTION_COLUMNS = (
    Column("at", "Started", 12),
    Column("outcome", "Outcome", 11),
    Column("duration", "Took", 8, align="right"),
    Column("attempts", "Tries", 5, align="right", min_terminal=70),
    Column("error", "Error", 10, flex=2, min_terminal=70),
)

EXECUTION_SORTS: Sorts = {
    "at": lambda execution: execution.started_at,
    "outcome": lambda execution: _WORST_FIRST[execution.outcome],
    "workflow": lambda execution: execution.workflow_name.casefold(),
    "duration": lambda execution: execution.duration,
    "attempts": lambda execution: execution.attempt_count,
    "error": lambda execution: (execution.error or execution.reason or "").casefold() or None,
}

NAMED_EXECUTION_COLUMNS = (
    *EXECUTION_COLUMNS[:2],
    Column("workflow", "Workflow", 20, flex=1),
    EXECUTION_COLUMNS[2],
    *(replace(column, min_terminal=72) for column in EXECUTION_COLUMNS[3:]),
)

LOG_COLUMNS = (
    Column("at", "Time", 12, min_terminal=56),
    Column("level", "Level", 9),
    Column("workflow", "Workflow", 16, min_terminal=90),
    Column("message", "Message", 20, flex=1),
)

_WORKFLOW, _MESSAGE = 2, 3

_PRIORITY_STYLES = {Priority.CRITICAL: "bold", Priority.HIGH: "", Priority.NORMAL: present.MUTED}


class WorkflowTable(RowTable):
    """One line a workflow; what it came to of late is drawn as long as there is room."""

    def __init__(self, *, empty: Content, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(WORKFLOW_COLUMNS, empty=empty, sorts=_WORKFLOW_SORTS, id=id, classes=classes)
        self._statuses: dict[str, WorkflowStatus] = {}

    def show(self, workflows: Sequence[WorkflowStatus], now: float) -> None:
        """Show these; ages are counted from `now`."""
        self._statuses = {status.id: status for status in workflows}
        self.set_rows([workflow_row(status, now) for status in workflows])

    def record(self, key: str) -> WorkflowStatus | None:
        return self._statuses.get(key)

    def drawn_besides(self, row: Row) -> object:
        status = self._statuses[row.key]
        return status.recent, status.durations

    def cell(self, row: Row, place: int, width: int) -> Content:
        if place == _UPTIME:
            return present.uptime_bar(self._statuses[row.key].recent, width)
        if place == _TREND:
            return present.sparkline(self._statuses[row.key].durations, width).stylize(present.MUTED)
        return row.cells[place]


class LogTable(RowTable):
    """Log lines; a message does not say again whose it is where a column says so."""

    def __init__(self, *, empty: Content, follow: bool = False, id: str | None = None) -> None:
        super().__init__(LOG_COLUMNS, empty=empty, follow=follow, id=id, classes="pane")

    def cell(self, row: Row, place: int, _width: int) -> Content:
        cell = row.cells[place]
        if place != _MESSAGE or self.scrollable_content_region.width < LOG_COLUMNS[_WORKFLOW].min_terminal:
            return cell
        told = f"{row.cells[_WORKFLOW].plain} "
        begins = cell.plain.startswith(told) and len(cell) > len(told)
        # What was searched for is to be seen.
        return cell[len(told) :] if begins and all(hit.start >= len(told) for hit in cell.spans) else cell


def workflow_row(status: WorkflowStatus, now: float) -> Row:
    """One workflow, as the list of workflows shows it."""
    return Row(
        status.id,
        lambda: (
            _workflow_name(status),
            Content.styled(status.priority.value, _PRIORITY_STYLES.get(status.priority, present.MUTED)),
            present.foreign(status.schedule, 40, present.MUTED),
            _last(status, now),
            Content(""),
            present.success(status.success_rate),
            Content(present.duration_text(status.p50)),
            Content(present.duration_text(status.p95)),
            Content(""),
            worst_breaker(status),
            _next(status, now),
        ),
        of=status,
    )


def execution_row(execution: Execution, now: float, *, named: bool) -> Row:
    """One execution, for `NAMED_EXECUTION_COLUMNS` when `named`, else for `EXECUTION_COLUMNS`."""
    return Row(
        str(execution.id),
        lambda: (
            Content(at_text(execution.started_at, now)),
            present.outcome(execution.outcome),
            *((present.foreign(execution.workflow_name, 120),) if named else ()),
            Content(present.duration_text(execution.duration)),
            Content(str(execution.attempt_count or "–")),
            present.foreign(execution.error or execution.reason, 300, present.MUTED),
        ),
        of=execution,
    )


def log_row(record: LogRecord, hits: Sequence[tuple[int, int]], now: float) -> Row:
    """One log line with what was searched for marked."""
    return Row(
        str(record.id),
        lambda: (
            Content.styled(at_text(record.at, now), present.MUTED),
            present.log_level(record.level),
            present.foreign(record.workflow_id or record.source or "–", 64, present.MUTED),
            present.highlight(record.message, hits),
        ),
    )


def worst_breaker(status: WorkflowStatus) -> Content:
    """The state of the workflow's breaker that lets least through; a dash without breakers."""
    rank = _worst(status)
    return Content.styled("–", present.MUTED) if rank is None else present.breaker(_BY_BREAKER[rank])


def _worst(status: WorkflowStatus) -> int | None:
    return min((_BY_BREAKER.index(breaker.state) for breaker in status.breakers), default=None)


def at_text(at: float, now: float) -> str:
    """Local time: `14:03:22` today, `21 Nov 14:03` on other days; 12 cells at most."""
    there = time.localtime(at)
    if there[:3] == time.localtime(now)[:3]:
        return present.clock_text(at)
    return time.strftime("%d %b %H:%M", there)


def _workflow_name(status: WorkflowStatus) -> Content:
    glyph = present.outcome_glyph(status.last.outcome) if status.last else Content("·")
    if status.paused:
        glyph = present.paused()[:1]
    return Content(" ").join([glyph, present.foreign(status.name, 120)])


def _last(status: WorkflowStatus, now: float) -> Content:
    """How and when it ended last, or when it begins at all."""
    last = status.last
    if status.paused:
        glyph = present.outcome_glyph(last.outcome) if last else Content("")
        age = f" {present.ago_text(last.started_at, now)}" if last else ""
        return Content.assemble(present.paused(), " ", glyph, (age, present.MUTED))
    if last is None:
        due = status.next_at is not None and not status.running
        words = f"first {present.age_text(status.next_at, now)}" if due else "not run yet"
        return Content.styled(words, present.MUTED)
    word = Content(last.outcome.value) if last.outcome is Outcome.OK else present.outcome(last.outcome)
    return Content.assemble(word, (f" {present.ago_text(last.started_at, now)}", present.MUTED))


def _next(status: WorkflowStatus, now: float) -> Content:
    if status.running:
        return Content.styled("running", "$text-primary")
    if status.paused:
        return Content.styled("paused", "$warning")
    if status.stopped:
        return Content.styled("stopped", "$warning")
    return Content.styled(present.due_text(status.next_at, now), present.MUTED)
