"""From table rows back to records: columns to select, and what to make of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from sys import intern
from typing import Any, ParamSpec, TypeVar

from engine.errors import DamagedError
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
    HealthHour,
    HealthStatus,
    Heartbeat,
    LogLevel,
    LogRecord,
    Maintenance,
    Notification,
    NotificationState,
    Outcome,
    Priority,
    Scalar,
    ScheduleCursor,
    Severity,
    Silence,
    SourceFile,
    Span,
    SpanEvent,
    SpanKind,
    SpanLink,
    SpanStatus,
    StoredResponse,
)
from engine.store.traces import Inside, unpack
from engine.text import own_words

T = TypeVar("T")
P = ParamSpec("P")
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
    " escalated_at, ack_until, reopened, escalations, reminders, told_at, cleared_at, owed"
)
SILENCE = "id, matchers, author, reason, created_at, starts_at, ends_at, expired_at, expired_by"
MAINTENANCE = "id, workflows, tags, mode, author, reason, created_at, starts_at, ends_at, ended_at, ended_by"
ALERT_EVENT = "alert_id, at, kind, author, note"
DECISION = "at, rule_id, subject, result, value, threshold, explanation, gates, alert_id, execution_id"
NOTIFICATION = (
    "key, alert_id, channel, transition, severity, title, body, created_at, state, tries, next_at, sent_at,"
    " latency, error, grp, message, stands_for, facts"
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


def each(
    decode: Callable[[Cells], T], rows: Iterable[Cells], skip: Callable[[DamagedError], None] | None = None
) -> tuple[T, ...]:
    """All rows decoded, order kept.

    Args:
        skip: told of each row that cannot be read, which is then left out; None: the first such row raises.

    Raises:
        DamagedError: a row cannot be read.
    """
    return tuple(map(decode, rows)) if skip is None else tuple(_sound(decode, rows, skip))


def _sound(
    decode: Callable[[Cells], T], rows: Iterable[Cells], skip: Callable[[DamagedError], None]
) -> Iterator[T]:
    for cells in rows:
        try:
            record = decode(cells)
        except DamagedError as error:
            skip(error)
        else:
            yield record


def _of(table: str, column: str = "id", place: int = 0) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a decoder say of which row of `table` a cell is wrong: that whose `column` is at `place`."""

    def told(decode: Callable[P, T]) -> Callable[P, T]:
        @wraps(decode)
        def decoded(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return decode(*args, **kwargs)
            except Exception as error:  # border: damage puts anything into a cell
                cells: Any = args[0]
                where = f"{column} = {_literal(cells[place])}"
                raise DamagedError(
                    f"the row of {table} with {where} cannot be read: {own_words(error)}",
                    f'look at it: tocsin sql "SELECT * FROM {table} WHERE {where}"',  # noqa: S608 - a hint
                ) from error

        return decoded

    return told


def _literal(value: Any) -> str:
    """A cell as SQL writes it."""
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        quoted = value.replace("'", "''")
        return f"'{quoted}'"
    return "NULL" if value is None else repr(value)


@_of("executions")
def execution(cells: Cells, attempts: tuple[Attempt, ...] = ()) -> Execution:
    return Execution(
        id=cells[0],
        # Thousands are kept, of few workflows.
        workflow_id=intern(cells[1]),
        workflow_name=intern(cells[1] if cells[2] is None else cells[2]),
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


@_of("traces", "execution_id", 2)
def inside(cells: Cells, trace_id: str) -> Inside:
    content, numbers, execution_id = cells
    return unpack(content, numbers, execution_id, trace_id)


@_of("spans", "span_id")
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


@_of("logs")
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


@_of("alerts")
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
        ack_until=cells[21],
        reopened=cells[22],
        escalations=cells[23],
        reminders=cells[24],
        told_at=cells[25],
        cleared_at=cells[26],
        owed=bool(cells[27]),
    )


def silence(cells: Cells) -> Silence:
    return Silence(cells[0], tuple(json.loads(cells[1])), *cells[2:])


def maintenance(cells: Cells) -> Maintenance:
    return Maintenance(cells[0], tuple(json.loads(cells[1])), tuple(json.loads(cells[2])), *cells[3:])


@_of("alert_events", "alert_id")
def alert_event(cells: Cells) -> AlertEvent:
    alert_id, at, kind, author, note = cells
    return AlertEvent(alert_id, at, AlertEventKind(kind), author, note)


@_of("decisions", "at")
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


@_of("notifications", "key")
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
        group=cells[14],
        message=cells[15],
        stands_for=cells[16],
        facts=cells[17],
    )


@_of("health_checks", "at")
def health_check(cells: Cells) -> HealthCheck:
    at, component, status, score, detail = cells
    return HealthCheck(at, component, HealthStatus(status), score, detail)


@_of("health_checks", "at")
def checks_alike(cells: Cells) -> HealthHour:
    """Checks of one component and hour that found the same; `at` is that of the newest."""
    at, component, status, checks = cells
    found = HealthStatus(status)
    known = checks if found is not HealthStatus.UNKNOWN else 0
    return HealthHour(float(at), component, known, known if found is not HealthStatus.UNHEALTHY else 0)


@_of("health_rollups", "at")
def health_rollup(cells: Cells) -> HealthHour:
    at, component, checks, good = cells
    return HealthHour(float(at), component, int(checks), int(good))


@_of("schedules", "workflow_id")
def cursor(cells: Cells) -> ScheduleCursor:
    workflow_id, last_slot, paused = cells
    return ScheduleCursor(workflow_id, last_slot, bool(paused))


@_of("heartbeats", "key")
def heartbeat(cells: Cells) -> Heartbeat:
    return Heartbeat(*cells)


@_of("source_files", "file", 1)
def source_file(cells: Cells) -> SourceFile:
    return SourceFile(*cells)


@_of("responses", "execution_id", 3)
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


@_of("breakers", "target")
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
