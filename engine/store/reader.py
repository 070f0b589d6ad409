"""Every read of the database, on connections that cannot write."""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from engine.client import AlertDetail, Bucket, LogPage, MetricsSummary
from engine.clock import Clock, SystemClock
from engine.errors import NotFoundError, QueryError, StoreError
from engine.model import (
    Alert,
    AlertState,
    BreakerMemory,
    Execution,
    HealthCheck,
    Heartbeat,
    LogLevel,
    Notification,
    ScheduleCursor,
    Span,
    StoredResponse,
)
from engine.store import decode, statistics
from engine.store.connection import primary_code
from engine.store.encode import identifier
from engine.store.pool import Cells, ReadPool
from engine.store.search import LogQuery, parse
from engine.store.statistics import Activity

__all__ = ["Activity", "Reader"]

MAX_ROWS = 10_000
# A line may carry the time of a step that began this long before it was written.
_LOG_SLACK = 900.0
_ALERT_ORDER = "CASE state WHEN 'firing' THEN 0 WHEN 'acknowledged' THEN 1 WHEN 'pending' THEN 2 ELSE 3 END"


class Reader:
    """The reads of EngineClient, and what a restart needs. Made by `open()`."""

    def __init__(self, pool: ReadPool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    @classmethod
    async def open(cls, path: Path, clock: Clock | None = None) -> Reader:
        """Open the database for reading, beside an engine or without one.

        Raises:
            StoreError: the file is missing, not ours, newer than this program, or unreadable.
        """
        return cls(await ReadPool.open(path), clock or SystemClock())

    async def close(self) -> None:
        """Close the connections; harmless twice."""
        await self._pool.close()

    async def executions(
        self,
        *,
        workflow_id: str | None = None,
        since: float | None = None,
        before_id: int | None = None,
        failures_only: bool = False,
        limit: int = 200,
    ) -> tuple[Execution, ...]:
        """Newest first, without attempts."""
        where = _Where()
        where.add("workflow_id = ?", workflow_id)
        where.add("id < ?", before_id)
        if since is not None:
            where.add("id >= ?", await statistics.first_execution(self._pool, since))
            where.add("started_at >= ?", since)
        if failures_only:
            where.plain("outcome IN ('failed', 'error')")
        rows = await self._pool.fetch(
            f"SELECT {decode.EXECUTION} FROM executions {where} ORDER BY id DESC LIMIT ?",
            (*where.values, _bounded(limit)),
        )
        return decode.each(decode.execution, rows)

    async def execution(self, execution_id: int) -> Execution:
        """One execution with its attempts. Raises NotFoundError."""
        rows = await self._pool.fetch(
            f"SELECT {decode.EXECUTION} FROM executions WHERE id = ? LIMIT 1", (_number(execution_id),)
        )
        if not rows:
            raise NotFoundError(f"there is no execution {execution_id}")
        attempts = await self._pool.fetch(
            f"SELECT {decode.ATTEMPT} FROM attempts WHERE execution_id = ? ORDER BY number LIMIT {MAX_ROWS}",
            (execution_id,),
        )
        return decode.execution(rows[0], decode.each(decode.attempt, attempts))

    async def recent_executions(self, workflow_id: str, limit: int) -> tuple[Execution, ...]:
        """Newest first, to refill windows at start."""
        return await self.executions(workflow_id=workflow_id, limit=limit)

    async def trace(self, trace_id: str) -> tuple[Span, ...]:
        """The spans of a trace, by start time."""
        rows = await self._pool.fetch(
            f"SELECT {decode.SPAN} FROM spans WHERE id IN ("
            " SELECT id FROM spans WHERE trace_id IS NOT NULL AND trace_id = ?1 UNION ALL"
            " SELECT id FROM spans WHERE trace_id IS NULL AND execution_id IN"
            " (SELECT id FROM executions WHERE trace_id = ?1)"
            f") ORDER BY started_at, id LIMIT {MAX_ROWS}",
            (identifier(trace_id),),
        )
        return tuple(decode.span(row, trace_id) for row in rows)

    async def buckets(
        self, since: float, until: float, count: int, workflow_id: str | None = None
    ) -> tuple[Bucket, ...]:
        """`count` (1–500) equal buckets over [since, until)."""
        return await statistics.buckets(self._pool, since, until, count, workflow_id)

    async def summary(self, since: float, until: float) -> MetricsSummary:
        """Totals over [since, until)."""
        return await statistics.summary(self._pool, since, until)

    async def workflow_activity(self, since: float, until: float) -> dict[str, Activity]:
        """What each workflow has done in [since, until), by identifier; those that never ran are absent."""
        return await statistics.activity(self._pool, since, until)

    async def alerts(
        self,
        *,
        states: frozenset[AlertState] | None = None,
        since: float | None = None,
        limit: int = 200,
    ) -> tuple[Alert, ...]:
        """Active ones first, then newest first; `since` bounds resolved ones only."""
        where = _Where()
        if states is not None:
            marks = ", ".join("?" * len(states))
            where.add(f"state IN ({marks})", *(state.value for state in states))
        where.add("(state <> 'resolved' OR resolved_at >= ?)", since)
        rows = await self._pool.fetch(
            f"SELECT {decode.ALERT} FROM alerts {where}"
            f" ORDER BY {_ALERT_ORDER}, started_at DESC, id DESC LIMIT ?",
            (*where.values, _bounded(limit)),
        )
        return decode.each(decode.alert, rows)

    async def alert(self, alert_id: int) -> AlertDetail:
        """An alert with its events, decisions and notifications, oldest first. Raises NotFoundError."""
        rows = await self._pool.fetch(
            f"SELECT {decode.ALERT} FROM alerts WHERE id = ? LIMIT 1", (_number(alert_id),)
        )
        if not rows:
            raise NotFoundError(f"there is no alert {alert_id}")
        return AlertDetail(
            decode.alert(rows[0]),
            decode.each(
                decode.alert_event, await self._of_alert(decode.ALERT_EVENT, "alert_events", alert_id)
            ),
            decode.each(decode.decision, await self._of_alert(decode.DECISION, "decisions", alert_id)),
            decode.each(
                decode.notification, await self._of_alert(decode.NOTIFICATION, "notifications", alert_id)
            ),
        )

    async def open_alerts(self) -> tuple[Alert, ...]:
        """Pending, firing and acknowledged ones, oldest first."""
        rows = await self._pool.fetch(
            f"SELECT {decode.ALERT} FROM alerts WHERE state <> 'resolved' ORDER BY id LIMIT {MAX_ROWS}"
        )
        return decode.each(decode.alert, rows)

    async def last_alerts(self) -> tuple[Alert, ...]:
        """The newest alert of each fingerprint that has fired, newest first; cooldowns count from these."""
        newest = "SELECT max(id) FROM alerts WHERE fired_at IS NOT NULL GROUP BY fingerprint"
        rows = await self._pool.fetch(
            f"SELECT {decode.ALERT} FROM alerts WHERE id IN ({newest}) ORDER BY id DESC LIMIT {MAX_ROWS}"
        )
        return decode.each(decode.alert, rows)

    async def logs(
        self,
        query: str = "",
        *,
        since: float | None = None,
        before_id: int | None = None,
        after_id: int | None = None,
        limit: int = 200,
    ) -> LogPage:
        """Search logs, newest first; the language is that of `engine.store.search`.

        Raises:
            QueryError: with a hint, for what cannot be asked.
        """
        asked = parse(query, self._clock.now())
        starts = [start for start in (since, asked.since) if start is not None]
        # The search index walks newest first only when its own number is the one compared and sorted by.
        number = "logs_fts.rowid" if asked.match else "l.id"
        where = _log_filter(asked, number)
        where.add(f"{number} < ?", before_id)
        where.add(f"{number} > ?", after_id)
        if starts:
            start = max(starts)
            first = await statistics.first_number(self._pool, "logs", "at", start - _LOG_SLACK)
            where.add(f"{number} >= ?", first)
            where.add("l.at >= ?", start)
        limit = _bounded(limit)
        source = "logs_fts CROSS JOIN logs l ON l.id = logs_fts.rowid" if asked.match else "logs l"
        try:
            rows = await self._pool.fetch(
                f"SELECT {decode.LOG} FROM {source} LEFT JOIN executions e ON e.id = l.execution_id"
                f" {where} ORDER BY {number} DESC LIMIT ?",
                (*where.values, limit + 1),
            )
        except StoreError as error:
            if primary_code(error.__cause__ or error) == sqlite3.SQLITE_ERROR:
                raise QueryError("this cannot be searched for", 'use words, "phrases" or prefix*') from error
            raise
        return LogPage(decode.each(decode.log, rows[:limit]), len(rows) > limit, asked.terms)

    async def notifications(self, *, limit: int = 200) -> tuple[Notification, ...]:
        """Newest first."""
        rows = await self._pool.fetch(
            f"SELECT {decode.NOTIFICATION} FROM notifications ORDER BY id DESC LIMIT ?", (_bounded(limit),)
        )
        return decode.each(decode.notification, rows)

    async def announced(self, alert_id: int) -> frozenset[str]:
        """The channels that are, or will be, told that the alert fired."""
        rows = await self._pool.fetch(
            "SELECT DISTINCT channel FROM notifications WHERE alert_id = ? AND transition = 'fired'"
            f" LIMIT {MAX_ROWS}",
            (_number(alert_id),),
        )
        return frozenset(row[0] for row in rows)

    async def due_notifications(self, now: float, limit: int = 100) -> tuple[Notification, ...]:
        """Queued ones whose time has come, oldest first."""
        rows = await self._pool.fetch(
            f"SELECT {decode.NOTIFICATION} FROM notifications WHERE state <> 'sent' AND state = 'queued'"
            " AND next_at <= ? ORDER BY created_at, id LIMIT ?",
            (now, _bounded(limit)),
        )
        return decode.each(decode.notification, rows)

    async def pending_notifications(self) -> tuple[int, int, float | None]:
        """How many are undelivered, how many given up, and when the oldest undelivered one was made."""
        rows = await self._pool.fetch(
            "SELECT count(*) FILTER (WHERE state <> 'dead'), count(*) FILTER (WHERE state = 'dead'),"
            " min(created_at) FILTER (WHERE state <> 'dead') FROM notifications WHERE state <> 'sent' LIMIT 1"
        )
        pending, dead, oldest = rows[0]
        return pending, dead, oldest

    async def cursors(self) -> dict[str, ScheduleCursor]:
        """The schedule cursors by workflow."""
        rows = await self._pool.fetch(f"SELECT {decode.CURSOR} FROM schedules LIMIT {MAX_ROWS}")
        return {row[0]: decode.cursor(row) for row in rows}

    async def breakers(self) -> tuple[BreakerMemory, ...]:
        """The circuit breakers that were not closed."""
        rows = await self._pool.fetch(f"SELECT {decode.BREAKER} FROM breakers ORDER BY key LIMIT {MAX_ROWS}")
        return decode.each(decode.breaker, rows)

    async def responses(
        self, *, workflow_id: str | None = None, execution_id: int | None = None, limit: int = 500
    ) -> tuple[StoredResponse, ...]:
        """What steps got back, newest execution first; at most `limit` executions of one workflow."""
        where = _Where()
        where.plain("TRUE")
        where.add("workflow_id = ?", workflow_id)
        where.add("execution_id = ?", execution_id)
        newest = f"SELECT DISTINCT execution_id FROM responses {where} ORDER BY execution_id DESC LIMIT ?"
        rows = await self._pool.fetch(
            f"SELECT {decode.RESPONSE} FROM responses {where} AND execution_id IN ({newest})"
            f" ORDER BY execution_id DESC, rowid LIMIT {MAX_ROWS}",
            (*where.values, *where.values, _bounded(limit)),
        )
        return decode.each(decode.response, rows)

    async def response_slots(self) -> dict[tuple[str, str], int]:
        """The place of each step's newest response among those kept of it."""
        rows = await self._pool.fetch(
            "SELECT workflow_id, step_id, slot, max(execution_id) FROM responses"
            f" GROUP BY workflow_id, step_id LIMIT {MAX_ROWS * 10}"
        )
        return {(row[0], row[1]): row[2] for row in rows}

    async def heartbeats(self) -> tuple[Heartbeat, ...]:
        """What jobs said last."""
        rows = await self._pool.fetch(f"SELECT {decode.HEARTBEAT} FROM heartbeats LIMIT {MAX_ROWS}")
        return decode.each(decode.heartbeat, rows)

    async def health_history(self, since: float) -> tuple[HealthCheck, ...]:
        """Health checks made at `since` or later, oldest first; the newest 100,000 of them."""
        first = await statistics.first_number(self._pool, "health_checks", "at", since)
        rows = await self._pool.fetch(
            f"SELECT {decode.HEALTH_CHECK} FROM health_checks WHERE id >= ? AND at >= ?"
            " ORDER BY id DESC LIMIT 100000",
            (first, since),
        )
        return decode.each(decode.health_check, reversed(rows))

    async def next_ids(self) -> tuple[int, int]:
        """The first free number for an execution and for an alert."""
        rows = await self._pool.fetch(
            "SELECT COALESCE((SELECT max(id) FROM executions), 0) + 1,"
            " COALESCE((SELECT max(id) FROM alerts), 0) + 1"
        )
        execution, alert = rows[0]
        return execution, alert

    async def _of_alert(self, columns: str, table: str, alert_id: int) -> list[Cells]:
        return await self._pool.fetch(
            f"SELECT {columns} FROM {table} WHERE alert_id = ? ORDER BY id LIMIT {MAX_ROWS}", (alert_id,)
        )


class _Where:
    """Conditions and their values, side by side."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.values: list[Any] = []

    def __str__(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""

    def plain(self, condition: str) -> None:
        self._conditions.append(condition)

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition unless its value is None."""
        if values != (None,):
            self._conditions.append(condition)
            self.values.extend(values)


def _log_filter(asked: LogQuery, number: str) -> _Where:
    where = _Where()
    where.add("logs_fts MATCH ?", asked.match)
    where.add(f"{number} NOT IN (SELECT rowid FROM logs_fts WHERE logs_fts MATCH ?)", asked.exclude)
    where.add("l.workflow_id = ?", asked.workflow_id)
    where.add("l.execution_id = ?", asked.execution_id)
    if asked.level is not None:
        where.add("l.level >= ?" if asked.and_above else "l.level = ?", int(asked.level))
        if asked.level >= LogLevel.WARNING:
            # Said again in the words of the index of warnings and errors, so that it can be used.
            where.plain("l.level >= 13")
    if asked.trace_id is not None:
        trace = identifier(asked.trace_id)
        where.add(
            f"{number} IN (SELECT id FROM logs WHERE trace_id = ?"
            " UNION ALL SELECT id FROM logs WHERE execution_id IN"
            " (SELECT id FROM executions WHERE trace_id = ?))",
            trace,
            trace,
        )
    return where


def _bounded(limit: int) -> int:
    return min(max(limit, 1), MAX_ROWS)


def _number(value: int) -> int:
    """A number SQLite can compare; one it cannot hold belongs to nothing."""
    return value if 0 <= value < 2**63 else -1
