"""Connections that only read: short questions, each with a deadline."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import aiosqlite

from engine.errors import StoreError
from engine.store.connection import connect_reader, explain, in_its_thread, lenient
from engine.store.courtesy import Courtesy
from engine.store.migrations import VERSION, check_version, inspect, renewed
from engine.store.opening import report
from engine.threads import opened

T = TypeVar("T")

DEADLINE = 10.0
SIZE = 2
_STEPS = 1_000_000
"""Steps of SQLite's machine, a few hundredths of a second, after which a question looks for who waits."""

Cells = tuple[Any, ...]


class ReadPool:
    """A few read-only connections, so that one slow question does not hold up the others.

    `courtesy` is told of questions that somebody waits for; who writes beside shares it.
    """

    def __init__(self, path: Path, connections: Sequence[aiosqlite.Connection]) -> None:
        self.path = path
        self.courtesy = Courtesy()
        self._all = connections
        self._free: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        for connection in connections:
            self._free.put_nowait(connection)
        self._closed = False
        self._place: TemporaryDirectory[str] | None = None

    @classmethod
    async def open(cls, path: Path) -> ReadPool:
        """Connect.

        Raises:
            StoreError: the file is missing, not ours, newer or older than this program, or unreadable; older
                incident files are read.
        """
        inspect(path)
        connections: list[aiosqlite.Connection] = []
        try:
            for _ in range(SIZE):
                connections.append(await connect_reader(path))
            version = next(iter(await connections[0].execute_fetchall("PRAGMA user_version")))[0]
            check_version(version, path)
            if version < VERSION:
                return await cls._of_older(path, version)
            pool, connections = cls(path, connections), []
            return pool
        except sqlite3.Error as error:
            raise explain(error, path) from error
        finally:
            for connection in connections:
                await connection.close()

    @classmethod
    async def _of_older(cls, path: Path, version: int) -> ReadPool:
        """A copy of an incident file of an older version, brought up to date; other files are refused."""
        place, copy = await opened(lambda: _renewed(path, version), lambda made: made[0].cleanup())
        try:
            pool = await cls.open(copy)
        except BaseException:
            place.cleanup()
            raise
        pool.path, pool._place = path, place
        return pool

    async def fetch(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Cells]:
        """All rows of one SELECT, which must bound them itself.

        Raises:
            StoreError: the file cannot be read, or the answer took longer than 10 s.
        """

        return await self._lend(lambda connection: connection.execute(sql, parameters).fetchall())

    async def run(self, job: Callable[[sqlite3.Connection], T], deadline: float | None = None) -> T:
        """What `job` returns, run in a connection's thread: several questions about one state of the file.

        Args:
            deadline: seconds, for work that nobody waits for; else as `fetch`.

        Raises:
            StoreError: as `fetch` does.
        """
        return await self._lend(partial(_in_one_state, job), deadline)

    async def _lend(self, use: Callable[[sqlite3.Connection], T], deadline: float | None = None) -> T:
        """Let `use` have a connection to itself, in its thread and within the deadline."""
        if self._closed:
            raise StoreError(f"{self.path} is closed")
        try:
            async with asyncio.timeout(deadline or DEADLINE):
                connection, is_given_up = await self._free.get(), threading.Event()
                try:
                    with nullcontext() if deadline else self.courtesy.asking():
                        return await in_its_thread(connection, partial(_unless, is_given_up.is_set, use))
                except asyncio.CancelledError:
                    # Nobody waits any more: the statement would otherwise run to its end.
                    is_given_up.set()
                    await connection.interrupt()
                    raise
                finally:
                    self._free.put_nowait(connection)
        except TimeoutError as error:
            raise StoreError(
                f"{self.path} took too long to answer", "ask for less: a shorter time range or fewer words"
            ) from error
        except (sqlite3.Error, ValueError, OverflowError) as error:
            # The latter two: a value that cannot be bound, or a connection closed meanwhile.
            raise report(error, self.path) from error

    async def close(self) -> None:
        """Close the connections; harmless twice."""
        self._closed = True
        for connection in self._all:
            await connection.close()
        if self._place is not None:
            self._place.cleanup()


def _renewed(path: Path, version: int) -> tuple[TemporaryDirectory[str], Path]:
    """A directory with the copy in it, and where that is."""
    place = TemporaryDirectory(prefix="tocsin-")
    try:
        return place, renewed(path, version, Path(place.name))
    except BaseException:
        place.cleanup()
        raise


def _unless(
    is_given_up: Callable[[], bool], use: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection
) -> T:
    """What `use` returns; an interruption passes by what a thread has yet to begin, this does not."""
    connection.set_progress_handler(is_given_up, _STEPS)
    return lenient(connection, use)


def _in_one_state(job: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
    connection.execute("BEGIN")
    try:
        return job(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
