"""Delivers what is queued, at least once per channel, and writes a receipt for each row.

A row is written `sending` before the attempt and `sent`, `queued`, `moved` or `dead` after it; whatever
happens in between, the row is in the file and is tried again. Channels are served side by side; on each,
messages go out one by one as they fall due, and those about one alert never overtake each other.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.errors import StoreError
from engine.model import AlertEventKind, LogLevel, LogRecord, Notification, NotificationState, Topic
from engine.notify import letters
from engine.notify.channels import Deliverer
from engine.notify.delivery import Message, Sender
from engine.notify.failing import Refusal, refusal_of
from engine.notify.grouping import Groups
from engine.notify.letters import Letters
from engine.notify.setbacks import Setbacks, dissolved
from engine.notify.storm import StormGuard
from engine.store.store import Store
from engine.text import counted, plain

if TYPE_CHECKING:
    from engine.config.schema import Channel

Remind = Callable[[str, str, Sequence[int]], Awaitable[Sequence[int]]]
"""Channel, group and alerts in; those of them that have ended out."""

POLL_INTERVAL = 15.0
MAX_PARALLEL = 8
BATCH = 100
MAX_IN_HAND = 2_000
RECEIPT_DELAY = 5.0
DEAD_WINDOW = 3_600.0
CLOCK_STEP = 5.0


class Outbox:
    """Sends queued notifications until cancelled.

    Args:
        channels: the configured destinations; rows for others are given up at once.
        changed: told after every receipt.
        log: where messages given up are reported.
        sender: the way out; to channels of all kinds unless a test says otherwise.

    `remind`, when set, queues what reminds a channel of a group's alerts, and returns those that have ended.
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
        self.remind: Remind = _nobody
        self._channels = channels
        self._store = store
        self._letters = Letters(store.reader.pool)
        self._clock = clock
        self._changed = changed
        self._log = log
        self._sender = sender or Deliverer(clock, log)
        self._setbacks = Setbacks(channels, rng or random.Random())
        self._groups = Groups(clock.now())
        self._guard = StormGuard(_limits(channels))
        self._offset = clock.now() - clock.monotonic()
        self._poked = asyncio.Event()
        self._slots = asyncio.Semaphore(MAX_PARALLEL)
        self._queues: dict[str, deque[Notification]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._in_hand: set[str] = set()
        self._touched: set[str] = set()
        self._renewed: set[str] = set()
        self._looked_at: float | None = None

    @property
    def recent_deaths(self) -> int:
        """Messages given up within the last hour, since the start (at most 1,000)."""
        return self._setbacks.deaths_since(self._clock.now() - DEAD_WINDOW)

    @property
    def looked_at(self) -> float | None:
        """Monotonic time at which it last looked for work; None before the first time."""
        return self._looked_at

    def poke(self) -> None:
        """Something was queued; look at once."""
        self._poked.set()

    def adopt(self, channels: Mapping[str, Channel]) -> None:
        """Go by another configuration from now on.

        What waits for another try is tried at once on channels that are others now; what waits for any
        reason is given up at once for those that are gone.
        """
        self._renewed |= {name for name, known in self._channels.items() if channels.get(name) != known}
        self._channels = channels
        self._guard.adopt(_limits(channels))
        self._setbacks.adopt(channels)
        self.poke()

    async def retry(self, key: str) -> Notification:
        """Queue a message that was given up once more. Raises NotFoundError, ConflictError, StoreError."""
        row = await letters.revived(self._store.reader.pool, key, self._clock.now())
        await self._receipt(row)
        self.poke()
        return row

    async def run(self) -> None:
        """Deliver until cancelled. Messages that were waiting for another try are tried at once."""
        await self._hurry(None, ())
        for channel, group, alert_id, at in await self._letters.groups_told():
            self._groups.restore(channel, group, alert_id, at, self._clock.now())
        while True:
            self._poked.clear()
            # What is in hand when a read begins may be done when it ends: the read then shows an older state.
            self._touched = set(self._in_hand)
            while self._renewed:
                await self._hurry(self._renewed.pop(), self._touched)
            await self._notice_clock()
            now, looked_at = self._clock.now(), self._clock.monotonic()
            await self._remind(now)
            await self._sweep(now)
            self._looked_at = looked_at
            await self._wait(now)

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

    async def _wait(self, looked_at: float) -> None:
        """Until poked, something falls due that was not at `looked_at`, or the poll interval has passed."""
        due = min(await self._letters.next_due(looked_at), self._groups.next_reminder())
        now = self._clock.now()
        waits = [
            asyncio.ensure_future(self._poked.wait()),
            asyncio.ensure_future(self._clock.sleep(min(max(due - now, 0.0), POLL_INTERVAL))),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _notice_clock(self) -> None:
        """When the wall clock was set, waits end now rather than at a time that means something else."""
        offset = self._clock.now() - self._clock.monotonic()
        step, self._offset = offset - self._offset, offset
        if abs(step) > CLOCK_STEP:
            self._groups.shift(step)
            self._setbacks.shift(step)
            await self._hurry(None, self._touched)

    async def _remind(self, now: float) -> None:
        """Queue reminders for the groups in which something has been firing for so long."""
        for channel, group, alert_ids in tuple(self._groups.reminders(now)):
            self._groups.gone(channel, group, await self.remind(channel, group, alert_ids), now)

    async def _sweep(self, now: float) -> None:
        """Hand what is due to the workers of its channels, oldest first."""
        limit = min(len(self._in_hand) + BATCH, MAX_IN_HAND)
        rows = await self._store.reader.due_notifications(now, limit)
        later = []
        fresh = [row for row in rows if row.key not in self._touched]
        for row in fresh:
            due = self._groups.arrives(row, now) if _joins(row) and row.channel in self._channels else now
            if due > now:
                later.append(replace(row, next_at=due))
            else:
                self._hand(row)
        if later:
            await self._store.writer.must(*later)
        if len(rows) == limit and fresh:
            self.poke()

    def _hand(self, row: Notification) -> None:
        self._in_hand.add(row.key)
        self._queues.setdefault(row.channel, deque()).append(row)
        if row.channel not in self._workers:
            worker = asyncio.create_task(self._serve(row.channel), name=f"notify-{row.channel}")
            self._workers[row.channel] = worker

    async def _serve(self, channel: str) -> None:
        """Send what is in hand for one channel, in order, until nothing is left."""
        taken: set[str] = set()
        try:
            while queue := self._queues.get(channel):
                row = queue.popleft()
                taken = {row.key}
                await self._handle(row, taken)
                self._in_hand -= taken
        except StoreError as error:
            self._report(LogLevel.ERROR, f"notifications to {channel} wait for the store: {error.message}")
        else:
            # What was put off while it was in hand was passed over by whoever looked meanwhile.
            self.poke()
        finally:
            self._in_hand -= taken | {row.key for row in self._queues.pop(channel, ())}
            del self._workers[channel]

    async def _handle(self, row: Notification, taken: set[str]) -> None:
        """Settle what `row` leaves with; its keys are added to `taken`."""
        channel, now = row.channel, self._clock.now()
        if channel not in self._channels:
            await self._settle(self._setbacks.orphaned(row, now))
            return
        rest = self._setbacks.rests_until(channel, now)
        if rest is not None:
            await self._store.writer.must(replace(row, next_at=rest))
            return
        monotonic = self._clock.monotonic()
        closed = self._guard.closed_until(channel, monotonic)
        if closed is not None:
            await self._hold(row, now + closed - monotonic)
            return
        rows = await self._companions(row)
        self._take(channel, rows, taken)
        if rows:
            rows = await self._sorted(rows)
        if rows:
            async with self._slots:
                await self._attempt(rows, self._channels[channel])
        elif row.group and not row.message:
            self._groups.had_nothing(channel, row.group, now)
            self.poke()

    async def _companions(self, row: Notification) -> Sequence[Notification]:
        """What leaves together with `row`: its old message again, what a storm held up, its group, itself."""
        channel = row.channel
        if row.message:
            return await self._letters.of_message(channel, row.message)
        if self._guard.gathers(channel):
            return await self._letters.waiting(channel, due=self._clock.now())
        if row.group:
            now = self._clock.now()
            self._groups.looked(channel, row.group, now)
            return await self._letters.waiting(channel, group=row.group)
        return (row,)

    def _take(self, channel: str, rows: Iterable[Notification], taken: set[str]) -> None:
        """These are dealt with now: they are in hand, and in the queue no more."""
        taken |= {row.key for row in rows}
        self._in_hand |= taken
        self._touched |= taken
        queue = self._queues.get(channel, deque())
        for row in tuple(queue):
            if row.key in taken:
                queue.remove(row)

    async def _sorted(self, rows: Sequence[Notification]) -> Sequence[Notification]:
        """What of `rows` is to be told; what became of the others is written."""
        sorting = await self._letters.sorted(rows, self._clock.now())
        if sorting.changed:
            decisions = await self._letters.collapses(sorting.collapsed, self._clock.now())
            await self._store.writer.must(*sorting.changed, *decisions)
        if sorting.settled:
            self._changed(Topic.NOTIFICATIONS)
        if sorting.added:
            self.poke()
        return sorting.send

    async def _attempt(self, rows: Sequence[Notification], destination: Channel) -> None:
        channel, key = rows[0].channel, letters.message_key(rows)
        state = NotificationState.SENDING
        claimed = tuple(replace(row, state=state, tries=row.tries + 1, message=key) for row in rows)
        await self._store.writer.must(*claimed)
        started = self._clock.monotonic()
        try:
            await self._sender.send(channel, destination, Message(key, *letters.worded(rows), claimed))
        except Exception as error:  # noqa: BLE001 - border: whatever the way out throws is a failed delivery
            await self._failed(rows, claimed, refusal_of(error))
            return
        now, latency = self._clock.now(), self._clock.monotonic() - started
        self._groups.told(rows, now)
        self._guard.sent(channel, self._clock.monotonic())
        state = NotificationState.SENT
        await self._receipt(
            *(replace(it, state=state, sent_at=now, latency=latency, error="") for it in claimed)
        )
        if self._setbacks.recovered(channel):
            await self._hurry(channel, ())

    async def _failed(
        self, rows: Sequence[Notification], claimed: Sequence[Notification], refusal: Refusal
    ) -> None:
        """Write what becomes of a message that was not taken.

        One failure stands for all that wait in hand for the channel, which are put off with it; a refusal for
        good is about this message alone, and about its rows together: they are tried one by one then.
        """
        channel, now = rows[0].channel, self._clock.now()
        claimed = dissolved(claimed, rows, refusal)
        if refusal.permanent and len(claimed) > 1:
            self._guard.disperse(channel)
            claimed = [replace(row, group="", message="") for row in claimed]
            refusal = replace(refusal, permanent=False)
        others = [] if refusal.permanent else list(self._queues.get(channel, ()))
        if others:
            self._queues[channel].clear()
        tried = [*claimed, *(replace(row, tries=row.tries + 1) for row in others)]
        await self._settle(*self._setbacks.after(tried, refusal, now))
        self._in_hand -= {row.key for row in others}

    async def _settle(self, *rows: Notification) -> None:
        """Write what became of rows that were not told: those handed on bring forth their stand-ins."""
        channel = rows[0].channel
        moved = [row for row in rows if row.state is NotificationState.MOVED]
        added: Sequence[Notification] = ()
        if moved:
            fallback = self._channels[channel].fallback or ""
            added = await self._letters.stand_ins(moved, fallback, self._clock.now())
            what = counted(len(moved), "message")
            self._report(LogLevel.WARNING, f"{channel} keeps failing: handed {what} on to {fallback}")
        for row in rows:
            if row.state is NotificationState.DEAD:
                what = f"alert {row.alert_id} ({row.transition})"
                self._report(LogLevel.ERROR, f"gave up telling {channel} of {what}: {row.error}")
        await self._receipt(*rows, *added)
        if added:
            self.poke()

    async def _hold(self, row: Notification, until: float) -> None:
        """A storm: what is in hand for the channel waits, and leaves together."""
        channel = row.channel
        rows = [row, *self._queues.get(channel, ())]
        self._queues.get(channel, deque()).clear()
        fresh = [each for each in rows if each.next_at < until - 1]
        limit = self._guard.limit(channel)
        decisions = await self._letters.storm(fresh, limit, until, self._clock.now())
        await self._store.writer.must(*(letters.held(each, limit, until) for each in rows), *decisions)
        self._in_hand -= {each.key for each in rows}
        if self._guard.is_news(channel):
            what = f"more than {counted(limit, 'message')} a minute to {channel}: the others leave as one"
            self._report(LogLevel.WARNING, what)

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

    async def _hurry(self, channel: str | None, but: Collection[str]) -> None:
        """Make what waits for another try on `channel`, or all that waits, due now, but for some keys.

        Of a channel that is gone it is everything: there is nothing left to wait for.
        """
        now, is_gone = self._clock.now(), channel not in self._channels
        rows = await self._store.reader.due_notifications(float("inf"), MAX_IN_HAND)
        later = (row for row in rows if row.next_at > now and row.key not in but)
        waiting = [
            row for row in later if channel is None or (row.channel == channel and (row.tries or is_gone))
        ]
        if waiting:
            await self._store.writer.must(*(replace(row, next_at=now) for row in waiting))
            self.poke()

    def _report(self, level: LogLevel, message: str) -> None:
        self._log(LogRecord(at=self._clock.now(), level=level, message=plain(message)))


async def _nobody(channel: str, group: str, alert_ids: Sequence[int]) -> tuple[int, ...]:
    return ()


def _joins(row: Notification) -> bool:
    """Whether it waits for its group; a reminder and another try do not."""
    return bool(row.group) and not row.tries and row.transition is not AlertEventKind.REMINDED


def _limits(channels: Mapping[str, Channel]) -> dict[str, int]:
    return {name: channel.rate_limit for name, channel in channels.items()}
