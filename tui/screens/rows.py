"""Records as rows of tables: which columns, and what stands in them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual.content import Content

from engine.client import WorkflowStatus
from engine.model import BreakerState, Execution, LogRecord, Outcome, Priority
from tui import present
from tui.widgets.row_table import Column, Row

_UPTIME_WIDTH = 20
_TREND_WIDTH = 16

WORKFLOW_COLUMNS = (
    Column("name", "Workflow", 16, flex=2),
    Column("priority", "Priority", 8, min_terminal=100),
    Column("schedule", "Schedule", 14, min_terminal=120),
    Column("last", "Last", 18),
    Column("uptime", "Recent", _UPTIME_WIDTH, min_terminal=76),
    Column("success", "Success", 8, align="right"),
    Column("p50", "p50", 9, align="right", min_terminal=90),
    Column("p95", "p95", 9, align="right"),
    Column("trend", "Trend", _TREND_WIDTH, min_terminal=135),
    Column("breaker", "Breaker", 11, min_terminal=108),
    Column("next", "Next", 9, align="right", min_terminal=96),
)

EXECUTION_COLUMNS = (
    Column("at", "Started", 12),
    Column("outcome", "Outcome", 11),
    Column("duration", "Took", 8, align="right"),
    Column("attempts", "Tries", 5, align="right", min_terminal=70),
    Column("error", "Error", 14, flex=2, min_terminal=70),
)

NAMED_EXECUTION_COLUMNS = (
    *EXECUTION_COLUMNS[:2],
    Column("workflow", "Workflow", 18, flex=1),
    *EXECUTION_COLUMNS[2:],
)

LOG_COLUMNS = (
    Column("at", "Time", 12, min_terminal=56),
    Column("level", "Level", 9),
    Column("workflow", "Workflow", 16, min_terminal=90),
    Column("message", "Message", 20, flex=1),
)

_PRIORITY_STYLES = {Priority.CRITICAL: "bold", Priority.HIGH: "", Priority.NORMAL: present.MUTED}


def workflow_row(status: WorkflowStatus, now: float) -> Row:
    """One workflow, as the list of workflows shows it."""
    return Row(
        status.id,
        lambda: (
            _workflow_name(status),
            Content.styled(status.priority.value, _PRIORITY_STYLES.get(status.priority, present.MUTED)),
            present.foreign(status.schedule, 40, present.MUTED),
            _last(status.last, now, paused=status.paused),
            present.uptime_bar(status.recent, _UPTIME_WIDTH),
            _percent(status.success_rate),
            Content(present.duration_text(status.p50)),
            Content(present.duration_text(status.p95)),
            Content.styled(
                present.sparkline(status.durations[-_TREND_WIDTH:], _TREND_WIDTH).plain, present.MUTED
            ),
            worst_breaker(status),
            _next(status, now),
        ),
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
    states = {breaker.state for breaker in status.breakers}
    for state in (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED):
        if state in states:
            return present.breaker(state)
    return Content.styled("–", present.MUTED)


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


def _last(last: Execution | None, now: float, *, paused: bool) -> Content:
    if paused:
        glyph = present.outcome_glyph(last.outcome) if last else Content("")
        age = f" {present.age_text(last.started_at, now)}" if last else ""
        return Content.assemble(present.paused(), " ", glyph, (age, present.MUTED))
    if last is None:
        return Content.styled("not run yet", present.MUTED)
    word = Content(last.outcome.value) if last.outcome is Outcome.OK else present.outcome(last.outcome)
    return Content.assemble(word, (f" {present.age_text(last.started_at, now)}", present.MUTED))


def _percent(rate: float | None) -> Content:
    text = present.percent_text(rate)
    return Content(text) if rate is None else Content.styled(text, present.score_style(rate * 100))


def _next(status: WorkflowStatus, now: float) -> Content:
    if status.running:
        return Content.styled("running", "$text-primary")
    if status.paused:
        return Content.styled("paused", "$warning")
    return Content.styled(present.age_text(status.next_at, now), present.MUTED)
