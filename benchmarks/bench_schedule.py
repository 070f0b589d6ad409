"""Whether checks start when they are due: cadence and loop lag under load, and what overload leaves."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from benchmarks.many import COUNT, configured, names, names_within
from benchmarks.nginx import target
from engine.clock import SystemClock
from engine.collector import settle_collector
from engine.config.loader import LoadedConfig
from engine.engine import Engine

FIGURES = ("cadence_p99_ms", "loop_lag_p99_ms", "burst_p99_ms", "overload_goodput")
EVERY = 5.0
WARM_UP = 7.0
MEASURED = 20.0
BURSTS = 16.0
LAG_INTERVAL = 0.005
CLOSED_LOOP = 4.0
OFFERED = 1.5
OVERLOADED = 12.0


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile; 0 of nothing."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0


@asynccontextmanager
async def running(loaded: LoadedConfig, db: Path, *, scheduled: bool) -> AsyncIterator[Engine]:
    """A whole engine."""
    engine = Engine(loaded, db, SystemClock())
    await engine.start(scheduled=scheduled)
    settle_collector()
    try:
        yield engine
    finally:
        await engine.stop()


async def lags(seconds: float) -> list[float]:
    """By how many seconds the loop was late, looked at every 5 ms."""
    loop = asyncio.get_running_loop()
    end, found = loop.time() + seconds, []
    while (due := loop.time() + LAG_INTERVAL) < end:
        await asyncio.sleep(LAG_INTERVAL)
        found.append(loop.time() - due)
    return found


def rows(db: Path, since: float, until: float) -> list[tuple[str, float, float]]:
    """Outcome, slot and start of the executions that were due within a time."""
    query = "SELECT outcome, scheduled_at, started_at FROM executions WHERE scheduled_at BETWEEN ? AND ?"
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        return connection.execute(query, (since, until)).fetchall()


async def cadence(
    url: str, directory: Path, ids: list[str], seconds: float
) -> tuple[list[float], list[float], int]:
    """Seconds between slot and start, the loop's lags, and how many executions did not succeed."""
    db = directory / f"cadence-{seconds}.db"
    async with running(configured(directory, url, f"every: {EVERY}s", ids), db, scheduled=True):
        await asyncio.sleep(WARM_UP)
        since = time.time()
        late = await lags(seconds)
        until = time.time() - 1.0
    found = rows(db, since, until)
    return [start - slot for _, slot, start in found], late, sum(outcome != "ok" for outcome, _, _ in found)


async def closed_loop(url: str, directory: Path) -> float:
    """Executions a second when one follows the other as fast as they go, to know what to offer."""
    loaded = configured(directory, url, "every: 1h")
    async with running(loaded, directory / "closed.db", scheduled=False) as engine:
        await engine.run_once()
        began, done = granted(), 0
        while granted() - began < CLOSED_LOOP:
            done += len(await engine.run_once())
        return done / (granted() - began)


async def served(url: str, directory: Path, offered: float) -> tuple[float, int, int]:
    """Executions a second that are served when `offered` are due; slots skipped, by so many records."""
    every = round(COUNT / offered * 1000)
    db = directory / f"{every}.db"
    async with running(configured(directory, url, f"every: {every}ms"), db, scheduled=True):
        await asyncio.sleep(WARM_UP)
        since, began = time.time(), granted()
        await asyncio.sleep(OVERLOADED)
        until, seconds = time.time(), granted() - began
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        done, records = connection.execute(
            "SELECT sum(outcome = 'ok'), sum(outcome = 'skipped') FROM executions"
            " WHERE started_at + duration BETWEEN ? AND ?",
            (since, until),
        ).fetchone()
    due = round(COUNT * (until - since) * 1000 / every)
    return (done or 0) / seconds, max(due - (done or 0), 0), records or 0


def granted() -> float:
    """Seconds, without those in which this thread waited for a processor that others had."""
    waited = Path("/proc/thread-self/schedstat").read_text().split()[1]
    return time.perf_counter() - int(waited) / 1e9


def run() -> list[dict[str, Any]]:
    """The figures."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with target(directory) as url:
            late, lag, failed = asyncio.run(cadence(url, directory, names(), MEASURED))
            burst, burst_lag, _ = asyncio.run(cadence(url, directory, names_within(1 / EVERY), BURSTS))
            loop = asyncio.run(closed_loop(url, directory))
            best, _, _ = asyncio.run(served(url, directory, loop))
            rate, skipped, records = asyncio.run(served(url, directory, best * OFFERED))
    pace = len(late) / (MEASURED - 1.0)
    load = f"{pace:.0f} executions/s of {COUNT:,} workflows, {failed} of them failed or skipped"
    return [
        {
            "name": "cadence_p99_ms",
            "value": round(percentile(late, 0.99) * 1000, 1) if pace > 0.95 * COUNT / EVERY else "void",
            "unit": f"ms (median {percentile(late, 0.5) * 1000:.1f})",
            "goal": 200,
            "against": load,
        },
        {
            "name": "loop_lag_p99_ms",
            "value": round(percentile(lag, 0.99) * 1000, 1),
            "unit": f"ms (worst {max(lag) * 1000:.0f})",
            "goal": 50,
            "against": "the same load",
        },
        {
            "name": "burst_p99_ms",
            "value": round(percentile(burst, 0.99) * 1000, 1) if len(burst) >= 2 * COUNT else "void",
            "unit": f"ms (median {percentile(burst, 0.5) * 1000:.1f})",
            "goal": 200,
            "against": f"all due in one second of five; lag p99 {percentile(burst_lag, 0.99) * 1000:.1f} ms",
        },
        {
            "name": "overload_goodput",
            "value": round(rate / best, 2),
            "unit": f"× ({rate:.0f}/s)",
            "goal": 0.9,
            "against": f"{best:.0f}/s at saturation; {skipped:,} slots skipped, in {records:,} records",
        },
    ]
