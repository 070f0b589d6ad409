"""Other programs in the database: readers that pin the write-ahead log, locks, files that are taken away."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path

import pytest

from engine.clock import SystemClock, VirtualClock
from engine.config.loader import load_config
from engine.engine import Engine
from engine.errors import StoreError
from engine.model import HealthStatus
from engine.store import wal
from engine.store.limits import Limits
from engine.store.migrations import prepare
from engine.store.writer import Writer
from tests.engine.store.samples import START, alert, log, recording
from tests.faults.store.files import opened_until


@contextmanager
def held_open(db: Path, statement: str) -> Iterator[None]:
    """Another program that keeps a transaction on `db` open."""
    script = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN')\n"
        "connection.execute(sys.argv[2]).fetchone()\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(db), statement]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


async def test_a_reader_that_pins_the_log_is_named_and_the_log_stays_bounded(
    tmp_path: Path, at_end: AsyncExitStack
) -> None:
    db = tmp_path / "tocsin.db"
    limits = Limits(wal=256 * 1024, floor=0, ballast=0)
    store = await opened_until(at_end, db, VirtualClock(START), limits)
    await store.writer.must(alert(1))
    number = 0
    with held_open(db, "SELECT count(*) FROM alerts"):
        while store.writer.thrift is None:
            store.writer.offer(*(recording(number := number + 1) for _ in range(100)))
            await store.writer.flush()
            await store.keeper.look()
        assert "cannot be emptied" in store.keeper.caution
        reached = wal.length(db)
        for _ in range(5):
            store.writer.offer(*(log("x" * 1_000) for _ in range(1_000)))
            await store.writer.flush()
        assert wal.length(db) < reached + limits.wal
        await store.writer.must(alert(2))
        readers = wal.readers(db)
        assert len(readers) == 1
        assert readers[0].startswith("python")
    await store.keeper.look()
    assert (store.keeper.caution, wal.length(db)) == ("", 0)
    assert store.writer.dropped_by_kind == {"log lines": 5_000}
    await store.close()


async def test_a_reader_that_pins_the_log_for_a_minute_is_told(
    tmp_path: Path, at_end: AsyncExitStack
) -> None:
    clock, db = VirtualClock(START), tmp_path / "tocsin.db"
    store = await opened_until(at_end, db, clock, Limits(wal=128 * 1024, floor=0, ballast=0))
    with held_open(db, "SELECT count(*) FROM alerts"):
        await store.writer.must(*(alert(number, message="x" * 1_000) for number in range(1, 200)))
        await store.keeper.look()
        assert store.keeper.caution == ""
        await clock.advance(70)
        await store.keeper.look()
        assert "reads for 1 m 10 s" in store.keeper.caution
        assert "(process " in store.keeper.caution
    await store.close()


async def test_a_stranger_who_holds_the_lock_holds_up_nothing_else(
    tmp_path: Path, at_end: AsyncExitStack
) -> None:
    db = tmp_path / "tocsin.db"
    prepare(db, START)
    writer = await Writer.open(db, SystemClock(), capacity=2_000, patience=0.4)
    at_end.push_async_callback(writer.close)
    gaps: list[float] = []

    async def measure() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            gaps.append(time.perf_counter() - began - 0.005)

    measuring = asyncio.create_task(measure())
    with closing(sqlite3.connect(db, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        offered = sum(writer.offer(log(f"line {number}")) for number in range(3_000))
        with pytest.raises(StoreError, match="locked by another program"):
            await writer.must(alert(1))
        assert (offered, writer.dropped_by_kind) == (2_000, {"log lines": 1_000})
        stranger.execute("ROLLBACK")
    await writer.must(alert(2))
    await writer.flush()
    measuring.cancel()
    await writer.close()
    gaps.sort()
    assert gaps[int(len(gaps) * 0.9)] < 0.1
    with closing(sqlite3.connect(db)) as connection:
        # The accounts of what was lost are lines, too.
        assert connection.execute("SELECT count(*) FROM logs WHERE message LIKE 'line %'").fetchone() == (
            2_000,
        )
        assert connection.execute("SELECT id FROM alerts").fetchall() == [(2,)]


async def test_a_database_taken_away_from_a_running_engine_is_told(tmp_path: Path) -> None:
    path, db = tmp_path / "rules.yaml", tmp_path / "state" / "tocsin.db"
    path.write_text("version: 1\nsettings: {heartbeats: 127.0.0.1:0}\n")
    engine = Engine(load_config(path), db, SystemClock())
    await engine.start()
    try:
        db.rename(tmp_path / "elsewhere.db")
        with pytest.raises(StoreError, match="was removed or replaced"):
            await engine._store.writer.must(alert(1))
        store = next(part for part in (await engine.current_health()).components if part.name == "store")
        assert store.status is HealthStatus.UNHEALTHY
        assert "was removed or replaced while in use" in store.detail
        (tmp_path / "elsewhere.db").rename(db)
        await engine._store.writer.must(alert(1))
    finally:
        await engine.stop()
