"""From records to table rows: values made safe to bind, statements that write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from typing import Any, TypeAlias

from engine.model import (
    Alert,
    AlertEvent,
    BreakerMemory,
    Decision,
    Execution,
    Failure,
    HealthCheck,
    Heartbeat,
    LogRecord,
    Maintenance,
    Notification,
    Point,
    Recording,
    Scalar,
    ScheduleCursor,
    Silence,
    SourceFile,
    Span,
    StoredResponse,
)

Row: TypeAlias = (
    Recording
    | Execution
    | Span
    | Point
    | LogRecord
    | Alert
    | AlertEvent
    | Decision
    | Notification
    | HealthCheck
    | ScheduleCursor
    | Heartbeat
    | BreakerMemory
    | StoredResponse
    | SourceFile
    | Silence
    | Maintenance
)
"""What the writer takes."""

Values = tuple[Any, ...]


# `json.dumps` would make its encoder anew for each value, which takes longer than to use it.
_chunks = c_make_encoder(None, str, encode_basestring, None, ":", ",", False, False, False)


def text(value: str) -> str:
    """Text that SQLite can bind and find again: no lone surrogates, no NUL."""
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", "\u2400").encode("utf-8", "replace").decode()


def to_json(value: object) -> str | None:
    """Compact JSON; None for nothing at all."""
    return None if value is None or value == {} or value == () else _written(value)


def _written(value: object) -> str:
    try:
        return text("".join(_chunks(value, 0)))
    except ValueError:
        return text("".join(_chunks(_finite(value), 0)))


def identifier(value: str | None) -> bytes | str | None:
    """A hexadecimal identifier as its bytes; anything else as it is."""
    if value is None:
        return None
    try:
        packed = bytes.fromhex(value)
    except ValueError:
        return text(value)
    return packed if packed.hex() == value else text(value)


def weigh(rows: Sequence[Row]) -> int:
    """How many records `rows` come to, recordings taken apart."""
    return sum([_weight(row) if isinstance(row, Recording) else 1 for row in rows])


def encode_log(number: int, record: LogRecord, execution: Execution | None) -> Values:
    """A line under the number that the writer gives it, and the execution whose recording it came with."""
    execution_id, trace_id, span_id = record.execution_id, record.trace_id, record.span_id
    workflow_id, source, fields = record.workflow_id, record.source, record.fields
    if execution is not None:
        if execution_id is None:
            execution_id = execution.id
        if trace_id == execution.trace_id:
            trace_id = None
    return (
        number,
        record.at,
        record.level._value_,
        text(record.message),
        None if workflow_id is None else text(workflow_id),
        execution_id,
        None if trace_id is None else identifier(trace_id),
        None if span_id is None else identifier(span_id),
        _written(dict(fields)) if fields else None,
        None if source is None else text(source),
    )


def _weight(row: Recording) -> int:
    return 1 + len(row.execution.attempts) + len(row.spans) + len(row.points) + len(row.logs)


def _finite(value: object) -> object:
    """JSON has no NaN and no infinities: they become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _scalar(value: Scalar) -> str | None:
    """A value whose type must survive: `true` is not 1."""
    return None if value is None else to_json(value)


def _failure(failure: Failure | None) -> Values:
    if failure is None:
        return None, None, None, None
    return text(failure.message), failure.type.value, failure.category.value, failure.retry_after


def _execution(row: Execution) -> Values:
    waited = None
    if row.attempt_count > 1:
        waited = row.duration - sum(attempt.duration for attempt in row.attempts)
    return (
        row.id,
        text(row.workflow_id),
        None if row.workflow_name == row.workflow_id else text(row.workflow_name),
        row.priority._value_,
        identifier(row.trace_id),
        row.scheduled_at,
        row.started_at,
        row.duration,
        row.outcome._value_,
        text(row.reason) or None,
        row.attempt_count,
        *_failure(row.failure),
        waited,
    )


def _span(row: Span) -> Values:
    events = [[event.at, event.name, dict(event.attributes)] for event in row.events]
    links = [[link.trace_id, link.span_id, dict(link.attributes)] for link in row.links]
    return (
        row.execution_id,
        identifier(row.trace_id),
        identifier(row.span_id),
        identifier(row.parent_id),
        text(row.name),
        row.kind.value,
        row.started_at,
        row.duration,
        row.status.value,
        to_json(dict(row.attributes)),
        to_json(events) if events else None,
        to_json(links) if links else None,
    )


def _alert(row: Alert) -> Values:
    return (
        row.id,
        text(row.fingerprint),
        text(row.rule_id),
        text(row.rule_name),
        text(row.subject),
        row.severity.value,
        row.state.value,
        text(row.message),
        row.started_at,
        row.last_true_at,
        _scalar(row.value),
        row.execution_id,
        identifier(row.trace_id),
        row.fired_at,
        row.acked_at,
        text(row.acked_by),
        text(row.ack_note),
        row.resolved_at,
        text(row.resolved_by),
        text(row.resolve_note),
        row.escalated_at,
        row.ack_until,
        row.reopened,
        row.escalations,
        row.reminders,
        row.told_at,
        row.cleared_at,
        row.owed,
    )


def _silence(row: Silence) -> Values:
    said = (to_json(list(row.matchers)), text(row.author), text(row.reason))
    times = (row.created_at, row.starts_at, row.ends_at, row.expired_at)
    return row.id, *said, *times, text(row.expired_by)


def _maintenance(row: Maintenance) -> Values:
    whom = (to_json(list(row.workflows)), to_json(list(row.tags)))
    times = (row.created_at, row.starts_at, row.ends_at, row.ended_at)
    return row.id, *whom, text(row.mode), text(row.author), text(row.reason), *times, text(row.ended_by)


def _alert_event(row: AlertEvent) -> Values:
    return row.alert_id, row.at, row.kind.value, text(row.author), text(row.note)


def _decision(row: Decision) -> Values:
    gates = [[gate.name, gate.passed, gate.detail] for gate in row.gates]
    return (
        row.at,
        text(row.rule_id),
        text(row.subject),
        row.result,
        _scalar(row.value),
        text(row.threshold),
        text(row.explanation),
        to_json(gates) if gates else None,
        row.alert_id,
        row.execution_id,
    )


def _notification(row: Notification) -> Values:
    return (
        text(row.key),
        row.alert_id,
        text(row.channel),
        row.transition.value,
        row.severity.value,
        text(row.title),
        text(row.body),
        row.created_at,
        row.state.value,
        row.tries,
        row.next_at,
        row.sent_at,
        row.latency,
        text(row.error),
        text(row.group),
        text(row.message),
        text(row.stands_for),
        text(row.facts),
    )


def _health_check(row: HealthCheck) -> Values:
    return row.at, text(row.component), row.status.value, row.score, text(row.detail)


def _cursor(row: ScheduleCursor) -> Values:
    return text(row.workflow_id), row.last_slot, row.paused


def _heartbeat(row: Heartbeat) -> Values:
    times = (row.watched_since, row.started_at, row.succeeded_at, row.failed_at)
    return text(row.key), *times, row.run, row.exit_code, text(row.note), row.traceparent


def _response(row: StoredResponse) -> Values:
    place = (text(row.workflow_id), text(row.step_id), row.slot)
    cut = to_json(row.cut)
    return *place, row.execution_id, row.at, row.succeeded, row.fields, cut, *_failure(row.failure)


def _breaker(row: BreakerMemory) -> Values:
    return text(row.key), text(row.target), text(row.policy), row.state.value, row.failures, row.since


def _source_file(row: SourceFile) -> Values:
    return text(row.source), row.file, text(row.path), row.offset, row.read_at


def _insert(table: str, columns: str, conflict: str = "") -> str:
    names = columns.split()
    marks = ", ".join("?" * len(names))
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - names of ours
    if conflict:
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != conflict)
        sql += f" ON CONFLICT ({conflict}) DO UPDATE SET {changes}"
    return sql


_ERROR = "error error_type error_category retry_after"
_SILENCE = "id matchers author reason created_at starts_at ends_at expired_at expired_by"
_MAINTENANCE = "id workflows tags mode author reason created_at starts_at ends_at ended_at ended_by"
_LOG = "id at level message workflow_id execution_id trace_id span_id fields source"

STATEMENTS: dict[type[Any], tuple[str, Callable[[Any], Values]]] = {
    Execution: (
        _insert(
            "executions",
            "id workflow_id workflow_name priority trace_id scheduled_at started_at duration outcome reason"
            f" attempt_count {_ERROR} waited",
        ),
        _execution,
    ),
    Span: (
        _insert(
            "spans",
            "execution_id trace_id span_id parent_id name kind started_at duration status attributes events"
            " links",
        ),
        _span,
    ),
    Alert: (
        _insert(
            "alerts",
            "id fingerprint rule_id rule_name subject severity state message started_at last_true_at value"
            " execution_id trace_id fired_at acked_at acked_by ack_note resolved_at resolved_by resolve_note"
            " escalated_at ack_until reopened escalations reminders told_at cleared_at owed",
            conflict="id",
        ),
        _alert,
    ),
    Silence: (_insert("silences", _SILENCE, conflict="id"), _silence),
    Maintenance: (_insert("maintenance", _MAINTENANCE, conflict="id"), _maintenance),
    AlertEvent: (_insert("alert_events", "alert_id at kind author note"), _alert_event),
    Decision: (
        _insert(
            "decisions",
            "at rule_id subject result value threshold explanation gates alert_id execution_id",
        ),
        _decision,
    ),
    Notification: (
        _insert(
            "notifications",
            "key alert_id channel transition severity title body created_at state tries next_at sent_at"
            " latency error grp message stands_for facts",
            conflict="key",
        ),
        _notification,
    ),
    HealthCheck: (_insert("health_checks", "at component status score detail"), _health_check),
    ScheduleCursor: (_insert("schedules", "workflow_id last_slot paused", conflict="workflow_id"), _cursor),
    Heartbeat: (
        _insert(
            "heartbeats",
            "key watched_since started_at succeeded_at failed_at run exit_code note traceparent",
            conflict="key",
        ),
        _heartbeat,
    ),
    StoredResponse: (
        _insert(
            "responses",
            f"workflow_id step_id slot execution_id at succeeded fields cut {_ERROR}",
            conflict="workflow_id, step_id, slot",
        ),
        _response,
    ),
    SourceFile: (
        _insert("source_files", "source file path offset read_at", conflict="source, file"),
        _source_file,
    ),
    BreakerMemory: (_insert("breakers", "key target policy state failures since", conflict="key"), _breaker),
}
"""How each kind of record is written that needs nothing but itself."""

INSERT_LOG = _insert("logs", _LOG)
_INDEXED = "message, workflow_id"
INDEX_LOGS = f"INSERT INTO logs_fts (rowid, {_INDEXED}) SELECT id, {_INDEXED} FROM logs WHERE id >= ?"  # noqa: S608
INSERT_TRACE = _insert("traces", "execution_id shape numbers")
INSERT_SAMPLE = _insert("samples", "layout at v0 v1 v2 v3 v4 v5 v6 v7")
INSERT_LAYOUT = _insert("layouts", "id place series")
INSERT_SERIES = "INSERT INTO series (id, name, labels) VALUES (?, ?, ?)"
