"""Reads of whatever file has the name now, for those who read for long beside engines that come and go."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import aiosqlite

from engine.errors import StoreError
from engine.store.connection import FileWatch, explain
from engine.store.pool import ReadPool

T = TypeVar("T")

_TRIES = 3


class FollowingPool(ReadPool):
    """Goes over to the new file when a database is restored or begins anew.

    SQLite would go on reading the old one; and a connection that has not read yet would take the write-ahead
    log of the new one for its own.
    """

    def __init__(self, path: Path, connections: Sequence[aiosqlite.Connection]) -> None:
        super().__init__(path, connections)
        self._watch = FileWatch(path)
        self._pool = ReadPool(path, connections)
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> FollowingPool:
        """Connect. Raises StoreError as ReadPool does."""
        following = cls(path, ())
        await following._go_over()
        return following

    async def close(self) -> None:
        """Close the connections; harmless twice."""
        self._closed = True
        await self._pool.close()

    async def _lend(self, use: Callable[[sqlite3.Connection], T], deadline: float | None = None) -> T:
        pool = await self._current()
        try:
            return await pool._lend(use, deadline)
        except StoreError:
            # The file may have been exchanged in the middle of the question.
            if (current := await self._current()) is pool:
                raise
            return await current._lend(use, deadline)

    async def _current(self) -> ReadPool:
        async with self._turn:
            if not self._closed and not self._watch.holds:
                await self._go_over()
            return self._pool

    async def _go_over(self) -> None:
        """Connect to the file that has the name now. Raises StoreError; the old connections stay then."""
        for _ in range(_TRIES):
            watch = FileWatch(self.path)
            pool = await ReadPool.open(self.path)
            try:
                for connection in pool._all:
                    await connection.execute_fetchall("SELECT count(*) FROM meta")
            except sqlite3.Error as error:
                await pool.close()
                raise explain(error, self.path) from error
            old, self._pool, self._watch = self._pool, pool, watch
            await old.close()
            if watch.holds:
                return
