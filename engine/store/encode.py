"""From records to table rows: values made safe to bind, statements that write them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from engine.model import (
    Alert,
    AlertEvent,
    Attempt,
    BreakerMemory,
    Decision,
    Execution,
    Failure,
    HealthCheck,
    Heartbeat,
    LogRecord,
    Notification,
    Point,
    Recording,
    Scalar,
    ScheduleCursor,
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
)
"""What the writer takes."""

Values = tuple[Any, ...]


class Item(NamedTuple):
    """One record, and the execution whose recording it came with."""

    record: Any
    execution: Execution | None = None


def text(value: str) -> str:
    """Text that SQLite can bind and find again: no lone surrogates, no NUL."""
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", "\u2400").encode("utf-8", "replace").decode()


def to_json(value: object) -> str | None:
    """Compact JSON; None for nothing at all."""
    if value is None or value in ({}, ()):
        return None
    return text(json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), default=str))


def identifier(value: str | None) -> bytes | str | None:
    """A hexadecimal identifier as its bytes; anything else as it is."""
    if value is None:
        return None
    try:
        packed = bytes.fromhex(value)
    except ValueError:
        return text(value)
    return packed if packed.hex() == value else text(value)


def sheets(rows: Iterable[Row]) -> dict[type[Any], list[Item]]:
    """The records of `rows` by table, recordings taken apart, order kept."""
    result: dict[type[Any], list[Item]] = defaultdict(list)
    for row in rows:
        if isinstance(row, Recording):
            _take_apart(row, result)
        else:
            result[type(row)].append(Item(row))
            if isinstance(row, Execution):
                result[Attempt].extend(Item(attempt, row) for attempt in row.attempts)
    return {kind: items for kind, items in result.items() if items}


def weigh(rows: Sequence[Row]) -> int:
    """How many records `rows` come to, recordings taken apart."""
    return sum(map(_weight, rows))


def encode_log(record: LogRecord, execution: Execution | None) -> Values:
    """A line without its number, which the writer gives."""
    execution_id = record.execution_id
    if execution_id is None and execution is not None:
        execution_id = execution.id
    return (
        record.at,
        int(record.level),
        text(record.message),
        _optional(record.workflow_id),
        execution_id,
        _own_trace(record.trace_id, execution),
        identifier(record.span_id),
        to_json(dict(record.fields)),
    )


def encode_point(point: Point, series: int) -> Values:
    """The value of a point as SQLite keeps it; not-a-number becomes NULL."""
    return series, point.at, float(point.value)


def _weight(row: Row) -> int:
    if not isinstance(row, Recording):
        return 1
    return 1 + len(row.execution.attempts) + len(row.spans) + len(row.points) + len(row.logs)


def _take_apart(recording: Recording, result: dict[type[Any], list[Item]]) -> None:
    execution = recording.execution
    result[Execution].append(Item(execution))
    result[Attempt].extend(Item(attempt, execution) for attempt in execution.attempts)
    result[Span].extend(Item(span, execution) for span in recording.spans)
    result[Point].extend(map(Item, recording.points))
    result[LogRecord].extend(Item(record, execution) for record in recording.logs)


def _finite(value: object) -> object:
    """JSON has no NaN and no infinities: they become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _optional(value: str | None) -> str | None:
    return None if value is None else text(value)


def _scalar(value: Scalar) -> str | None:
    """A value whose type must survive: `true` is not 1."""
    return None if value is None else to_json(value)


def _own_trace(trace_id: str | None, execution: Execution | None) -> bytes | str | None:
    return None if execution is not None and trace_id == execution.trace_id else identifier(trace_id)


def _failure(failure: Failure | None) -> Values:
    if failure is None:
        return None, None, None, None
    return text(failure.message), failure.type.value, failure.category.value, failure.retry_after


def _execution(row: Execution, _: Execution | None) -> Values:
    return (
        row.id,
        text(row.workflow_id),
        None if row.workflow_name == row.workflow_id else text(row.workflow_name),
        row.priority.value,
        identifier(row.trace_id),
        row.scheduled_at,
        row.started_at,
        row.duration,
        row.outcome.value,
        text(row.reason) or None,
        row.attempt_count,
        *_failure(row.failure),
    )


def _attempt(row: Attempt, execution: Execution | None) -> Values:
    return (
        execution.id if execution else None,
        row.number,
        row.started_at,
        row.duration,
        row.outcome.value,
        *_failure(row.failure),
    )


def _span(row: Span, execution: Execution | None) -> Values:
    execution_id = row.execution_id
    if execution_id is None and execution is not None:
        execution_id = execution.id
    events = [[event.at, event.name, dict(event.attributes)] for event in row.events]
    return (
        execution_id,
        _own_trace(row.trace_id, execution),
        identifier(row.span_id),
        identifier(row.parent_id),
        text(row.name),
        row.kind.value,
        row.started_at,
        row.duration,
        row.status.value,
        to_json(dict(row.attributes)),
        to_json(events) if events else None,
    )


def _alert(row: Alert, _: Execution | None) -> Values:
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
    )


def _alert_event(row: AlertEvent, _: Execution | None) -> Values:
    return row.alert_id, row.at, row.kind.value, text(row.author), text(row.note)


def _decision(row: Decision, _: Execution | None) -> Values:
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


def _notification(row: Notification, _: Execution | None) -> Values:
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
    )


def _health_check(row: HealthCheck, _: Execution | None) -> Values:
    return row.at, text(row.component), row.status.value, row.score, text(row.detail)


def _cursor(row: ScheduleCursor, _: Execution | None) -> Values:
    return text(row.workflow_id), row.last_slot, row.paused


def _heartbeat(row: Heartbeat, _: Execution | None) -> Values:
    times = (row.watched_since, row.started_at, row.succeeded_at, row.failed_at)
    return text(row.key), *times, row.run, row.exit_code, text(row.note)


def _response(row: StoredResponse, _: Execution | None) -> Values:
    place = (text(row.workflow_id), text(row.step_id), row.slot)
    cut = to_json(row.cut)
    return *place, row.execution_id, row.at, row.succeeded, row.fields, cut, *_failure(row.failure)


def _breaker(row: BreakerMemory, _: Execution | None) -> Values:
    return text(row.key), text(row.target), text(row.policy), row.state.value, row.failures, row.since


def _insert(table: str, columns: str, conflict: str = "") -> str:
    names = columns.split()
    marks = ", ".join("?" * len(names))
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - names of ours
    if conflict:
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != conflict)
        sql += f" ON CONFLICT ({conflict}) DO UPDATE SET {changes}"
    return sql


_ERROR = "error error_type error_category retry_after"
_LOG = "at level message workflow_id execution_id trace_id span_id fields"

STATEMENTS: dict[type[Any], tuple[str, Callable[[Any, Execution | None], Values]]] = {
    Execution: (
        _insert(
            "executions",
            "id workflow_id workflow_name priority trace_id scheduled_at started_at duration outcome reason"
            f" attempt_count {_ERROR}",
        ),
        _execution,
    ),
    Attempt: (_insert("attempts", f"execution_id number started_at duration outcome {_ERROR}"), _attempt),
    Span: (
        _insert(
            "spans",
            "execution_id trace_id span_id parent_id name kind started_at duration status attributes events",
        ),
        _span,
    ),
    Alert: (
        _insert(
            "alerts",
            "id fingerprint rule_id rule_name subject severity state message started_at last_true_at value"
            " execution_id trace_id fired_at acked_at acked_by ack_note resolved_at resolved_by resolve_note"
            " escalated_at",
            conflict="id",
        ),
        _alert,
    ),
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
            " latency error",
            conflict="key",
        ),
        _notification,
    ),
    HealthCheck: (_insert("health_checks", "at component status score detail"), _health_check),
    ScheduleCursor: (_insert("schedules", "workflow_id last_slot paused", conflict="workflow_id"), _cursor),
    Heartbeat: (
        _insert(
            "heartbeats",
            "key watched_since started_at succeeded_at failed_at run exit_code note",
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
    BreakerMemory: (_insert("breakers", "key target policy state failures since", conflict="key"), _breaker),
}
"""How each kind of record is written; points and log lines need numbers, which the writer gives."""

INSERT_LOG = _insert("logs", f"id {_LOG}")
_INDEXED = "message, workflow_id"
INDEX_LOGS = f"INSERT INTO logs_fts (rowid, {_INDEXED}) SELECT id, {_INDEXED} FROM logs WHERE id >= ?"  # noqa: S608
INSERT_POINT = "INSERT OR REPLACE INTO points (series, at, value) VALUES (?, ?, ?)"
INSERT_SERIES = "INSERT INTO series (id, name, labels) VALUES (?, ?, ?)"
