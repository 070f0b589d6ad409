"""Keeps a database within its limits, and gives way when its disk is full."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import aiosqlite

from engine.clock import Clock
from engine.errors import StoreError
from engine.lines import lasted, size
from engine.store import retention, wal
from engine.store.ballast import Ballast
from engine.store.budget import Room, give_way, survey, weigh
from engine.store.connection import PAGES_IN_LOG, explain, primary_code
from engine.store.limits import MEBIBYTE, Kind, Limits
from engine.store.retention import Cut
from engine.store.thrift import Thrift
from engine.store.writer import Writer

LOOK_INTERVAL = 10.0
LIMIT_KEY = "max_size"
"""Under which `meta` has the largest size, in bytes, for whoever looks at the file alone."""
PRUNE_INTERVAL = 3_600.0
CROWDED, EASED = 0.9, 0.8
"""Shares of the largest size: above the one rows leave, until the other is reached."""
RESERVE = 0.05
"""The share of it that only alerts get into."""
BALLAST_AFTER = 60.0
"""Seconds an engine has run before it holds ballast, so that short runs leave none."""
PINNED_AFTER = 60.0
WAL_BURST = 4
"""Times its limit that a log may have which cannot be emptied."""
_PAGES_IN_LOG_WHEN_FULL = 64
_FULL = 4 * MEBIBYTE
"""A disk with less than this left is the reason why a file did not grow."""


class Housekeeper:
    """Removes what is old or too much, watches the disk and the write-ahead log, holds the ballast.

    `watch()` and `tend()` run as long as the engine. While there is too little room, the writer is told to be
    thrifty; `trouble` and `caution` say so.

    Args:
        db: the database that `writer` writes.
    """

    def __init__(self, db: Path, writer: Writer, clock: Clock, limits: Limits) -> None:
        self.limits = limits
        self.ballast = Ballast(db, limits.ballast)
        self._db = db
        self._writer = writer
        self._clock = clock
        self._began = clock.monotonic()
        self.pruning = asyncio.Lock()
        """Held while records are being removed."""
        self._crowded = asyncio.Event()
        self._is_disk_full = False
        self._is_reserve_open = False
        self._pinned_since: float | None = None
        self._pinned_by: tuple[str, ...] = ()
        self._wal = 0
        self._blind = ""
        writer.rescue = self.rescue

    @property
    def trouble(self) -> str:
        """Why nothing but alerts is kept; empty when more is."""
        thrift = self._writer.thrift
        return f"{thrift.reason}: only alerts are kept" if thrift and thrift.only_alerts else ""

    @property
    def caution(self) -> str:
        """What a person should do something about; empty when there is nothing."""
        thrift = self._writer.thrift
        if thrift and not thrift.only_alerts:
            return f"{thrift.reason}: only outcomes and alerts are kept"
        if self._pinned_since is not None and self._pinned_for > PINNED_AFTER:
            who = ", ".join(self._pinned_by) or "another program"
            return f"the write-ahead log is {size(self._wal)}: {who} reads for {lasted(self._pinned_for)}"
        return self._blind

    async def adopt(self, limits: Limits) -> None:
        """Keep to other limits from now on; the ballast stays as large as it is. Raises StoreError."""
        limits = replace(limits, ballast=self.limits.ballast)
        if limits == self.limits:
            return
        before, self.limits = self.limits, limits
        try:
            await self.limit()
        except StoreError:
            self.limits = before
            raise
        self._crowded.set()

    async def limit(self) -> None:
        """Let SQLite itself refuse what goes beyond the largest size, and note that. Raises StoreError."""
        await self._writer.run(self._adjust)

    async def watch(self) -> None:
        """Look every 10 s."""
        while True:
            await self.look()
            await self._clock.sleep(LOOK_INTERVAL)

    async def tend(self) -> None:
        """Remove what has to go every hour, and at once when there is little room."""
        while True:
            self._crowded.clear()
            await self.prune()
            waits = [
                asyncio.ensure_future(self._clock.sleep(PRUNE_INTERVAL)),
                asyncio.ensure_future(self._crowded.wait()),
            ]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def look(self) -> None:
        """See how much room there is, and do what is to be done at once. Raises StoreError."""
        try:
            room = await asyncio.to_thread(survey, self._db)
        except (sqlite3.Error, OSError) as error:
            self._blind = explain(error, self._db).message
            return
        self._blind = ""
        if room.wal > self.limits.wal:
            room = await self._shorten_log(room)
        else:
            self._pinned_since = None
        self._wal = room.wal
        before = self._is_disk_full, self._is_reserve_open
        if room.used > CROWDED * self.limits.size:
            self._crowded.set()
        else:
            self._is_reserve_open = False
        await self._hold_ballast(room)
        if before != (self._is_disk_full, self._is_reserve_open):
            await self.limit()
        self._writer.thrift = self._thrift(room)

    async def prune(self) -> int:
        """Remove what is old and what is too much; returns how many records went. Raises StoreError."""
        async with self.pruning:
            return await self._prune()

    async def _prune(self) -> int:
        now = self._clock.now()
        cuts = {kind: Cut(self.limits.before(kind, now)) for kind in Kind}
        removed = await retention.prune(self._writer, cuts)
        try:
            numbers = await asyncio.to_thread(self._too_many)
        except (sqlite3.Error, OSError) as error:
            raise explain(error, self._db) from error
        if numbers:
            cuts = {kind: Cut(number=number) for kind, number in numbers.items()}
            removed += await retention.prune(self._writer, cuts, for_room=True)
        if removed:
            # Only then is the file as small as it can be.
            await self._writer.run(wal.empty)
        return removed

    async def rescue(self, connection: aiosqlite.Connection, error: Exception) -> bool:
        """Make room for what must be kept after `error`, between two batches; whether there is more now."""
        try:
            free = (await asyncio.to_thread(shutil.disk_usage, self._db.parent)).free
            if free >= _FULL and primary_code(error) != sqlite3.SQLITE_FULL:
                return False
            if free >= _FULL and await self._is_near_limit(connection):
                gained = not self._is_reserve_open
                self._is_reserve_open = True
                await self._set_limit(connection)
            else:
                self._is_disk_full = True
                await self._set_log(connection)
                gained = await asyncio.to_thread(self.ballast.release)
                if gained:
                    await wal.empty(connection)
        except (sqlite3.Error, OSError):
            # The rows fail with the reason they had before.
            gained = False
        self._writer.thrift = Thrift(self._reason(), only_alerts=True)
        self._crowded.set()
        return gained

    def _too_many(self) -> dict[Kind, int]:
        """Numbers up to which rows leave for want of room, by kind."""
        limits, room = self.limits, survey(self._db)
        is_crowded = room.used > CROWDED * limits.size
        if not is_crowded and all(share.size is None for share in limits.shares.values()):
            return {}
        excess = room.used - EASED * limits.size if is_crowded else 0
        return give_way(weigh(self._db), limits, int(excess))

    async def _shorten_log(self, room: Room) -> Room:
        if await self._writer.run(wal.empty):
            self._pinned_since = None
        elif self._pinned_since is None:
            self._pinned_since = self._clock.monotonic()
        self._pinned_by = await asyncio.to_thread(wal.readers, self._db)
        return await asyncio.to_thread(survey, self._db)

    async def _hold_ballast(self, room: Room) -> None:
        """Once there is room for it, and as much again for others."""
        limits = self.limits
        if self._clock.monotonic() - self._began < BALLAST_AFTER or self.ballast.held == limits.ballast:
            self._is_disk_full &= room.free < self._enough
        elif room.free >= self._enough + limits.ballast:
            await asyncio.to_thread(self.ballast.hold)
            self._is_disk_full = False

    @property
    def _enough(self) -> int:
        """Free space, in bytes, with which a disk that was full is not full any more."""
        return max(self.limits.floor, self.limits.ballast)

    @property
    def _pinned_for(self) -> float:
        return 0.0 if self._pinned_since is None else self._clock.monotonic() - self._pinned_since

    def _thrift(self, room: Room) -> Thrift | None:
        limits = self.limits
        if self._is_disk_full or self._is_reserve_open:
            return Thrift(self._reason(), only_alerts=True)
        if room.free < limits.floor:
            return Thrift(f"the disk has only {size(room.free)} left")
        if room.wal > WAL_BURST * limits.wal:
            return Thrift(f"the write-ahead log of {size(room.wal)} cannot be emptied")
        return None

    def _reason(self) -> str:
        if self._is_disk_full:
            return "the disk is full"
        return f"the database has reached its limit of {size(self.limits.size)}"

    async def _is_near_limit(self, connection: aiosqlite.Connection) -> bool:
        """Whether the file is so large that a batch, now taken back, may have reached the limit."""
        pages = next(iter(await connection.execute_fetchall("PRAGMA page_count")))[0]
        page = next(iter(await connection.execute_fetchall("PRAGMA page_size")))[0]
        return bool(pages * page > self.limits.size / 2)

    async def _adjust(self, connection: aiosqlite.Connection) -> None:
        await self._set_limit(connection)
        await self._set_log(connection)
        known = await connection.execute_fetchall("SELECT value FROM meta WHERE key = ?", (LIMIT_KEY,))
        if [self.limits.size] != [value for (value,) in known]:
            noted = (LIMIT_KEY, self.limits.size)
            await connection.execute_fetchall("INSERT OR REPLACE INTO meta VALUES (?, ?)", noted)

    async def _set_limit(self, connection: aiosqlite.Connection) -> None:
        """Let SQLite itself refuse what goes beyond the limit, or into the part that is for alerts."""
        share = 1.0 if self._is_reserve_open else 1.0 - RESERVE
        page = next(iter(await connection.execute_fetchall("PRAGMA page_size")))[0]
        await connection.execute_fetchall(f"PRAGMA max_page_count = {int(self.limits.size * share / page)}")

    async def _set_log(self, connection: aiosqlite.Connection) -> None:
        """Let the write-ahead log be used again soon on a full disk."""
        pages = _PAGES_IN_LOG_WHEN_FULL if self._is_disk_full else PAGES_IN_LOG
        await connection.execute_fetchall(f"PRAGMA wal_autocheckpoint = {pages}")


def is_full(db: Path) -> bool:
    """Whether the disk of `db`, or of where it will be, has no room to speak of."""
    try:
        return shutil.disk_usage(db.parent).free < _FULL
    except OSError:
        return False
