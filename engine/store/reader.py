"""Every read of the database, on connections that cannot write."""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from engine.client import AlertDetail, Bucket, RetryReport
from engine.clock import Clock, SystemClock
from engine.errors import DamagedError, NotFoundError
from engine.model import (
    Alert,
    AlertState,
    BreakerMemory,
    Execution,
    HealthHour,
    Heartbeat,
    LogCount,
    LogFacets,
    LogPage,
    MetricsSummary,
    Notification,
    PointBucket,
    ScheduleCursor,
    Series,
    SourceFile,
    Span,
    StoredResponse,
)
from engine.store import (
    decode,
    joined,
    log_figures,
    log_search,
    points,
    provenance,
    retrying,
    statistics,
    uptimes,
)
from engine.store.activity import Activities, Activity
from engine.store.alerting import listed
from engine.store.buckets import Buckets
from engine.store.encode import identifier
from engine.store.point_buckets import PointBuckets
from engine.store.points import PointPage
from engine.store.pool import Cells, ReadPool
from engine.store.provenance import Run
from engine.store.where import MAX_ROWS, OF_TRACE, Where, bounded

__all__ = ["Activity", "Reader"]

T = TypeVar("T")

OPEN = "state IN ('queued', 'sending', 'dead')"
"""What the index of notifications that are not settled is about."""


class Reader:
    """The reads of EngineClient, and what a restart needs. Made by `open()`.

    `on_damage`, when set, is told of rows that cannot be read, and lists go without them; else such a row
    raises DamagedError.
    """

    def __init__(self, pool: ReadPool, clock: Clock) -> None:
        self.on_damage: Callable[[DamagedError], None] | None = None
        self._pool = pool
        self._clock = clock
        self._activities, self._buckets, self._points = Activities(pool), Buckets(pool), PointBuckets(pool)

    @classmethod
    async def open(cls, path: Path, clock: Clock | None = None) -> Reader:
        """Open the database for reading, beside an engine or without one.

        Raises:
            StoreError: the file is missing, not ours, newer than this program, or unreadable.
        """
        return cls(await ReadPool.open(path), clock or SystemClock())

    @property
    def pool(self) -> ReadPool:
        """The connections, for reads that are none of a caller's business."""
        return self._pool

    async def close(self) -> None:
        """Close the connections; harmless twice."""
        await self._pool.close()

    async def executions(
        self,
        *,
        workflow_id: str | None = None,
        since: float | None = None,
        until: float | None = None,
        before_id: int | None = None,
        failures_only: bool = False,
        limit: int = 200,
    ) -> tuple[Execution, ...]:
        """Newest first, without attempts."""
        where = Where()
        where.add("workflow_id = ?", workflow_id)
        where.add("id < ?", before_id)
        if since is not None:
            where.add("id >= ?", await statistics.first_execution(self._pool, since))
            where.add("started_at >= ?", since)
        if until is not None:
            where.add("id < ?", await statistics.end_of_executions(self._pool, until))
            where.add("started_at <= ?", until)
        if failures_only:
            where.plain("outcome IN ('failed', 'error')")
        rows = await self._pool.fetch(
            f"SELECT {decode.EXECUTION} FROM executions {where} ORDER BY id DESC LIMIT ?",
            (*where.values, bounded(limit)),
        )
        return self._each(decode.execution, rows)

    async def execution(self, execution_id: int) -> Execution:
        """One execution with its attempts. Raises NotFoundError."""
        rows = await self._pool.fetch(
            f"SELECT {decode.EXECUTION} FROM executions WHERE id = ? LIMIT 1", (_number(execution_id),)
        )
        if not rows:
            raise NotFoundError(f"there is no execution {execution_id}")
        found = await self._pool.fetch(
            f"SELECT {decode.INSIDE} FROM traces t WHERE t.execution_id = ? LIMIT 1", (execution_id,)
        )
        return decode.execution(rows[0], decode.inside(found[0], "").attempts if found else ())

    async def trace(self, trace_id: str) -> tuple[Span, ...]:
        """The spans of a trace, by start time."""
        found = identifier(trace_id)
        packed = await self._pool.fetch(
            f"SELECT {decode.INSIDE} FROM executions e JOIN traces t ON t.execution_id = e.id"
            f" WHERE {OF_TRACE} LIMIT {MAX_ROWS}",
            (found, found),
        )
        loose = await self._pool.fetch(
            f"SELECT {decode.SPAN} FROM spans WHERE trace_id = ? ORDER BY id LIMIT {MAX_ROWS}", (found,)
        )
        spans = [span for cells in packed for span in decode.inside(cells, trace_id).spans]
        # Who sends a span and hears no answer sends it again.
        known = {span.span_id for span in spans}
        late = {span.span_id: span for span in (decode.span(cells, trace_id) for cells in loose)}
        spans += [span for span_id, span in late.items() if span_id not in known]
        return tuple(sorted(spans, key=attrgetter("started_at"))[:MAX_ROWS])

    async def buckets(
        self, since: float, until: float, count: int, workflow_id: str | None = None
    ) -> tuple[Bucket, ...]:
        """`count` (1–500) equal buckets over [since, until)."""
        return await self._buckets.over(since, until, count, workflow_id)

    async def summary(self, since: float, until: float) -> MetricsSummary:
        """Totals over [since, until)."""
        return await statistics.summary(self._pool, since, until)

    async def series(
        self, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> tuple[Series, ...]:
        """Series of a name, or of any, that have all of `labels`; at most 1,000, by name and labels."""
        return await self._pool.run(partial(points.find, name, labels or {}))

    async def points(
        self, name: str, since: float, until: float, count: int, labels: Mapping[str, str] | None = None
    ) -> tuple[PointBucket, ...]:
        """The points of all such series together, in `count` (1–500) equal buckets over [since, until)."""
        return await self._points.over(name, labels or {}, since, until, count)

    async def point_page(self, before: int | None, since: float, limit: int) -> PointPage:
        """The points of at most `limit` samples, newest first; page on with `before` of the last page."""
        return await self._pool.run(partial(points.page, before, since, limit))

    async def retries(self, since: float, until: float, workflow_id: str | None = None) -> RetryReport:
        """What trying again was good for over [since, until)."""
        return await retrying.retries(self._pool, since, until, workflow_id)

    async def runs(self) -> tuple[Run, ...]:
        """The runs of engines on this file, newest first."""
        return await provenance.runs(self._pool)

    async def configuration(self, digest: str) -> str:
        """What a configuration said, by the beginning of its digest. Raises NotFoundError."""
        return await provenance.text_of(self._pool, digest)

    async def workflow_activity(self, since: float, until: float) -> Mapping[str, Activity]:
        """What each workflow has done in [since, until), by identifier; those that never ran are absent."""
        return await self._activities.between(since, until)

    async def alerts(
        self,
        *,
        states: frozenset[AlertState] | None = None,
        since: float | None = None,
        limit: int = 200,
    ) -> tuple[Alert, ...]:
        """Active ones first, then newest first; `since` bounds resolved ones only."""
        rows = await listed(self._pool, states, since, limit)
        return self._each(decode.alert, rows)

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
        return self._each(decode.alert, rows)

    async def last_alerts(self) -> tuple[Alert, ...]:
        """The newest alert of each fingerprint that has fired, newest first; cooldowns count from these."""
        newest = "SELECT max(id) FROM alerts WHERE fired_at IS NOT NULL GROUP BY fingerprint"
        rows = await self._pool.fetch(
            f"SELECT {decode.ALERT} FROM alerts WHERE id IN ({newest}) ORDER BY id DESC LIMIT {MAX_ROWS}"
        )
        return self._each(decode.alert, rows)

    async def logs(
        self,
        query: str = "",
        *,
        since: float | None = None,
        until: float | None = None,
        before_id: int | None = None,
        after_id: int | None = None,
        limit: int = 200,
    ) -> LogPage:
        """Search logs, newest first; the language is that of `engine.store.search`. Raises QueryError."""
        return await log_search.search(
            self._pool,
            query,
            self._clock.now(),
            since=since,
            until=until,
            before_id=before_id,
            after_id=after_id,
            limit=limit,
        )

    async def log_count(
        self, query: str = "", *, since: float | None = None, until: float | None = None
    ) -> LogCount:
        """How many lines a search finds, as far as half a second goes. Raises QueryError."""
        return await log_figures.count(self._pool, query, self._clock, since=since, until=until)

    async def log_facets(
        self,
        query: str = "",
        *,
        since: float | None = None,
        until: float | None = None,
        buckets: int = 24,
    ) -> LogFacets:
        """What the lines of a search are, over time, as far as half a second goes. Raises QueryError."""
        return await log_figures.facets(
            self._pool, query, self._clock, since=since, until=until, buckets=buckets
        )

    async def source_files(self) -> tuple[SourceFile, ...]:
        """How far the files of sources have been read."""
        rows = await self._pool.fetch(f"SELECT {decode.SOURCE_FILE} FROM source_files LIMIT {MAX_ROWS * 10}")
        return self._each(decode.source_file, rows)

    async def notifications(self, *, limit: int = 200) -> tuple[Notification, ...]:
        """Newest first."""
        rows = await self._pool.fetch(
            f"SELECT {decode.NOTIFICATION} FROM notifications ORDER BY id DESC LIMIT ?", (bounded(limit),)
        )
        return self._each(decode.notification, rows)

    async def announced(self, alert_id: int) -> frozenset[str]:
        """The channels that are, or will be, told that the alert fired, and not yet that it ended."""
        rows = await self._pool.fetch(
            "SELECT channel FROM notifications WHERE alert_id = ? AND transition IN ('fired', 'resolved')"
            " AND stands_for = '' GROUP BY channel"
            " HAVING max(id) FILTER (WHERE transition = 'fired')"
            f" > COALESCE(max(id) FILTER (WHERE transition = 'resolved'), 0) LIMIT {MAX_ROWS}",
            (_number(alert_id),),
        )
        return frozenset(row[0] for row in rows)

    async def due_notifications(self, now: float, limit: int = 100) -> tuple[Notification, ...]:
        """Queued ones whose time has come, oldest first."""
        rows = await self._pool.fetch(
            f"SELECT {decode.NOTIFICATION} FROM notifications WHERE {OPEN} AND state = 'queued'"
            " AND next_at <= ? ORDER BY created_at, id LIMIT ?",
            (now, bounded(limit)),
        )
        return self._each(decode.notification, rows)

    async def pending_notifications(self) -> tuple[int, int, float | None]:
        """How many are undelivered, how many given up, and when the oldest undelivered one was made."""
        rows = await self._pool.fetch(
            "SELECT count(*) FILTER (WHERE state <> 'dead'), count(*) FILTER (WHERE state = 'dead'),"
            f" min(created_at) FILTER (WHERE state <> 'dead') FROM notifications WHERE {OPEN} LIMIT 1"
        )
        pending, dead, oldest = rows[0]
        return pending, dead, oldest

    async def cursors(self) -> dict[str, ScheduleCursor]:
        """The schedule cursors by workflow."""
        rows = await self._pool.fetch(f"SELECT {decode.CURSOR} FROM schedules LIMIT {MAX_ROWS}")
        return {cursor.workflow_id: cursor for cursor in self._each(decode.cursor, rows)}

    async def breakers(self) -> tuple[BreakerMemory, ...]:
        """The circuit breakers that were not closed."""
        rows = await self._pool.fetch(f"SELECT {decode.BREAKER} FROM breakers ORDER BY key LIMIT {MAX_ROWS}")
        return self._each(decode.breaker, rows)

    async def responses(
        self,
        *,
        workflow_id: str | None = None,
        execution_id: int | None = None,
        until: float | None = None,
        limit: int = 500,
    ) -> tuple[StoredResponse, ...]:
        """What steps got back, newest execution first; at most `limit` executions of one workflow."""
        where = Where()
        where.plain("TRUE")
        where.add("workflow_id = ?", workflow_id)
        where.add("execution_id = ?", execution_id)
        where.add("at <= ?", until)
        newest = f"SELECT DISTINCT execution_id FROM responses {where} ORDER BY execution_id DESC LIMIT ?"
        rows = await self._pool.fetch(
            f"SELECT {decode.RESPONSE} FROM responses {where} AND execution_id IN ({newest})"
            f" ORDER BY execution_id DESC, rowid LIMIT {MAX_ROWS}",
            (*where.values, *where.values, bounded(limit)),
        )
        return self._each(decode.response, rows)

    async def response_slots(self) -> dict[tuple[str, str], int]:
        """The place of each step's newest response among those kept of it."""
        rows = await self._pool.fetch(
            "SELECT workflow_id, step_id, slot, max(execution_id) FROM responses"
            f" GROUP BY workflow_id, step_id LIMIT {MAX_ROWS * 10}"
        )
        return {(row[0], row[1]): row[2] for row in rows}

    async def owners(self, trace_ids: Collection[str]) -> dict[str, int]:
        """The execution of each trace that has one."""
        return await joined.owners(self._pool, trace_ids)

    async def joined(self, trace_ids: Collection[str]) -> dict[str, int]:
        """How many spans of other programs have joined each trace; those that none has joined are absent."""
        return await joined.joined(self._pool, trace_ids)

    async def heartbeats(self) -> tuple[Heartbeat, ...]:
        """What jobs said last."""
        rows = await self._pool.fetch(f"SELECT {decode.HEARTBEAT} FROM heartbeats LIMIT {MAX_ROWS}")
        return self._each(decode.heartbeat, rows)

    async def health_hours(self, since: float) -> list[HealthHour]:
        """How often components were well, by the hour, from the beginning of one on; oldest first."""
        return await uptimes.hours(self._pool, since, self.on_damage)

    async def next_ids(self) -> tuple[int, int]:
        """The first free number for an execution and for an alert."""
        rows = await self._pool.fetch(
            "SELECT COALESCE((SELECT max(id) FROM executions), 0) + 1,"
            " COALESCE((SELECT max(id) FROM alerts), 0) + 1"
        )
        execution, alert = rows[0]
        return execution, alert

    def _each(self, decoder: Callable[[Cells], T], rows: Iterable[Cells]) -> tuple[T, ...]:
        return decode.each(decoder, rows, self.on_damage)

    async def _of_alert(self, columns: str, table: str, alert_id: int) -> list[Cells]:
        return await self._pool.fetch(
            f"SELECT {columns} FROM {table} WHERE alert_id = ? ORDER BY id LIMIT {MAX_ROWS}", (alert_id,)
        )


def _number(value: int) -> int:
    """A number SQLite can compare; one it cannot hold belongs to nothing."""
    return value if 0 <= value < 2**63 else -1
