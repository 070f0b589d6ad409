"""From the fifth schema on, traces and points are compact: rows of older files are moved over once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from engine.model import (
    Attempt,
    ErrorCategory,
    ErrorType,
    Execution,
    Failure,
    Outcome,
    Priority,
    Span,
    SpanEvent,
    SpanKind,
    SpanStatus,
)
from engine.store.encode import INSERT_SAMPLE, INSERT_TRACE, STATEMENTS
from engine.store.series import WIDTH, SeriesIndex
from engine.store.shapes import ShapeIndex
from engine.store.traces import pack

_WINDOW = 3_600.0

_EXECUTIONS = "SELECT id, trace_id, started_at, duration, attempt_count FROM executions ORDER BY id"
_ATTEMPTS = (
    "SELECT number, started_at, duration, outcome, error, error_type, error_category, retry_after"
    " FROM attempts WHERE execution_id = ? ORDER BY number"
)
_SPANS = (
    "SELECT span_id, parent_id, name, kind, started_at, duration, status, attributes, events"
    " FROM old_spans WHERE execution_id = ? AND trace_id IS NULL ORDER BY id"
)
_LOOSE_SPANS = (
    "INSERT INTO spans SELECT id, execution_id, trace_id, span_id, parent_id, name, kind, started_at,"
    " duration, status, attributes, events, NULL FROM old_spans WHERE trace_id IS NOT NULL"
)
# A table of points is sorted by series: a window of time is taken from each of them.
_NEXT_POINT = (
    "SELECT min(next) FROM (SELECT (SELECT at FROM old_points WHERE series = series.id AND at >= ?"
    " ORDER BY at LIMIT 1) AS next FROM series)"
)
_POINTS = (
    "SELECT at, series, value FROM series CROSS JOIN old_points"
    " ON old_points.series = series.id AND at >= ? AND at < ? ORDER BY at, series"
)


def make_compact(connection: sqlite3.Connection) -> None:
    """Move attempts, spans and points into their new tables; part of a migration's transaction."""
    connection.execute("CREATE INDEX old_spans_execution ON old_spans (execution_id)")
    _move_traces(connection)
    connection.execute(_LOOSE_SPANS)
    _move_points(connection)
    for table in ("attempts", "old_spans", "old_points"):
        connection.execute(f"DROP TABLE {table}")


def _move_traces(connection: sqlite3.Connection) -> None:
    shapes = ShapeIndex()
    for number, trace_id, started_at, duration, count in connection.execute(_EXECUTIONS):
        execution = Execution(
            id=number,
            workflow_id="",
            workflow_name="",
            priority=Priority.NORMAL,
            trace_id=_identifier(trace_id),
            scheduled_at=started_at,
            started_at=started_at,
            duration=duration,
            outcome=Outcome.OK,
            attempt_count=count,
            attempts=tuple(map(_attempt, connection.execute(_ATTEMPTS, (number,)))),
        )
        spans = [_span(cells, execution) for cells in connection.execute(_SPANS, (number,))]
        inside = pack(execution, spans)
        if inside is not None:
            shape = shapes.refer(connection, inside.shape, started_at)
            connection.execute(INSERT_TRACE, (number, shape, inside.numbers))
            sql, encode = STATEMENTS[Span]
            connection.executemany(sql, map(encode, inside.loose))
            shapes.keep()
        if count > 1:
            waited = duration - sum(attempt.duration for attempt in execution.attempts)
            connection.execute("UPDATE executions SET waited = ? WHERE id = ?", (waited, number))


def _move_points(connection: sqlite3.Connection) -> None:
    index = SeriesIndex()
    since = float("-inf")
    while (start := connection.execute(_NEXT_POINT, (since,)).fetchone()[0]) is not None:
        since = start + _WINDOW
        rows = connection.execute(_POINTS, (start, since)).fetchall()
        connection.executemany(INSERT_SAMPLE, _samples(rows, index))
    index.store(connection)


def _samples(rows: Iterable[tuple[Any, ...]], index: SeriesIndex) -> Iterator[tuple[Any, ...]]:
    for at, group in groupby(rows, itemgetter(0)):
        same = list(group)
        for start in range(0, len(same), WIDTH):
            part = same[start : start + WIDTH]
            layout = index.layout(tuple(series for _, series, _ in part))
            parts = [(layout, part)] if layout is not None else [(index.layout((p[1],)), [p]) for p in part]
            for number, points in parts:
                values = [value for _, _, value in points]
                yield number, at, *values, *(None,) * (WIDTH - len(values))


def _attempt(cells: tuple[Any, ...]) -> Attempt:
    number, started_at, duration, outcome, message, kind, category, retry_after = cells
    failure = None
    if message is not None:
        failure = Failure(message, ErrorType(kind), ErrorCategory(category), retry_after)
    return Attempt(number, started_at, duration, Outcome(outcome), failure)


def _span(cells: tuple[Any, ...], execution: Execution) -> Span:
    span_id, parent_id, name, kind, started_at, duration, status, attributes, events = cells
    return Span(
        trace_id=execution.trace_id,
        span_id=_identifier(span_id),
        parent_id=None if parent_id is None else _identifier(parent_id),
        name=name,
        kind=SpanKind(kind),
        started_at=started_at,
        duration=duration,
        status=SpanStatus(status),
        attributes=_mapping(attributes),
        events=tuple(SpanEvent(at, event, of_event) for at, event, of_event in json.loads(events or "[]")),
        execution_id=execution.id,
    )


def _mapping(value: str | None) -> Mapping[str, Any]:
    return json.loads(value) if value else {}


def _identifier(value: bytes | str) -> str:
    return value.hex() if isinstance(value, bytes) else value
