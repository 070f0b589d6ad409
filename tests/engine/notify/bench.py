"""An outbox on a real store, with a virtual clock and a sender that does as it is told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.clock import VirtualClock
from engine.config.schema import Channel
from engine.model import (
    Alert,
    AlertEventKind,
    AlertState,
    LogRecord,
    Notification,
    NotificationState,
    Severity,
    Topic,
)
from engine.notify.delivery import DeliveryError, Message
from engine.notify.outbox import Outbox
from engine.store import outgoing
from engine.store.store import Store

HOUR = 3_600.0
PATIENCE = 60.0
MOMENT = 0.005
"""Seconds after which what is under way is looked at again, if nothing was stored by then."""


@dataclass
class FakeSender:
    """Takes or refuses by channel; `gates` hold a channel's messages until opened.

    `refused` leaves open whether the message was taken, `faults` are raised as they are.
    """

    refused: dict[str, str] = field(default_factory=dict)
    faults: dict[str, DeliveryError] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    tried: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    busy: int = 0
    busiest: int = 0

    async def send(self, channel: str, destination: Channel, message: Message) -> None:
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        self.tried.put_nowait(message.key)
        try:
            if channel in self.gates:
                await self.gates[channel].wait()
            if channel in self.refused:
                raise DeliveryError(self.refused[channel])
            if channel in self.faults:
                raise self.faults[channel]
            self.taken.append(message.key)
            self.messages.append(message)
        finally:
            self.busy -= 1


@dataclass
class Bench:
    store: Store
    clock: VirtualClock
    sender: FakeSender
    outbox: Outbox
    receipts: asyncio.Queue[Topic]
    logs: list[LogRecord]
    running: asyncio.Task[None] | None = None
    stored: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.store.writer.on_commit = lambda _: self.stored.set()

    async def queue(self, *rows: Notification) -> None:
        await self.store.writer.must(*(replace(row, created_at=self.clock.now()) for row in rows))
        self.outbox.poke()

    async def row(self, key: str) -> Notification:
        return next(row for row in await self.store.reader.notifications() if row.key == key)

    async def receipt(self, count: int = 1) -> None:
        """Wait until `count` more receipts are in the file."""
        for _ in range(count):
            await asyncio.wait_for(self.receipts.get(), PATIENCE)

    async def idle(self) -> None:
        """Wait until nothing that is due now is left to be dealt with."""
        self.outbox.poke()
        try:
            async with asyncio.timeout(PATIENCE):
                while await self._is_busy():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.stored.wait(), MOMENT)
        except TimeoutError:
            rows = await self.store.reader.notifications()
            left = [(row.key, row.state, row.next_at - self.clock.now()) for row in rows]
            raise AssertionError(f"still busy: {left}, {self.logs}") from None

    async def _is_busy(self) -> bool:
        while self.outbox.looked_at != self.clock.monotonic():
            if self.running is not None and self.running.done():
                self.running.result()
            await asyncio.to_thread(lambda: None)
        self.stored.clear()
        rows = await self.store.reader.notifications(limit=10_000)
        busy = (NotificationState.QUEUED, NotificationState.SENDING)
        now = self.clock.now()
        return any(row.state in busy and row.next_at <= now for row in rows)

    async def remind(self, channel: str, group: str, alert_ids: Sequence[int]) -> tuple[int, ...]:
        """Reminds of what fires, as the file has it; the alert manager does so in an engine."""
        alerts = await outgoing.alerts(self.store.reader.pool, alert_ids)
        now = self.clock.now()
        for alert in alerts.values():
            if alert.state is AlertState.FIRING:
                raised = replace(alert, reminders=alert.reminders + 1)
                row = make_row(channel, alert.id, AlertEventKind.REMINDED)
                key = f"{row.key}:{raised.reminders}"
                await self.store.writer.must(raised, replace(row, key=key, group=group, created_at=now))
        over = {each for each, alert in alerts.items() if alert.state is AlertState.RESOLVED}
        return tuple(each for each in alert_ids if each in over or each not in alerts)

    async def until(self, seconds: float, step: float = 15.0) -> None:
        """Let time pass, `step` by `step`, and whatever falls due in it be dealt with."""
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            await self.clock.advance(min(step, end - self.clock.now()))
            await self.idle()

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        self.outbox.poke()


def make_row(
    channel: str = "ops", alert_id: int = 1, transition: AlertEventKind = AlertEventKind.FIRED
) -> Notification:
    return Notification(
        key=f"{alert_id}:{transition}:{channel}",
        alert_id=alert_id,
        channel=channel,
        transition=transition,
        severity=Severity.ERROR,
        title=f"title {alert_id}",
        body="body",
        created_at=0.0,
    )


def make_alert(alert_id: int = 1) -> Alert:
    return Alert(
        alert_id,
        f"r|{alert_id}",
        "r",
        "R",
        "s",
        Severity.ERROR,
        AlertState.FIRING,
        "m",
        0.0,
        0.0,
        fired_at=0.0,
    )


def make_channel(name: str = "ops", **settings: Any) -> Channel:
    return Channel.model_validate({"url": f"json://{name}.invalid/", "rate_limit": 1_000} | settings)


@asynccontextmanager
async def open_bench(
    path: Path, *channels: str, running: bool = True, configured: dict[str, Channel] | None = None
) -> AsyncIterator[Bench]:
    clock = VirtualClock()
    store = await Store.open(path, clock)
    sender, logs = FakeSender(), list[LogRecord]()
    receipts: asyncio.Queue[Topic] = asyncio.Queue()
    outbox = Outbox(
        channels=configured or {name: make_channel(name) for name in channels or ("ops",)},
        store=store,
        clock=clock,
        changed=receipts.put_nowait,
        log=logs.append,
        sender=sender,
        rng=random.Random(7),
    )
    bench = Bench(store, clock, sender, outbox, receipts, logs)
    outbox.remind = bench.remind
    task = bench.running = asyncio.create_task(outbox.run()) if running else None
    try:
        yield bench
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await outbox.close(0.1)
        await store.close()
