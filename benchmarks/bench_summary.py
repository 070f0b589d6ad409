"""Summing up 30 days of 2,000,000 executions: how long it takes, how true its percentiles are.

The file has the executions of 50 workflows, about one a minute each, and roll-ups of the period before, as
after the usual retention. The roll-ups of the period itself are derived by the engine's own job.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from engine.clock import VirtualClock
from engine.model import MetricsSummary
from engine.store.migrations import prepare
from engine.store.rollups import catch_up
from engine.store.store import Store
from engine.store.tally import percentile

FIGURES = ("summary_30d_ms", "summary_percentile_error", "summary_24h_ms", "rollup_us_per_execution")
EXECUTIONS = 2_000_000
WORKFLOWS = 50
DAYS = 30
DAY = 86_400.0
END = 1_750_000_000.0 + 40_296.0  # some minutes after an hour, in the middle of a day
START = END - DAYS * DAY
REPEATS = 15
INSERT = """
INSERT INTO executions (id, workflow_id, priority, trace_id, scheduled_at, started_at, duration, outcome,
  attempt_count) VALUES (?, ?, 'normal', ?, ?, ?, ?, ?, 1)
"""
SHIFT = """
INSERT OR IGNORE INTO execution_rollups SELECT width, at - 2592000, workflow_id, ok, degraded, failed, error,
  skipped, interrupted, spent, shortest, longest, sketch FROM execution_rollups
"""
HEALTH = """
INSERT INTO health_rollups SELECT width, at, 'workflow:' || workflow_id, width / 60, width / 60, width * 1.6
FROM execution_rollups WHERE workflow_id <> ''
"""

Figure = dict[str, Any]


def run() -> list[Figure]:
    """All figures; about a minute."""
    with tempfile.TemporaryDirectory() as directory:
        db = Path(directory) / "summary.db"
        durations = build(db)
        return asyncio.run(measure(db, durations))


def build(db: Path) -> dict[str, list[float]]:
    """The file with its executions; returns the durations of each workflow."""
    prepare(db, END)
    durations: dict[str, list[float]] = defaultdict(list)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'executions'"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.execute("BEGIN")
        connection.executemany(INSERT, _rows(durations))
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("COMMIT")
    return durations


def _rows(durations: dict[str, list[float]]) -> Iterator[tuple[Any, ...]]:
    chance = random.Random(30)
    step = DAYS * DAY / EXECUTIONS
    for number in range(EXECUTIONS):
        place = number % WORKFLOWS
        at = START + number * step
        # Each is slower than the one before it; one in a hundred takes ten times as long and may fail.
        duration = chance.lognormvariate(-3.5 + place / 20, 0.4)
        is_odd = chance.random() < 0.01
        duration *= 10 if is_odd else 1
        workflow_id = f"shop-{place}"
        durations[workflow_id].append(duration)
        outcome = "failed" if is_odd and chance.random() < 0.7 else "ok"
        yield number + 1, workflow_id, chance.randbytes(16), at, at, duration, outcome


async def measure(db: Path, durations: dict[str, list[float]]) -> list[Figure]:
    """Roll up, then ask."""
    store = await Store.open(db, VirtualClock(END))
    try:
        began = time.process_time()
        periods = await catch_up(store.writer, store.reader.pool, END)
        cost = (time.process_time() - began) / EXECUTIONS
        with closing(sqlite3.connect(db)) as connection, connection:
            connection.execute(SHIFT)
            connection.execute(HEALTH)
        month, found = await _best(store, DAYS * DAY)
        day, _ = await _best(store, DAY)
    finally:
        await store.close()
    assert found.executions == EXECUTIONS
    assert found.previous is not None
    assert len(found.workflows) == WORKFLOWS
    rows = f"{EXECUTIONS:,} executions of {WORKFLOWS} workflows"
    return [
        _figure("summary_30d_ms", month * 1000, "ms", 50, f"warm; {rows}"),
        _figure("summary_percentile_error", error_of(found, durations), "", 0.01, "p50 … p99 against exact"),
        _figure("summary_24h_ms", day * 1000, "ms", None, "warm; the same file"),
        _figure("rollup_us_per_execution", cost * 1e6, "µs", 3, f"CPU; {periods} hours and days derived"),
    ]


async def _best(store: Store, period: float) -> tuple[float, MetricsSummary]:
    """The median of some, in seconds."""
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        found = await store.reader.summary(END - period, END)
        took.append(time.perf_counter() - began)
    return sorted(took)[REPEATS // 2], found


def error_of(found: MetricsSummary, durations: dict[str, list[float]]) -> float:
    """The greatest error of any percentile, of the workflows and of all together, as a share."""
    durations = durations | {"": [value for values in durations.values() for value in values]}
    worst = 0.0
    for one in (*found.workflows, found):
        ordered = sorted(durations[getattr(one, "workflow_id", "")])
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
            exact = percentile(ordered, share)
            assert exact is not None
            worst = max(worst, abs(getattr(one, name) - exact) / exact)
    return worst


def _figure(name: str, value: float, unit: str, goal: float | None, against: str) -> Figure:
    return {"name": name, "value": round(value, 4), "unit": unit, "goal": goal, "against": against}
