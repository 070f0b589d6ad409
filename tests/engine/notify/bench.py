"""An outbox on a real store, with a virtual clock and a sender that does as it is told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.clock import VirtualClock
from engine.config.schema import Channel
from engine.model import (
    Alert,
    AlertEventKind,
    AlertState,
    LogRecord,
    Notification,
    Severity,
    Topic,
)
from engine.notify.channels import DeliveryError
from engine.notify.outbox import Outbox
from engine.store.store import Store

HOUR = 3_600.0
PATIENCE = 20.0


@dataclass
class FakeSender:
    """Takes or refuses by channel; `gates` hold a channel's messages until opened."""

    refused: dict[str, str] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    tried: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    busy: int = 0
    busiest: int = 0

    async def send(self, channel: str, url: str, title: str, body: str, key: str) -> None:
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        self.tried.put_nowait(key)
        try:
            if channel in self.gates:
                await self.gates[channel].wait()
            if channel in self.refused:
                raise DeliveryError(self.refused[channel])
            self.taken.append(key)
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

    async def queue(self, *rows: Notification) -> None:
        await self.store.writer.must(*(replace(row, created_at=self.clock.now()) for row in rows))
        self.outbox.poke()

    async def row(self, key: str) -> Notification:
        return next(row for row in await self.store.reader.notifications() if row.key == key)

    async def receipt(self, count: int = 1) -> None:
        """Wait until `count` more receipts are in the file."""
        for _ in range(count):
            await asyncio.wait_for(self.receipts.get(), PATIENCE)

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


@asynccontextmanager
async def open_bench(path: Path, *channels: str, running: bool = True) -> AsyncIterator[Bench]:
    clock = VirtualClock()
    store = await Store.open(path, clock)
    sender, logs = FakeSender(), list[LogRecord]()
    receipts: asyncio.Queue[Topic] = asyncio.Queue()
    outbox = Outbox(
        channels={name: Channel(url=f"json://{name}.invalid/") for name in channels or ("ops",)},
        store=store,
        clock=clock,
        changed=receipts.put_nowait,
        log=logs.append,
        sender=sender,
        rng=random.Random(7),
    )
    task = asyncio.create_task(outbox.run()) if running else None
    try:
        yield Bench(store, clock, sender, outbox, receipts, logs)
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await outbox.close(0.1)
        await store.close()
