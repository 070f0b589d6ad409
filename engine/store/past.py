"""What the file says of an earlier moment: alerts with their events, silences, messages, runs, landmarks.

Numbers of rows grow with time, so that a moment is found by halving; small steps back of the clock are
allowed for. What the rows were then is told by `engine.past`.
"""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from engine.model import (
    Alert,
    AlertEvent,
    AlertEventKind,
    HealthCheck,
    HealthStatus,
    Landmark,
    Maintenance,
    Notification,
    Priority,
    Silence,
)
from engine.store import decode, provenance
from engine.store.history import SILENCE
from engine.store.periods import EXECUTION_SLACK, numbers
from engine.store.pool import Cells, ReadPool
from engine.store.provenance import Run
from engine.store.where import MAX_ROWS, bounded

TELLING = (AlertEventKind.FIRED, AlertEventKind.REOPENED, AlertEventKind.RESOLVED)
"""The events that somebody who looks back stops at."""
_KINDS = ", ".join(f"'{kind}'" for kind in TELLING)
_LISTED = "IN (SELECT value FROM json_each(?))"
_MOST_EVENTS = 100_000

# Those open then end later, or have not ended; a later life has a later beginning.
_OPEN_THEN = """
SELECT id FROM alerts WHERE id > 0 AND (resolved_at IS NULL OR resolved_at > :at)
  AND (started_at <= :at OR reopened > 0) ORDER BY id LIMIT :most
"""
_TOUCHED = """
SELECT alert_id FROM alert_events WHERE id >= :first AND id < :end AND at BETWEEN :since AND :at
GROUP BY alert_id ORDER BY max(id) DESC LIMIT :limit
"""
_PRIORITIES = f"""
WITH RECURSIVE known (workflow) AS (SELECT min(workflow_id) FROM executions UNION ALL
  SELECT (SELECT min(workflow_id) FROM executions WHERE workflow_id > workflow) FROM known
  WHERE workflow IS NOT NULL LIMIT {MAX_ROWS})
SELECT workflow, priority FROM known CROSS JOIN executions
  ON id = (SELECT max(id) FROM executions WHERE workflow_id = workflow)
"""

_CHECKS = """
SELECT component, status, max(id), count(*), min(at) FROM health_checks
WHERE id >= :first AND id < :end AND at BETWEEN :since AND :at GROUP BY component, status
"""
# One row a component is handed over, rather than one a check.
_SINCE = """
WITH before AS MATERIALIZED (SELECT key AS name, value AS last FROM json_each(?3))
SELECT component, min(at) FROM health_checks CROSS JOIN before ON name = component AND id > last
WHERE id > ?1 AND id < ?2 GROUP BY component
"""
_WELL = (HealthStatus.HEALTHY, HealthStatus.DEGRADED)

Told = tuple[Alert, tuple[AlertEvent, ...]]
"""An alert as it is now, with its events, oldest first."""


class _Seen(NamedTuple):
    """A state that a component was in: its last check, how many there were, and since when."""

    status: HealthStatus
    last: int
    checks: int
    since: float


class Share(NamedTuple):
    """How a component was over some time: its newest check, since when it was so, and how often it was well.

    Args:
        first: when it was checked first.
        well: checks that found it healthy or degraded, of all `known` ones that found anything.
    """

    newest: HealthCheck
    first: float
    since: float
    well: int
    known: int


async def alerts(pool: ReadPool, since: float | None, at: float, limit: int) -> list[Told]:
    """Alerts that were open at `at`, and at most `limit` that something happened to after `since`."""
    return await pool.run(partial(_alerts, since, at, bounded(limit)))


async def silences(pool: ReadPool, at: float) -> tuple[Silence, ...]:
    """Those made by `at` that end, or were to end, later; as they are now, as they end."""
    rows = await pool.fetch(
        f"SELECT {decode.SILENCE} FROM silences WHERE ends_at > ?1 AND created_at <= ?1"
        f" ORDER BY ends_at LIMIT {MAX_ROWS}",
        (at,),
    )
    return decode.each(decode.silence, rows)


async def maintenance(pool: ReadPool, at: float) -> tuple[Maintenance, ...]:
    """Windows made by `at` that end, or were to end, later; as they are now, as they end."""
    rows = await pool.fetch(
        f"SELECT {decode.MAINTENANCE} FROM maintenance WHERE ends_at > ?1 AND created_at <= ?1"
        f" ORDER BY ends_at LIMIT {MAX_ROWS}",
        (at,),
    )
    return decode.each(decode.maintenance, rows)


async def notifications(pool: ReadPool, at: float, limit: int) -> tuple[Notification, ...]:
    """Those made by `at`, newest first, as they are now."""

    def ask(connection: sqlite3.Connection) -> list[Cells]:
        _, end = numbers(connection, "notifications", "created_at", at, at, EXECUTION_SLACK)
        return connection.execute(
            f"SELECT {decode.NOTIFICATION} FROM notifications WHERE id < ? AND created_at <= ?"
            " ORDER BY id DESC LIMIT ?",
            (end, at, bounded(limit)),
        ).fetchall()

    return decode.each(decode.notification, await pool.run(ask))


async def landmark(pool: ReadPool, at: float, *, later: bool) -> Landmark | None:
    """The nearest one after, or before, a moment."""
    event = await pool.run(partial(_event, at, later))
    changes = (
        run for run in await changed_runs(pool) if (run.started_at > at if later else run.started_at < at)
    )
    nearest = min if later else max
    run = nearest(changes, key=lambda run: run.started_at, default=None)
    marks = [event, None if run is None else Landmark(run.started_at, "configuration", run.digest)]
    return nearest((mark for mark in marks if mark is not None), key=lambda mark: mark.at, default=None)


async def changed_runs(pool: ReadPool) -> tuple[Run, ...]:
    """The runs, oldest first, that began with another configuration, or environment, than the one before."""
    runs = (await provenance.runs(pool))[::-1]
    befores = (None, *((run.digest, run.environment) for run in runs))
    return tuple(
        run for run, before in zip(runs, befores, strict=False) if (run.digest, run.environment) != before
    )


async def run_at(pool: ReadPool, at: float) -> Run | None:
    """The run that was, or had been, in force; None before the first one that is remembered."""
    return next((run for run in await provenance.runs(pool) if run.started_at <= at), None)


async def was_alive(pool: ReadPool, at: float) -> bool:
    """Whether an engine ran: it checks its health once a minute."""
    return bool(await pool.run(partial(_alive, at)))


async def priorities(pool: ReadPool) -> dict[str, Priority]:
    """The priority of each workflow that ever ran, by its newest execution."""
    rows = await pool.fetch(_PRIORITIES)
    return {workflow: Priority(priority) for workflow, priority in rows}


async def health(pool: ReadPool, since: float, at: float) -> dict[str, Share]:
    """How every component was over [since, at], by its name, in the order of their first checks."""
    return await pool.run(partial(_health, since, at))


def _alerts(since: float | None, at: float, limit: int, connection: sqlite3.Connection) -> list[Told]:
    start = float("-inf") if since is None else since
    first, end = numbers(connection, "alert_events", "at", start, at, EXECUTION_SLACK)
    scope = {"since": start, "at": at, "first": first, "end": end, "limit": limit, "most": MAX_ROWS}
    ids = {row[0] for sql in (_OPEN_THEN, _TOUCHED) for row in connection.execute(sql, scope)}
    chosen = (json.dumps(sorted(ids)),)
    events: dict[int, list[AlertEvent]] = defaultdict(list)
    rows = connection.execute(
        f"SELECT {decode.ALERT_EVENT} FROM alert_events WHERE alert_id {_LISTED} ORDER BY id"
        f" LIMIT {_MOST_EVENTS}",
        chosen,
    ).fetchall()
    for event in decode.each(decode.alert_event, rows):
        events[event.alert_id].append(event)
    rows = connection.execute(f"SELECT {decode.ALERT} FROM alerts WHERE id {_LISTED}", chosen).fetchall()
    return [(alert, tuple(events[alert.id])) for alert in decode.each(decode.alert, rows)]


def _alive(at: float, connection: sqlite3.Connection) -> bool:
    first, end = numbers(connection, "health_checks", "at", at - SILENCE, at, EXECUTION_SLACK)
    found = "SELECT 1 FROM health_checks WHERE id >= ? AND id < ? AND at BETWEEN ? AND ? LIMIT 1"
    return connection.execute(found, (first, end, at - SILENCE, at)).fetchone() is not None


def _event(at: float, later: bool, connection: sqlite3.Connection) -> Landmark | None:
    first, end = numbers(connection, "alert_events", "at", at, at, EXECUTION_SLACK)
    bounds, order = ("e.id >= ? AND e.at > ?", "") if later else ("e.id < ? AND e.at < ?", " DESC")
    found = connection.execute(
        "SELECT e.at, e.kind, a.rule_name || ' · ' || a.subject, e.alert_id"
        " FROM alert_events e CROSS JOIN alerts a ON a.id = e.alert_id"
        f" WHERE {bounds} AND e.kind IN ({_KINDS}) ORDER BY e.id{order} LIMIT 1",
        (first if later else end, at),
    ).fetchone()
    return None if found is None else Landmark(*found)


def _health(since: float, at: float, connection: sqlite3.Connection) -> dict[str, Share]:
    first, end = numbers(connection, "health_checks", "at", since, at, EXECUTION_SLACK)
    scope = {"first": first, "end": end, "since": since, "at": at}
    seen: dict[str, list[_Seen]] = defaultdict(list)
    for component, status, *rest in connection.execute(_CHECKS, scope):
        seen[component].append(_Seen(HealthStatus(status), *rest))
    for statuses in seen.values():
        statuses.sort(key=lambda one: one.last, reverse=True)
    newest = (json.dumps([statuses[0].last for statuses in seen.values()]),)
    rows = connection.execute(f"SELECT {decode.HEALTH_CHECK} FROM health_checks WHERE id {_LISTED}", newest)
    since_when = _since(connection, seen, end)
    return {
        check.component: Share(
            check,
            min(one.since for one in seen[check.component]),
            since_when.get(check.component, seen[check.component][0].since),
            sum(one.checks for one in seen[check.component] if one.status in _WELL),
            sum(one.checks for one in seen[check.component] if one.status is not HealthStatus.UNKNOWN),
        )
        for check in decode.each(decode.health_check, rows)
    }


def _since(connection: sqlite3.Connection, seen: Mapping[str, list[_Seen]], end: int) -> dict[str, float]:
    """When components that were in several states came into their newest one."""
    before = {name: statuses[1].last for name, statuses in seen.items() if len(statuses) > 1}
    if not before:
        return {}
    return dict(connection.execute(_SINCE, (min(before.values()), end, json.dumps(before))).fetchall())
