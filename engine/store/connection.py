"""How a database file is opened and what its errors mean."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiosqlite

from engine.clock import Clock
from engine.errors import StoreError
from engine.text import own_words

APPLICATION_ID = 0x546F6373
HEADER = b"SQLite format 3\0"
WAL_LIMIT = 64 * 1024 * 1024
_TRUNCATE_INTERVAL = 10.0
_JOURNAL_LIMIT = 16 * 1024 * 1024

# What every connection that writes agrees on; `journal_mode` is kept in the file itself.
WRITE_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA mmap_size = 0",
    "PRAGMA wal_autocheckpoint = 1000",
    f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT}",
    "PRAGMA temp_store = MEMORY",
)
READ_PRAGMAS = ("PRAGMA query_only = ON", "PRAGMA mmap_size = 0", "PRAGMA temp_store = MEMORY")

_SENTENCES = {
    sqlite3.SQLITE_BUSY: ("is locked by another program", "close whatever else writes to it"),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", "free some space"),
    sqlite3.SQLITE_READONLY: ("is read-only, or its directory is", "check its owner and mode"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "check the directory, its owner and mode"),
    sqlite3.SQLITE_NOTADB: ("is not a Tocsin database", "choose another file with --db"),
    sqlite3.SQLITE_CORRUPT: ("is damaged", "move it away with its -wal file and restore a backup"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", "check the disk"),
    sqlite3.SQLITE_INTERRUPT: (
        "took too long to answer",
        "ask for less: a shorter time range or fewer words",
    ),
}


# These say that the place is bad, not the rows: trying the rows one by one would not help.
_ABOUT_PLACE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_NOMEM,
    }
)


class FileWatch:
    """Knows the file that `path` names now, for SQLite goes on writing to one that was removed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._identity()

    def check(self) -> None:
        """Raises StoreError while the name leads to another file or to none."""
        if self._identity() != self._known:
            raise StoreError(
                f"{self._path} was removed or replaced while in use: nothing is kept",
                "put it back, or start the engine again",
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def is_about_place(error: BaseException) -> bool:
    """Whether an error says that nothing can be written now, rather than that some row cannot."""
    return isinstance(error, StoreError) or primary_code(error) in _ABOUT_PLACE


def explain(error: BaseException, path: Path) -> StoreError:
    """The sentence for what SQLite or the system said about `path`."""
    if isinstance(error, StoreError):
        return error
    message, hint = _SENTENCES.get(primary_code(error), ("", ""))
    if message:
        return StoreError(f"{path} {message}", hint)
    if isinstance(error, OSError) and error.strerror:
        return StoreError(f"{path}: {error.strerror}", "check the directory, its owner and mode")
    return StoreError(f"{path}: {own_words(error)}")


def primary_code(error: BaseException) -> int:
    """SQLite's primary result code; 0 for errors that are not SQLite's or carry none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def connect(path: Path, timeout: float = 5.0) -> sqlite3.Connection:
    """A plain connection that writes, for work done before the engine runs; `timeout` in seconds."""
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None)
    try:
        for pragma in WRITE_PRAGMAS:
            connection.execute(pragma)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


async def connect_writer(path: Path, busy_timeout: float) -> aiosqlite.Connection:
    """The connection that writes; waits up to `busy_timeout` seconds for a lock."""
    connection = await aiosqlite.connect(path, timeout=busy_timeout, isolation_level=None)
    return await _prepared(connection, WRITE_PRAGMAS)


async def connect_reader(path: Path) -> aiosqlite.Connection:
    """A connection that cannot write and shows broken text instead of failing on it."""
    uri = f"file:{quote(str(path))}?mode=ro"
    connection = await aiosqlite.connect(uri, uri=True, timeout=2.0, isolation_level=None)
    connection.text_factory = _decode
    return await _prepared(connection, READ_PRAGMAS)


@asynccontextmanager
async def transaction(connection: aiosqlite.Connection) -> AsyncIterator[None]:
    """All or nothing, durable at the end; never left open, whatever ends the block."""
    await connection.execute_fetchall("BEGIN IMMEDIATE")
    try:
        yield
        await connection.execute_fetchall("COMMIT")
    except BaseException:
        # SQLite rolls back by itself on some errors, such as a full disk.
        if connection.in_transaction:
            await connection.execute_fetchall("ROLLBACK")
        raise


async def checkpoint(connection: aiosqlite.Connection, busy_timeout: float) -> None:
    """Empty the write-ahead log into the file, unless a reader needs it now; blocks nobody."""
    await connection.execute_fetchall("PRAGMA busy_timeout = 0")
    try:
        await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        await connection.execute_fetchall(f"PRAGMA busy_timeout = {round(busy_timeout * 1000)}")


class WalBound:
    """Empties a write-ahead log that a long reader let grow, at most every 10 s."""

    def __init__(self, path: Path, clock: Clock, busy_timeout: float) -> None:
        self._wal = path.with_name(path.name + "-wal")
        self._clock = clock
        self._busy_timeout = busy_timeout
        self._truncated_at = -math.inf

    async def keep(self, connection: aiosqlite.Connection) -> None:
        """Raises sqlite3.Error and OSError."""
        with contextlib.suppress(FileNotFoundError):
            if self._wal.stat().st_size <= WAL_LIMIT:
                return
            if self._clock.monotonic() - self._truncated_at >= _TRUNCATE_INTERVAL:
                self._truncated_at = self._clock.monotonic()
                await checkpoint(connection, self._busy_timeout)


async def _prepared(connection: aiosqlite.Connection, pragmas: tuple[str, ...]) -> aiosqlite.Connection:
    try:
        for pragma in pragmas:
            await connection.execute_fetchall(pragma)
    except BaseException:
        await connection.close()
        raise
    return connection


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "replace")
