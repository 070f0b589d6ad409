"""The database of one engine: a writer and a reader on the same file."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from engine.clock import Clock
from engine.errors import DamagedError
from engine.model import LogLevel, LogRecord
from engine.store.ballast import Ballast
from engine.store.connection import explain
from engine.store.housekeeping import Housekeeper, is_full
from engine.store.limits import Limits
from engine.store.opening import Condition, make_ready
from engine.store.reader import Reader
from engine.store.writer import Writer

_NO_LIMITS = Limits(size=2**60)
_COMPLAINTS = 1_000


class _Complaints:
    """Logs each row that cannot be read, once in a run; about the first 1,000 of them."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock
        self._told: set[str] = set()

    def tell(self, error: DamagedError) -> None:
        if error.message not in self._told and len(self._told) < _COMPLAINTS:
            self._told.add(error.message)
            message = f"database: {error.message}: it is left out ({error.hint})"
            self._writer.offer(LogRecord(at=self._clock.now(), level=LogLevel.ERROR, message=message))


class Store:
    """Made by `open()`, by whoever holds the InstanceLock.

    `condition` is what the file was found in. `keeper` has to be run by whoever writes for long.
    """

    def __init__(self, writer: Writer, reader: Reader, condition: Condition, keeper: Housekeeper) -> None:
        self.writer = writer
        self.reader = reader
        self.condition = condition
        self.keeper = keeper

    @classmethod
    async def open(cls, path: Path, clock: Clock, limits: Limits | None = None) -> Store:
        """Open the database: made private when new, migrated when older, replaced by a backup when damaged.

        Notifications that were being sent when the last engine ended are queued again. On a full disk the
        ballast is given up.

        Args:
            limits: what holds from now on; None leaves the size to whoever writes for long.

        Raises:
            StoreError: a sentence about a file that is not ours, is newer, or cannot be written.
        """
        if is_full(path):
            Ballast(path, 0).release()
        condition = await asyncio.to_thread(make_ready, path, clock.now())
        try:
            writer = await Writer.open(path, clock)
        except sqlite3.Error as error:
            raise explain(error, path) from error
        try:
            keeper = Housekeeper(path, writer, clock, limits or _NO_LIMITS)
            if limits is not None:
                await keeper.limit()
            reader = await Reader.open(path, clock)
            reader.pool.courtesy = writer.courtesy
            reader.on_damage = _Complaints(writer, clock).tell
            return cls(writer, reader, condition, keeper)
        except BaseException:
            await writer.close()
            raise

    async def close(self) -> None:
        """Commit what waits and leave the file clean; harmless twice."""
        try:
            await self.reader.close()
        finally:
            await self.writer.close()
