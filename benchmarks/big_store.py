"""A database as a busy engine leaves it: what a console has to stand in front of, made in seconds.

The newest executions are real recordings; all others are copies of them, made by SQLite itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from benchmarks.recorded import recordings
from engine.clock import VirtualClock
from engine.model import Recording
from engine.store.rollups import catch_up
from engine.store.store import Store

WORKFLOWS = 1_000
EXECUTIONS = 200_000
LOGS = 1_000_000
ALERTS = 10_000
OPEN_ALERTS = 40
PER_SECOND = 20.0
_LOGS_EACH = LOGS // EXECUTIONS
_TEMPLATES = WORKFLOWS
_COUNTED = "WITH RECURSIVE c (n) AS (VALUES (:first) UNION ALL SELECT n + 1 FROM c WHERE n < :last)"
_FILL = (
    f"""{_COUNTED}
    INSERT INTO executions (id, workflow_id, workflow_name, priority, trace_id, scheduled_at, started_at,
      duration, outcome, attempt_count, error, error_type, error_category)
    SELECT n, e.workflow_id, e.workflow_name, e.priority, randomblob(16), :start + n / :rate,
      :start + n / :rate, e.duration * (0.5 + abs(random()) % 1000 / 1000.0),
      iif((n + n / 1000) % 50 = 0, 'failed', 'ok'), 1,
      iif((n + n / 1000) % 50 = 0, 'status (503) == 200', NULL),
      iif((n + n / 1000) % 50 = 0, 'TRANSIENT', NULL), iif((n + n / 1000) % 50 = 0, 'network', NULL)
    FROM c JOIN executions e ON e.id = (n - 1) % :templates + 1""",
    f"""{_COUNTED}
    INSERT INTO traces SELECT n, t.shape, t.numbers FROM c JOIN traces t
    ON t.execution_id = (n - 1) % :templates + 1""",
    "UPDATE executions SET scheduled_at = :start + id / :rate, started_at = :start + id / :rate"
    " WHERE id <= :templates",
    "UPDATE samples SET at = :start + 10",
    f"""{_COUNTED}
    INSERT INTO logs (at, level, message, workflow_id, execution_id, fields)
    SELECT e.started_at, iif((n + n / 1000) % 50 = 0, 17, 9),
      CASE n % 5 WHEN 0 THEN e.workflow_id || ' ' || e.outcome || ' in ' || round(e.duration * 1000) || 'ms'
        WHEN 1 THEN 'orders assertion passed: status (200) == 200'
        WHEN 2 THEN 'orders response time ' || round(e.duration * 1000, 1) || 'ms below the limit of 800ms'
        WHEN 3 THEN 'connection ' || n || ' of the pool given back'
        ELSE 'request ' || hex(randomblob(4)) || ' done' END,
      e.workflow_id, e.id, NULL
    FROM c JOIN executions e ON e.id = (n - 1) / :each + 1""",
    "INSERT INTO logs_fts (logs_fts) VALUES ('rebuild')",
    f"""{_COUNTED}
    INSERT INTO alerts (id, fingerprint, rule_id, rule_name, subject, severity, state, message, started_at,
      last_true_at, value, execution_id, fired_at, acked_by, ack_note, resolved_at, resolved_by, resolve_note)
    SELECT n, 'down|' || e.workflow_id, 'down', 'Down', e.workflow_id,
      CASE n % 4 WHEN 0 THEN 'CRITICAL' WHEN 1 THEN 'ERROR' ELSE 'WARNING' END,
      iif(n <= :closed, 'resolved', 'firing'), 'workflow.status is failed (== failed)', e.started_at,
      e.started_at + 30, '"failed"', e.id, e.started_at, '', '', iif(n <= :closed, e.started_at + 60, NULL),
      iif(n <= :closed, 'rule', ''), ''
    FROM c JOIN executions e ON e.id = n * :spread""",
    """INSERT INTO alert_events (alert_id, at, kind, author, note)
    SELECT id, started_at, 'fired', 'rule', '' FROM alerts""",
    """INSERT INTO decisions (at, rule_id, subject, result, value, threshold, explanation, alert_id,
      execution_id)
    SELECT started_at, rule_id, subject, 1, value, '== failed', message, id, execution_id FROM alerts""",
)


def names() -> list[str]:
    """The identifiers of its workflows."""
    return [f"shop-{number}" for number in range(WORKFLOWS)]


def build(db: Path, now: float) -> None:
    """Write the file: 20 executions a second until `now`, five log lines each, 40 alerts still open."""
    asyncio.run(_record(db, now, list(_templates())))
    start = now - EXECUTIONS / PER_SECOND
    common = {
        "start": start, "rate": PER_SECOND, "templates": _TEMPLATES, "each": _LOGS_EACH,
        "closed": ALERTS - OPEN_ALERTS, "spread": EXECUTIONS // ALERTS,
    }  # fmt: skip
    ranges = (
        (_TEMPLATES + 1, EXECUTIONS),
        (_TEMPLATES + 1, EXECUTIONS),
        None,
        None,
        (1, LOGS),
        None,
        (1, ALERTS),
    )
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for place, statement in enumerate(_FILL):
            first, last = (ranges[place] if place < len(ranges) else None) or (0, 0)
            connection.execute(statement, {**common, "first": first, "last": last})
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    asyncio.run(_roll_up(db, now))


def _templates() -> Iterator[Recording]:
    """One execution of each workflow, with the names that its points and spans have."""
    for number, made in enumerate(recordings(_TEMPLATES, lines=0, workflows=WORKFLOWS)):
        yield replace(made, execution=replace(made.execution, id=number + 1))


async def _record(db: Path, now: float, made: list[Recording]) -> None:
    store = await Store.open(db, VirtualClock(now))
    try:
        for one in made:
            await store.writer.must(one)
    finally:
        await store.close()


async def _roll_up(db: Path, now: float) -> None:
    store = await Store.open(db, VirtualClock(now))
    try:
        await catch_up(store.writer, store.reader.pool, now)
    finally:
        await store.close()
