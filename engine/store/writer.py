"""The one connection that writes, owned by one task that commits in batches."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from engine.clock import Clock
from engine.errors import StoreError
from engine.store.connection import (
    FileWatch,
    connect_writer,
    in_its_thread,
    in_transaction,
    is_about_place,
    primary_code,
)
from engine.store.encode import Row, weigh
from engine.store.entry import Entry
from engine.store.losses import Losses
from engine.store.opening import report
from engine.store.series import SERIES_LIMIT
from engine.store.tables import Tables
from engine.store.thrift import Thrift, tally
from engine.store.wal import empty

__all__ = ["Row", "Writer"]

T = TypeVar("T")

BATCH_INTERVAL = 0.25
BATCH_RECORDS = 5_000
CAPACITY = 100_000
PATIENCE = 30.0
_CLOSING_PATIENCE = 3.0
# A disk that is full says so in either way, depending on what could not grow.
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


class Writer:
    """Takes rows from the engine's loop and commits them, at least every 250 ms.

    Made by `open()`. `on_commit`, when set, is called in the loop with the rows of each commit.
    `redact`, when set, is what every row goes through on its way in. `thrift`, when set, says what is kept of
    rows that are offered. `rescue`, when set, is asked to make room when there is none; whether it did.
    """

    def __init__(
        self, connection: aiosqlite.Connection, path: Path, clock: Clock, capacity: int, patience: float
    ) -> None:
        self.on_commit: Callable[[Sequence[Row]], None] | None = None
        self.redact: Callable[[Row], Row] | None = None
        self.thrift: Thrift | None = None
        self.rescue: Callable[[aiosqlite.Connection, Exception], Awaitable[bool]] | None = None
        self._connection = connection
        self._path = path
        self._watch = FileWatch(path)
        self._clock = clock
        self._capacity = capacity
        self._patience = patience
        self._tables = Tables()
        self.watermark = self._tables.watermark
        self.courtesy = self._tables.courtesy
        self._urgent: deque[Entry] = deque()
        self._relaxed: deque[Entry] = deque()
        self._jobs: deque[Callable[[], Coroutine[Any, Any, None]]] = deque()
        self._queued = 0
        self._losses = Losses(clock)
        self._last_commit_at: float | None = None
        self._last_error = ""
        self._something = asyncio.Event()
        self._hurry = asyncio.Event()
        self._failures = 0
        self._closing = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, path: Path, clock: Clock, *, capacity: int = CAPACITY, patience: float = PATIENCE
    ) -> Writer:
        """Start writing to a file made ready by `migrations.prepare`.

        Args:
            path: the database.
            clock: paces the batches.
            capacity: records that may wait; beyond it `offer` drops.
            patience: seconds to wait for a program that holds the file locked.
        """
        connection = await connect_writer(path, _busy_timeout(patience))
        try:
            writer = cls(connection, path, clock, capacity, patience)
            await in_its_thread(connection, writer._tables.load)
        except BaseException:
            await connection.close()
            raise
        writer._task = asyncio.create_task(writer._run(), name="store-writer")
        writer._task.add_done_callback(writer._ended)
        return writer

    @property
    def queued(self) -> int:
        """Records that wait to be written."""
        return self._queued

    @property
    def dropped(self) -> int:
        """Records lost since the start: no room in the queue, or the file refused them; the log says why."""
        return self._losses.total

    @property
    def dropped_by_kind(self) -> Mapping[str, int]:
        """The same, apart by what they were."""
        return dict(self._losses.by_kind)

    @property
    def last_commit_at(self) -> float | None:
        """Wall time of the newest commit, None before the first."""
        return self._last_commit_at

    @property
    def last_error(self) -> str:
        """Why the newest batch failed; empty when it did not."""
        return self._last_error

    def offer(self, *rows: Row) -> bool:
        """Queue rows, stored together within a batch; False, and counted, when there is no room."""
        rows = self._redacted(rows)
        if self.thrift is not None:
            rows = self._spared(rows, self.thrift)
        weight = weigh(rows)
        if self._closing or self._queued + weight > self._capacity:
            self._losses.add(tally(rows), "too many wait to be written")
            self._something.set()
            return False
        self._relaxed.append(Entry(rows, weight))
        self._queued += weight
        self._something.set()
        if self._queued >= BATCH_RECORDS:
            self._hurry.set()
        return True

    async def must(self, *rows: Row) -> None:
        """Store rows in one transaction; durable when it returns. They overtake what was offered.

        A caller that is cancelled stops waiting; its rows are stored all the same.

        Raises:
            StoreError: none of the rows was stored.
        """
        rows = self._redacted(rows)
        await self._await_entry(
            Entry(rows, weigh(rows), asyncio.get_running_loop().create_future()), self._urgent
        )

    def _redacted(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        return rows if self.redact is None else tuple(map(self.redact, rows))

    def _spared(self, rows: tuple[Row, ...], thrift: Thrift) -> tuple[Row, ...]:
        """What is kept of `rows`; the rest is counted."""
        kept = thrift.spare(rows)
        self._losses.add(tally(rows) - tally(kept), thrift.reason)
        return kept

    async def flush(self) -> None:
        """Return when everything offered so far is committed, or dropped and counted.

        Raises:
            StoreError: the file cannot be written now.
        """
        await self._await_entry(Entry((), 0, asyncio.get_running_loop().create_future()), self._relaxed)

    async def run(self, job: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        """Let `job` use the connection between two batches, for upkeep; it must be short.

        Raises:
            StoreError: what SQLite said about it.
        """
        reply: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def perform() -> None:
            try:
                result = await job(self._connection)
            except Exception as error:  # noqa: BLE001 - border: upkeep must not stop the writing
                if not reply.done():
                    failure = report(error, self._path)
                    failure.__cause__ = error
                    reply.set_exception(failure)
            else:
                if not reply.done():
                    reply.set_result(result)

        if self._closing:
            raise StoreError(f"{self._path} is closed")
        self._jobs.append(perform)
        self._wake()
        return await reply

    async def close(self) -> None:
        """Commit what waits, empty the write-ahead log, mark the end as clean. Harmless twice."""
        if self._closed:
            return
        self._closed = self._closing = True
        self._wake()
        try:
            if self._task is not None:
                await asyncio.wait({self._task})
            await self._mark_clean()
        finally:
            await self._connection.close()

    def _wake(self) -> None:
        self._something.set()
        self._hurry.set()

    async def _await_entry(self, entry: Entry, queue: deque[Entry]) -> None:
        if self._closing:
            raise StoreError(f"{self._path} is closed")
        assert entry.reply is not None
        queue.append(entry)
        self._queued += entry.weight
        self._wake()
        await entry.reply

    async def _run(self) -> None:
        while not (self._closing and self._is_idle()):
            await self._wait()
            await self._store_batch(self._take())
            if self._jobs:
                await self._jobs.popleft()()
        if (account := self._account(at_once=True)) is not None:
            await self._store([account])

    def _ended(self, _: asyncio.Task[None]) -> None:
        """Nothing is written any more, for whatever reason: let nobody wait for it."""
        self._closing = True
        if left := self._drain():
            self._fail_all(left, StoreError(f"{self._path}: the writer has stopped"))

    def _is_idle(self) -> bool:
        return not (self._urgent or self._relaxed or self._jobs)

    async def _wait(self) -> None:
        """Until there is a reason to commit: somebody waits, much is queued, or 250 ms have passed."""
        await self._something.wait()
        if not self._hurry.is_set():
            waits = [
                asyncio.ensure_future(self._clock.sleep(BATCH_INTERVAL)),
                asyncio.ensure_future(self._hurry.wait()),
            ]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    def _take(self) -> list[Entry]:
        """The next batch; while something is left, the next one does not wait."""
        entries: list[Entry] = []
        room = BATCH_RECORDS
        for queue in (self._urgent, self._relaxed):
            while queue and room > 0:
                entries.append(queue.popleft())
                room -= entries[-1].weight
        if (account := self._account()) is not None:
            entries.append(account)
        if self._is_idle() and not self._closing:
            self._something.clear()
            self._hurry.clear()
        return entries

    def _account(self, *, at_once: bool = False) -> Entry | None:
        """The log lines about what was lost, when it is time for them."""
        account = self._losses.account(at_once=at_once)
        if not account:
            return None
        rows = self._losses.lines(account)
        self._queued += len(rows)
        return Entry(rows, len(rows), account=account)

    def _drain(self) -> list[Entry]:
        """Everything that still waits, taken from the queues."""
        entries = [*self._urgent, *self._relaxed]
        self._urgent.clear()
        self._relaxed.clear()
        return entries

    async def _store_batch(self, entries: list[Entry]) -> None:
        failures = self._failures
        await self._store(entries)
        if failures == self._failures and any(entry.rows for entry in entries):
            self._last_error = ""

    async def _store(self, entries: list[Entry]) -> None:
        """Commit `entries` together; when that fails, save what can be saved."""
        rows = [row for entry in entries for row in entry.rows]
        try:
            left_out = await self._commit(rows)
        except Exception as error:  # noqa: BLE001 - border: whatever a batch does, the writer goes on
            self._tables.forget()
            await self._salvage(entries, error)
            return
        self._tables.keep()
        self._losses.add({"points": left_out}, f"there are more than {SERIES_LIMIT:,} series")
        if rows:
            self._last_commit_at = self._clock.now()
            if self.on_commit:
                asyncio.get_running_loop().call_soon(self.on_commit, rows)
        for entry in entries:
            self._queued -= entry.weight
            entry.stored()

    async def _salvage(self, entries: list[Entry], error: Exception) -> None:
        """Halving finds a bad row; in a bad place the awaited rows get one more try, without the others."""
        code = primary_code(error)
        awaited = [entry for entry in entries if entry.reply]
        offered = [entry for entry in entries if not entry.reply]
        if code == sqlite3.SQLITE_BUSY:
            if self._closing:
                entries += self._drain()
            else:
                entries = awaited
                self._requeue(offered)
        elif not is_about_place(error) and len(entries) > 1:
            middle = len(entries) // 2
            await self._store(entries[:middle])
            await self._store(entries[middle:])
            return
        elif code in _NO_ROOM and self.rescue and await self.rescue(self._connection, error):
            await self._store([self._reduced(entry) for entry in entries])
            return
        elif awaited and offered:
            await self._store(awaited)
            entries = offered
        self._fail_all(entries, report(error, self._path))

    def _reduced(self, entry: Entry) -> Entry:
        """Without what is not kept at the moment, when nobody waits for it."""
        if self.thrift is not None and entry.reply is None and not entry.account:
            self._queued -= entry.weight
            entry.rows = self._spared(entry.rows, self.thrift)
            entry.weight = weigh(entry.rows)
            self._queued += entry.weight
        return entry

    def _requeue(self, entries: list[Entry]) -> None:
        self._relaxed.extendleft(reversed(entries))
        self._something.set()

    def _fail_all(self, entries: list[Entry], error: StoreError) -> None:
        for entry in entries:
            self._queued -= entry.weight
            entry.failed(error, self._losses)
        self._something.set()
        self._failures += 1
        self._last_error = error.message

    async def _commit(self, rows: list[Row]) -> int:
        """One durable transaction, tried again while another program holds the lock.

        Returns:
            How many points were left out because there are too many series.
        """
        if not rows:
            return 0
        waited = 0.0
        while True:
            try:
                self._watch.check()
                return await in_its_thread(
                    self._connection, partial(in_transaction, job=partial(self._tables.apply, rows=rows))
                )
            except sqlite3.OperationalError as error:
                self._tables.forget()
                waited += _busy_timeout(self._patience)
                patience = min(self._patience, _CLOSING_PATIENCE) if self._closing else self._patience
                if primary_code(error) != sqlite3.SQLITE_BUSY or waited >= patience:
                    raise
                self._last_error = report(error, self._path).message

    async def _mark_clean(self) -> None:
        try:
            await self._connection.execute_fetchall("INSERT OR REPLACE INTO meta VALUES ('clean', 1)")
            await empty(self._connection)
        except sqlite3.Error as error:
            # The next start then checks the file, which is all that is lost.
            self._last_error = report(error, self._path).message


def _busy_timeout(patience: float) -> float:
    """Seconds SQLite itself waits for a lock, before the writer counts a try."""
    return min(1.0, patience)
