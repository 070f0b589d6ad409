"""Power that fails: any part of the write-ahead log may be missing; what is left is a beginning."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest

from engine.clock import VirtualClock
from engine.store.opening import make_ready
from tests.engine.store.samples import START, alert, event, recording
from tests.faults.store.files import assert_sound, opened, query

# More rounds find rarer places: TOCSIN_POWER_ROUNDS=300.
ROUNDS = int(os.environ.get("TOCSIN_POWER_ROUNDS", "60"))
COMMITS = 45
SECTOR = 512
SHARES = {"alerts": 1, "alert_events": 1, "traces": 1, "samples": 1, "logs": 3}
"""Rows of one commit."""


def cut(log: bytearray, choose: random.Random) -> None:
    """What had been added last never came to the disk."""
    del log[choose.randrange(len(log)) :]


def hole(log: bytearray, choose: random.Random) -> None:
    """Sectors in the middle never came there."""
    first = choose.randrange(len(log) // SECTOR) * SECTOR
    last = min(first + choose.randint(1, 16) * SECTOR, len(log))
    log[first:last] = bytes(last - first)


def tear(log: bytearray, choose: random.Random) -> None:
    """A sector was half written."""
    first = choose.randrange(len(log) // SECTOR) * SECTOR + choose.randrange(SECTOR)
    last = min(first + choose.randint(1, SECTOR), len(log))
    log[first:last] = choose.randbytes(last - first)


async def restart(connection: aiosqlite.Connection) -> None:
    """The log is in the file; the next commit begins it anew, over what it was."""
    await connection.execute_fetchall("PRAGMA wal_checkpoint(RESTART)")


async def unchecked(connection: aiosqlite.Connection) -> None:
    """What has been moved into the file is on the disk before the log changes; here it is moved by hand."""
    await connection.execute_fetchall("PRAGMA wal_autocheckpoint = 0")


@pytest.fixture
async def moments(tmp_path: Path) -> list[Path]:
    """Copies of a database and its log, each after as many acknowledged commits as its name says."""
    db = tmp_path / "tocsin.db"
    async with opened(db, VirtualClock(START)) as store:
        await store.writer.run(restart)
        await store.writer.run(unchecked)
        copies = []
        for number in range(1, COMMITS + 1):
            await store.writer.must(recording(number), alert(number), event(number))
            if number % 3 == 0:
                copies.append(tmp_path / str(number))
                copies[-1].mkdir()
                for name in (db.name, db.name + "-wal"):
                    shutil.copy(tmp_path / name, copies[-1] / name)
            if number % 20 == 0:
                await store.writer.run(restart)
    return copies


async def test_what_power_leaves_is_whole_and_a_beginning(moments: list[Path], tmp_path: Path) -> None:
    choose = random.Random(7)
    losses: list[Callable[[bytearray, random.Random], None]] = [cut, hole, tear]
    survivors = set()
    for number in range(ROUNDS):
        moment, lose = choose.choice(moments), losses[number % 3]
        place = tmp_path / f"round-{number}"
        shutil.copytree(moment, place)
        db = place / "tocsin.db"
        log = bytearray((place / "tocsin.db-wal").read_bytes())
        lose(log, choose)
        (place / "tocsin.db-wal").write_bytes(log)
        what = f"round {number}: {lose.__name__} after {moment.name}"
        with closing(sqlite3.connect(db)) as connection:
            found = [row[0] for row in connection.execute("SELECT id FROM executions ORDER BY id")]
            assert found == list(range(1, len(found) + 1)), what
            assert len(found) <= int(moment.name), what
            for table, share in SHARES.items():
                (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                assert count == share * len(found), f"{table}, {what}"
        assert make_ready(db, START).notice == "", what
        assert_sound(db)
        survivors.add(len(found))
        shutil.rmtree(place)
    assert len(survivors) > 5


async def test_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    """Every commit that somebody waits for is synced: what comes after it may be lost, but not it."""
    db, pulled = tmp_path / "tocsin.db", tmp_path.with_name("pulled")
    modes = []

    async def ask(connection: aiosqlite.Connection) -> None:
        modes.append(next(iter(await connection.execute_fetchall("PRAGMA synchronous")))[0])

    async with opened(db, VirtualClock(START)) as store:
        for number in range(1, 4):
            await store.writer.must(alert(number))
            await store.writer.run(ask)
        shutil.copytree(tmp_path, pulled)
    full = 2
    assert modes == [full] * 3
    assert query(pulled / db.name, "SELECT count(*) FROM alerts") == [(3,)]
