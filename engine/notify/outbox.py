"""Delivers what is queued, at least once per channel, and writes a receipt for each message.

A row is written `sending` before the attempt and `sent`, `queued` or `dead` after it; whatever happens in
between, the row is in the file and is tried again. Channels are served side by side; on each, messages go
out one by one as they fall due, and those about one alert never overtake each other.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.errors import NotFoundError, StoreError
from engine.model import AlertEventKind, LogLevel, LogRecord, Notification, NotificationState, Topic
from engine.notify.channels import AppriseSender, Sender
from engine.store.store import Store
from engine.text import own_words, plain

if TYPE_CHECKING:
    from engine.config.schema import Channel

POLL_INTERVAL = 15.0
FIRST_DELAY = 10.0
MAX_DELAY = 3600.0
JITTER = 0.1
GIVE_UP_AFTER = 86_400.0
LEAST_TRIES = 3
MAX_PARALLEL = 8
BATCH = 100
MAX_IN_HAND = 2_000
RECEIPT_DELAY = 5.0
DEAD_WINDOW = 3_600.0


class Outbox:
    """Sends queued notifications until cancelled.

    Args:
        channels: the configured destinations; rows for others are given up at once.
        changed: told after every receipt.
        log: where messages given up are reported.
        sender: the way out; apprise unless a test says otherwise.
    """

    def __init__(
        self,
        *,
        channels: Mapping[str, Channel],
        store: Store,
        clock: Clock,
        changed: Callable[[Topic], None],
        log: Callable[[LogRecord], None],
        sender: Sender | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._channels = channels
        self._store = store
        self._clock = clock
        self._changed = changed
        self._log = log
        self._sender = sender or AppriseSender()
        self._rng = rng or random.Random()
        self._poked = asyncio.Event()
        self._slots = asyncio.Semaphore(MAX_PARALLEL)
        self._queues: dict[str, deque[Notification]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._in_hand: set[str] = set()
        self._failing: set[str] = set()
        self._deaths: deque[float] = deque(maxlen=1_000)

    @property
    def recent_deaths(self) -> int:
        """Messages given up within the last hour, since the start (at most 1,000)."""
        return sum(at > self._clock.now() - DEAD_WINDOW for at in self._deaths)

    def poke(self) -> None:
        """Something was queued; look at once."""
        self._poked.set()

    async def run(self) -> None:
        """Deliver until cancelled. Messages that were waiting for another try are tried at once."""
        await self._hurry(None)
        while True:
            self._poked.clear()
            await self._sweep()
            await self._wait()

    async def close(self, grace: float = 2.0) -> None:
        """Let sends under way finish within `grace` seconds; the others stay in the file."""
        self._queues.clear()
        workers = list(self._workers.values())
        if not workers:
            return
        _, late = await asyncio.wait(workers, timeout=grace)
        for worker in late:
            worker.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _wait(self) -> None:
        """Until poked, or the poll interval has passed."""
        waits = [
            asyncio.ensure_future(self._poked.wait()),
            asyncio.ensure_future(self._clock.sleep(POLL_INTERVAL)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _sweep(self) -> None:
        """Hand what is due to the workers of its channels, oldest first."""
        # What was in hand when the read began may be done when it ends: the read then shows an older state.
        before = frozenset(self._in_hand)
        limit = min(len(before) + BATCH, MAX_IN_HAND)
        for row in await self._store.reader.due_notifications(self._clock.now(), limit):
            if row.key in before:
                continue
            self._in_hand.add(row.key)
            self._queues.setdefault(row.channel, deque()).append(row)
            if row.channel not in self._workers:
                worker = asyncio.create_task(self._serve(row.channel), name=f"notify-{row.channel}")
                self._workers[row.channel] = worker

    async def _serve(self, channel: str) -> None:
        """Send what is in hand for one channel, in order, until nothing is left."""
        try:
            while queue := self._queues.get(channel):
                row = queue.popleft()
                try:
                    await self._handle(row)
                finally:
                    self._in_hand.discard(row.key)
        except StoreError as error:
            self._report(LogLevel.ERROR, f"notifications to {channel} wait for the store: {error.message}")
        finally:
            for row in self._queues.pop(channel, ()):
                self._in_hand.discard(row.key)
            del self._workers[channel]

    async def _handle(self, row: Notification) -> None:
        destination = self._channels.get(row.channel)
        if destination is None:
            await self._receipt(self._dead(row, "its channel is no longer configured"))
            return
        earlier = await self._told_before(row)
        blocker = next((other for other in earlier if self._waits(other)), None)
        if blocker is not None:
            await self._store.writer.must(replace(row, next_at=blocker.next_at))
            return
        if row.transition is AlertEventKind.RESOLVED and _never_told(earlier):
            await self._receipt(self._dead(row, "the channel never heard of the alert"))
            return
        async with self._slots:
            await self._attempt(row, destination)

    async def _attempt(self, row: Notification, destination: Channel) -> None:
        claimed = replace(row, state=NotificationState.SENDING, tries=row.tries + 1)
        await self._store.writer.must(claimed)
        started = self._clock.monotonic()
        try:
            await self._sender.send(row.channel, destination.url, row.title, row.body, row.key)
        except Exception as error:  # noqa: BLE001 - border: whatever the way out throws is a failed delivery
            await self._failed(claimed, own_words(error))
            return
        sent = replace(
            claimed,
            state=NotificationState.SENT,
            sent_at=self._clock.now(),
            latency=self._clock.monotonic() - started,
            error="",
        )
        await self._receipt(sent)
        if row.channel in self._failing:
            self._failing.discard(row.channel)
            await self._hurry(row.channel)

    async def _failed(self, row: Notification, error: str) -> None:
        """One failure stands for all that wait in hand for the channel: they are put off with it."""
        self._failing.add(row.channel)
        waiting = self._queues.get(row.channel, deque())
        rows = [row, *(replace(other, tries=other.tries + 1) for other in waiting)]
        waiting.clear()
        await self._receipt(*(self._put_off(other, error) for other in rows))
        self._in_hand -= {other.key for other in rows}

    def _put_off(self, row: Notification, error: str) -> Notification:
        """The row for its next try, or given up after 24 hours."""
        error = plain(error)
        now = self._clock.now()
        if now - row.created_at >= GIVE_UP_AFTER and row.tries >= LEAST_TRIES:
            return self._dead(row, error)
        delay = min(FIRST_DELAY * 2 ** min(row.tries - 1, 20), MAX_DELAY)
        delay *= self._rng.uniform(1 - JITTER, 1 + JITTER)
        return replace(row, state=NotificationState.QUEUED, next_at=now + delay, error=error)

    def _dead(self, row: Notification, error: str) -> Notification:
        self._deaths.append(self._clock.now())
        told = f"gave up telling {row.channel} of alert {row.alert_id} ({row.transition}): {error}"
        self._report(LogLevel.ERROR, told)
        return replace(row, state=NotificationState.DEAD, error=error)

    async def _receipt(self, *rows: Notification) -> None:
        """Write what became of messages. A store that cannot is asked again: the channel waits for it."""
        while True:
            try:
                await self._store.writer.must(*rows)
            except StoreError as error:
                self._report(LogLevel.ERROR, f"a receipt could not be written: {error.message}")
                await self._clock.sleep(RECEIPT_DELAY)
            else:
                self._changed(Topic.NOTIFICATIONS)
                return

    async def _told_before(self, row: Notification) -> list[Notification]:
        """The messages about the same alert that were queued for this channel before `row`."""
        if row.transition is AlertEventKind.FIRED:
            return []
        try:
            detail = await self._store.reader.alert(row.alert_id)
        except NotFoundError:
            return []
        before = takewhile(lambda other: other.key != row.key, detail.notifications)
        return [other for other in before if other.channel == row.channel]

    def _waits(self, row: Notification) -> bool:
        return row.state is NotificationState.QUEUED and row.next_at > self._clock.now()

    async def _hurry(self, channel: str | None) -> None:
        """Make messages that wait for their next try due now: those of `channel`, or all."""
        now = self._clock.now()
        rows = await self._store.reader.due_notifications(now + 2 * MAX_DELAY, MAX_IN_HAND)
        waiting = [row for row in rows if row.next_at > now and channel in (None, row.channel)]
        if waiting:
            await self._store.writer.must(*(replace(row, next_at=now) for row in waiting))
            self.poke()

    def _report(self, level: LogLevel, message: str) -> None:
        self._log(LogRecord(at=self._clock.now(), level=level, message=plain(message)))


def _never_told(earlier: list[Notification]) -> bool:
    """Everything said before was given up: an end without a beginning would only puzzle."""
    return bool(earlier) and all(row.state is NotificationState.DEAD for row in earlier)
