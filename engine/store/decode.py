"""From table rows back to records: columns to select, and what to make of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from engine.model import (
    Alert,
    AlertEvent,
    AlertEventKind,
    AlertState,
    Attempt,
    BreakerMemory,
    BreakerState,
    Decision,
    ErrorCategory,
    ErrorType,
    Execution,
    Failure,
    Gate,
    HealthCheck,
    HealthStatus,
    Heartbeat,
    LogLevel,
    LogRecord,
    Notification,
    NotificationState,
    Outcome,
    Priority,
    Scalar,
    ScheduleCursor,
    Severity,
    SourceFile,
    Span,
    SpanEvent,
    SpanKind,
    SpanLink,
    SpanStatus,
    StoredResponse,
)
from engine.store.traces import Inside, unpack

T = TypeVar("T")
Cells = tuple[Any, ...]

EXECUTION = (
    "id, workflow_id, workflow_name, priority, trace_id, scheduled_at, started_at, duration, outcome, reason,"
    " attempt_count, error, error_type, error_category, retry_after"
)
INSIDE = (
    "CASE typeof(t.shape) WHEN 'text' THEN t.shape ELSE (SELECT content FROM shapes WHERE id = t.shape) END,"
    " t.numbers, t.execution_id"
)
SPAN = "span_id, parent_id, name, kind, started_at, duration, status, attributes, events, links, execution_id"
LOG = (
    "l.id, l.at, l.level, l.message, l.workflow_id, l.execution_id, COALESCE(l.trace_id, e.trace_id),"
    " l.span_id, l.fields, l.source"
)
ALERT = (
    "id, fingerprint, rule_id, rule_name, subject, severity, state, message, started_at, last_true_at, value,"
    " execution_id, trace_id, fired_at, acked_at, acked_by, ack_note, resolved_at, resolved_by, resolve_note,"
    " escalated_at"
)
ALERT_EVENT = "alert_id, at, kind, author, note"
DECISION = "at, rule_id, subject, result, value, threshold, explanation, gates, alert_id, execution_id"
NOTIFICATION = (
    "key, alert_id, channel, transition, severity, title, body, created_at, state, tries, next_at, sent_at,"
    " latency, error"
)
HEALTH_CHECK = "at, component, status, score, detail"
CURSOR = "workflow_id, last_slot, paused"
RESPONSE = (
    "workflow_id, step_id, slot, execution_id, at, succeeded, fields, cut, error, error_type, error_category,"
    " retry_after"
)
SOURCE_FILE = "source, file, path, offset, read_at"
BREAKER = "target, policy, state, failures, since"
HEARTBEAT = "key, watched_since, started_at, succeeded_at, failed_at, run, exit_code, note, traceparent"


def each(decode: Callable[[Cells], T], rows: Iterable[Cells]) -> tuple[T, ...]:
    """All rows decoded, order kept."""
    return tuple(map(decode, rows))


def execution(cells: Cells, attempts: tuple[Attempt, ...] = ()) -> Execution:
    return Execution(
        id=cells[0],
        workflow_id=cells[1],
        workflow_name=cells[1] if cells[2] is None else cells[2],
        priority=Priority(cells[3]),
        trace_id=_identifier(cells[4]) or "",
        scheduled_at=cells[5],
        started_at=cells[6],
        duration=cells[7],
        outcome=Outcome(cells[8]),
        reason=cells[9] or "",
        failure=_failure(*cells[11:15]),
        attempt_count=cells[10],
        attempts=attempts,
    )


def inside(cells: Cells, trace_id: str) -> Inside:
    content, numbers, execution_id = cells
    return unpack(content, numbers, execution_id, trace_id)


def span(cells: Cells, trace_id: str) -> Span:
    span_id, parent_id, name, kind, started_at, duration, status, attributes, events, links, execution = cells
    return Span(
        trace_id=trace_id,
        span_id=_identifier(span_id) or "",
        parent_id=_identifier(parent_id),
        name=name,
        kind=SpanKind(kind),
        started_at=started_at,
        duration=duration,
        status=SpanStatus(status),
        attributes=_mapping(attributes),
        events=tuple(SpanEvent(*event) for event in json.loads(events or "[]")),
        execution_id=execution,
        links=tuple(SpanLink(*link) for link in json.loads(links or "[]")),
    )


def log(cells: Cells) -> LogRecord:
    number, at, level, message, workflow_id, execution_id, trace_id, span_id, fields, source = cells
    return LogRecord(
        at=at,
        level=LogLevel(level),
        message=message,
        workflow_id=workflow_id,
        execution_id=execution_id,
        trace_id=_identifier(trace_id),
        span_id=_identifier(span_id),
        fields=_mapping(fields),
        id=number,
        source=source,
    )


def alert(cells: Cells) -> Alert:
    return Alert(
        id=cells[0],
        fingerprint=cells[1],
        rule_id=cells[2],
        rule_name=cells[3],
        subject=cells[4],
        severity=Severity(cells[5]),
        state=AlertState(cells[6]),
        message=cells[7],
        started_at=cells[8],
        last_true_at=cells[9],
        value=_scalar(cells[10]),
        execution_id=cells[11],
        trace_id=_identifier(cells[12]),
        fired_at=cells[13],
        acked_at=cells[14],
        acked_by=cells[15],
        ack_note=cells[16],
        resolved_at=cells[17],
        resolved_by=cells[18],
        resolve_note=cells[19],
        escalated_at=cells[20],
    )


def alert_event(cells: Cells) -> AlertEvent:
    alert_id, at, kind, author, note = cells
    return AlertEvent(alert_id, at, AlertEventKind(kind), author, note)


def decision(cells: Cells) -> Decision:
    at, rule_id, subject, result, value, threshold, explanation, gates, alert_id, execution_id = cells
    return Decision(
        at=at,
        rule_id=rule_id,
        subject=subject,
        result=None if result is None else bool(result),
        value=_scalar(value),
        threshold=threshold,
        explanation=explanation,
        gates=tuple(Gate(*gate) for gate in json.loads(gates or "[]")),
        alert_id=alert_id,
        execution_id=execution_id,
    )


def notification(cells: Cells) -> Notification:
    return Notification(
        key=cells[0],
        alert_id=cells[1],
        channel=cells[2],
        transition=AlertEventKind(cells[3]),
        severity=Severity(cells[4]),
        title=cells[5],
        body=cells[6],
        created_at=cells[7],
        state=NotificationState(cells[8]),
        tries=cells[9],
        next_at=cells[10],
        sent_at=cells[11],
        latency=cells[12],
        error=cells[13],
    )


def health_check(cells: Cells) -> HealthCheck:
    at, component, status, score, detail = cells
    return HealthCheck(at, component, HealthStatus(status), score, detail)


def cursor(cells: Cells) -> ScheduleCursor:
    workflow_id, last_slot, paused = cells
    return ScheduleCursor(workflow_id, last_slot, bool(paused))


def heartbeat(cells: Cells) -> Heartbeat:
    return Heartbeat(*cells)


def source_file(cells: Cells) -> SourceFile:
    return SourceFile(*cells)


def response(cells: Cells) -> StoredResponse:
    workflow_id, step_id, slot, execution_id, at, succeeded, fields, cut = cells[:8]
    return StoredResponse(
        workflow_id=workflow_id,
        step_id=step_id,
        slot=slot,
        execution_id=execution_id,
        at=at,
        succeeded=bool(succeeded),
        fields=fields,
        cut=tuple(json.loads(cut)) if cut else (),
        failure=_failure(*cells[8:12]),
    )


def breaker(cells: Cells) -> BreakerMemory:
    target, policy, state, failures, since = cells
    return BreakerMemory(target, policy, BreakerState(state), failures, since)


def _identifier(value: bytes | str | None) -> str | None:
    return value.hex() if isinstance(value, bytes) else value


def _failure(message: str | None, kind: str, category: str, retry_after: float | None) -> Failure | None:
    if message is None:
        return None
    return Failure(message, ErrorType(kind), ErrorCategory(category), retry_after)


def _mapping(value: str | None) -> Mapping[str, Scalar]:
    return json.loads(value) if value else {}


def _scalar(value: str | None) -> Scalar:
    return None if value is None else json.loads(value)
