"""Database files for tests of bad days: filled, of earlier schemas, left by a killed engine, looked at."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

from engine.clock import Clock
from engine.store.integrity import damage
from engine.store.limits import Limits
from engine.store.migrations import MIGRATIONS, migrate, prepare
from engine.store.store import Store
from tests.engine.store.samples import START
from tests.engine.store.test_conversion import old_file

COMPACT = 5
"""The schema from which on traces and points are packed."""
PAGE = 4_096


def query(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def older_file(db: Path, version: int) -> None:
    """A file of an earlier schema with rows in it."""
    old_file(db, min(version, COMPACT - 1))
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:version])
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('clean', 1)")


def filled(db: Path, lines: int = 300) -> Path:
    """A database that was left cleanly, with lines in it."""
    prepare(db, START)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        add_lines(connection, lines)
        connection.execute("UPDATE meta SET value = 1 WHERE key = 'clean'")
    return db


def add_lines(connection: sqlite3.Connection, count: int, word: str = "line") -> None:
    connection.execute("BEGIN")
    for _ in range(count):
        row = connection.execute(
            "INSERT INTO logs (at, level, message) VALUES (?, 9, ?)", (START, f"{word} {'x' * 300}")
        )
        connection.execute(
            "INSERT INTO logs_fts (rowid, message) SELECT id, message FROM logs WHERE id = ?",
            (row.lastrowid,),
        )
    connection.execute("COMMIT")


def leave_unfinished(db: Path, lines: int = 40) -> None:
    """Let `db` be as a killed engine leaves it: the newest lines are in the write-ahead log alone."""
    aside = db.with_name("aside")
    aside.mkdir()
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE meta SET value = 0 WHERE key = 'clean'")
        add_lines(connection, lines, "late")
        for name in (db.name, db.name + "-wal"):
            shutil.copy(db.with_name(name), aside / name)
    db.write_bytes((aside / db.name).read_bytes())
    (aside / f"{db.name}-wal").replace(db.with_name(f"{db.name}-wal"))
    shutil.rmtree(aside)


@asynccontextmanager
async def opened(db: Path, clock: Clock) -> AsyncIterator[Store]:
    """A store, closed whatever happens: the thread of an open one would outlive the tests."""
    store = await Store.open(db, clock)
    try:
        yield store
    finally:
        await store.close()


async def opened_until(at_end: AsyncExitStack, db: Path, clock: Clock, limits: Limits | None) -> Store:
    """A store with these limits that is closed with `at_end`, if not before."""
    store = await Store.open(db, clock, limits)
    at_end.push_async_callback(store.close)
    return store


def lines_in(db: Path) -> int:
    return int(query(db, "SELECT count(*) FROM logs")[0][0])


def assert_sound(db: Path) -> None:
    """Pages, indexes and the search index are whole."""
    assert damage(db, thorough=True) == ""
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("INSERT INTO logs_fts (logs_fts, rank) VALUES ('integrity-check', 1)")


def spoil(db: Path, seed: int = 1) -> None:
    """Random bytes over pages behind the first, as a bad disk leaves them."""
    noise = random.Random(seed)
    with db.open("r+b") as file:
        for page in range(4, os.path.getsize(db) // PAGE, 3):
            file.seek(page * PAGE)
            file.write(noise.randbytes(PAGE))


def set_aside(db: Path, word: str = "*") -> list[Path]:
    """The directories in which databases are kept that were exchanged."""
    return sorted(db.parent.glob(f"{db.name}.{word}-*"))


def names(place: Path) -> set[str]:
    return set(os.listdir(place))
