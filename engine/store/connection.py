"""How a database file is opened and what its errors mean."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import aiosqlite

from engine.errors import DamagedError, StoreError
from engine.text import own_words

T = TypeVar("T")

APPLICATION_ID = 0x546F6373
HEADER = b"SQLite format 3\0"
PAGES_IN_LOG = 1_000
"""With so many, the write-ahead log is moved into the file."""
_JOURNAL_LIMIT = 16 * 1024 * 1024

# What every connection that writes agrees on; `journal_mode` is kept in the file itself.
WRITE_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA mmap_size = 0",
    f"PRAGMA wal_autocheckpoint = {PAGES_IN_LOG}",
    f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT}",
    "PRAGMA temp_store = MEMORY",
)
# Every commit of the writer empties a reader's cache, so that it serves one question only: half of the usual
# megabytes is enough. A quarter would double the time of one that goes through a whole table by an index.
READ_PRAGMAS = (
    "PRAGMA query_only = ON",
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -1000",
)

_NOT_UTF8 = "Could not decode to UTF-8"
"""How Python's sqlite3 begins to say so; the error has no code of its own."""

_SENTENCES = {
    sqlite3.SQLITE_BUSY: ("is locked by another program", "close whatever else writes to it"),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", "free some space"),
    sqlite3.SQLITE_READONLY: ("is read-only, or its directory is", "check its owner and mode"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "check the directory, its owner and mode"),
    sqlite3.SQLITE_NOTADB: ("is not a Tocsin database", "choose another file with --db"),
    sqlite3.SQLITE_CORRUPT: ("is damaged", "start the engine again: it goes on from the newest backup"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", "check the disk"),
    sqlite3.SQLITE_INTERRUPT: (
        "took too long to answer",
        "ask for less: a shorter time range or fewer words",
    ),
}

_SYSTEM_HINTS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or ask for a larger quota",
    errno.EFBIG: "choose a smaller max_size, or a file system for large files",
    errno.EIO: "check the disk",
    errno.EROFS: "mount the file system for writing, or choose another file with --db",
    errno.ENAMETOOLONG: "choose another file with --db",
    errno.EMFILE: "allow more open files: ulimit -n",
    errno.ENFILE: "close other programs: the system has too many open files",
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
        if not self.holds:
            raise StoreError(
                f"{self._path} was removed or replaced while in use: nothing is kept",
                "put it back, or start the engine again",
            )

    @property
    def holds(self) -> bool:
        """Whether the name still leads where it did."""
        return self._identity() == self._known

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
        kind = DamagedError if primary_code(error) == sqlite3.SQLITE_CORRUPT else StoreError
        return kind(f"{path} {message}", hint)
    if isinstance(error, OSError) and error.strerror:
        hint = _SYSTEM_HINTS.get(error.errno or 0, "check the directory, its owner and mode")
        return StoreError(f"{path}: {error.strerror}", hint)
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
    """A connection that cannot write; read through `lenient()`."""
    uri = f"file:{quote(str(path))}?mode=ro"
    connection = await aiosqlite.connect(uri, uri=True, timeout=2.0, isolation_level=None)
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


async def in_its_thread(connection: aiosqlite.Connection, job: Callable[[sqlite3.Connection], T]) -> T:
    """What `job` returns, run where the connection lives.

    A whole transaction costs one way there and back instead of one for each statement, and cannot be left
    open by a caller that is cancelled. aiosqlite has no public name for it.
    """
    # The thread keeps what it returned last for as long as it waits for more to do; so it returns nothing.
    made: list[T] = []
    await connection._execute(lambda: made.append(job(connection._conn)))  # type: ignore[no-untyped-call]
    return made.pop()


def lenient(connection: sqlite3.Connection, read: Callable[[sqlite3.Connection], T]) -> T:
    """What `read` returns, with broken text shown instead of failing on it.

    SQLite makes text by itself until it meets some that is not UTF-8; from then on this connection goes
    through Python for every cell, which takes a quarter longer.
    """
    try:
        return read(connection)
    except sqlite3.OperationalError as error:
        if connection.text_factory is not str or not str(error).startswith(_NOT_UTF8):
            raise
    connection.text_factory = _decode
    return read(connection)


def in_transaction(connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], T]) -> T:
    """What `job` returns; all it wrote is durable then, or nothing is there when it raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = job(connection)
        connection.execute("COMMIT")
    except BaseException:
        # SQLite rolls back by itself on some errors, such as a full disk.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


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
