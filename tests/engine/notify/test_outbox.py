from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock, VirtualClock
from engine.config.schema import Channel
from engine.errors import StoreError
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
from engine.notify.channels import AppriseSender, DeliveryError
from engine.notify.outbox import MAX_PARALLEL, Outbox
from engine.store.store import Store
from tests.engine.notify.receiver import receiving

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


def _row(
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


def _alert(alert_id: int = 1) -> Alert:
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
async def _bench(path: Path, *channels: str, running: bool = True) -> AsyncIterator[Bench]:
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


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with _bench(tmp_path / "t.db", "ops", "good") as bench:
        yield bench


async def test_what_is_queued_is_sent_and_has_a_receipt(bench: Bench) -> None:
    await bench.queue(_row())
    await bench.receipt()
    row = await bench.row("1:fired:ops")
    assert (row.state, row.tries, row.error) == (NotificationState.SENT, 1, "")
    assert row.sent_at == bench.clock.now()
    assert row.latency == 0.0
    assert bench.sender.taken == ["1:fired:ops"]
    assert await bench.store.reader.pending_notifications() == (0, 0, None)


async def test_it_is_claimed_before_it_is_sent(bench: Bench) -> None:
    bench.sender.gates["ops"] = asyncio.Event()
    await bench.queue(_row())
    await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
    assert (await bench.row("1:fired:ops")).state is NotificationState.SENDING
    bench.sender.gates["ops"].set()
    await bench.receipt()
    assert (await bench.row("1:fired:ops")).state is NotificationState.SENT


async def test_what_nobody_announced_is_found_by_looking(bench: Bench) -> None:
    await bench.store.writer.must(_row())
    async with asyncio.timeout(PATIENCE):
        while bench.sender.tried.empty():
            await bench.clock.advance(15)
            await asyncio.to_thread(lambda: None)
    await bench.receipt()


async def test_one_failing_channel_does_not_hold_up_another(bench: Bench) -> None:
    bench.sender.refused["ops"] = "503 from ops"
    await bench.queue(_row(), _row("good"))
    await bench.receipt(2)
    failed = await bench.row("1:fired:ops")
    assert (failed.state, failed.tries, failed.error) == (NotificationState.QUEUED, 1, "503 from ops")
    assert 9 <= failed.next_at - bench.clock.now() <= 11
    assert bench.sender.taken == ["1:fired:good"]


async def test_a_channel_that_hangs_does_not_hold_up_another(bench: Bench) -> None:
    bench.sender.gates["ops"] = asyncio.Event()
    await bench.queue(*(_row("ops", number) for number in range(1, 150)))
    await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
    await bench.queue(_row("good", 500))
    await bench.receipt()
    assert bench.sender.taken == ["500:fired:good"]


async def test_a_channel_is_served_in_order(bench: Bench) -> None:
    await bench.queue(*(_row("ops", number) for number in range(1, 41)))
    await bench.receipt(40)
    assert bench.sender.taken == [f"{number}:fired:ops" for number in range(1, 41)]
    assert bench.sender.busiest == 1


async def test_channels_side_by_side_are_bounded(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(MAX_PARALLEL + 4)]
    async with _bench(tmp_path / "t.db", *names) as bench:
        gate = asyncio.Event()
        bench.sender.gates = dict.fromkeys(names, gate)
        await bench.queue(*(_row(name) for name in names))
        for _ in range(MAX_PARALLEL):
            await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
        gate.set()
        await bench.receipt(len(names))
        assert bench.sender.busiest == MAX_PARALLEL
        assert len(bench.sender.taken) == len(names)


async def test_it_is_tried_for_a_day_with_growing_delays_then_given_up_aloud(bench: Bench) -> None:
    bench.sender.refused["ops"] = "refused"
    await bench.queue(_row())
    delays = []
    while True:
        await bench.receipt()
        row = await bench.row("1:fired:ops")
        if row.state is NotificationState.DEAD:
            break
        delays.append(row.next_at - bench.clock.now())
        assert len(delays) < 60, "it must come to an end"
        await bench.pass_time(delays[-1])
    expected = [min(10 * 2**number, HOUR) for number in range(len(delays))]
    assert all(0.9 * want <= delay <= 1.1 * want for delay, want in zip(delays, expected, strict=True))
    assert len({round(delay / want, 6) for delay, want in zip(delays, expected, strict=True)}) > 5, "jitter"
    assert 24 * HOUR <= bench.clock.now() - row.created_at <= 25.2 * HOUR
    assert row.error == "refused"
    assert row.tries == len(delays) + 1
    assert [log.level.label for log in bench.logs] == ["error"]
    assert "gave up telling ops of alert 1 (fired): refused" in bench.logs[0].message
    assert bench.outbox.recent_deaths == 1
    assert await bench.store.reader.pending_notifications() == (0, 1, None)
    await bench.pass_time(2 * HOUR)
    assert bench.outbox.recent_deaths == 0


async def test_it_is_not_tried_before_its_time(bench: Bench) -> None:
    bench.sender.refused["ops"] = "refused"
    await bench.queue(_row())
    await bench.receipt()
    await bench.pass_time(5)
    await bench.queue(_row("good", 2))
    await bench.receipt()
    assert (await bench.row("1:fired:ops")).tries == 1


async def test_after_a_day_off_a_message_still_gets_its_tries(bench: Bench) -> None:
    bench.sender.refused["ops"] = "not yet"
    await bench.store.writer.must(replace(_row(), created_at=bench.clock.now() - 48 * HOUR))
    bench.outbox.poke()
    await bench.receipt()
    assert (await bench.row("1:fired:ops")).state is NotificationState.QUEUED
    bench.sender.refused.clear()
    await bench.pass_time(11)
    await bench.receipt()
    assert (await bench.row("1:fired:ops")).state is NotificationState.SENT


async def test_a_channel_that_recovers_gets_all_that_waited_at_once_and_in_order(bench: Bench) -> None:
    later = bench.clock.now() + HOUR
    waiting = [replace(_row("ops", number), next_at=later, tries=9) for number in range(1, 5)]
    bench.sender.refused["ops"] = "down"
    await bench.queue(_row("ops", 9), *waiting)
    await bench.receipt()
    assert bench.sender.taken == []
    bench.sender.refused.clear()
    await bench.pass_time(11)
    await bench.receipt(5)
    assert bench.sender.taken == ["9:fired:ops", *(row.key for row in waiting)]
    assert bench.clock.now() < later


async def test_one_failure_stands_for_all_that_wait_for_the_channel(bench: Bench) -> None:
    bench.sender.gates["ops"] = asyncio.Event()
    bench.sender.refused["ops"] = "down"
    await bench.queue(*(_row("ops", number) for number in range(1, 31)))
    await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
    bench.sender.gates["ops"].set()
    await bench.receipt()
    rows = await bench.store.reader.notifications()
    assert {(row.state, row.tries, row.error) for row in rows} == {(NotificationState.QUEUED, 1, "down")}
    await bench.queue(_row("good", 99))
    await bench.receipt()
    assert bench.sender.tried.get_nowait() == "99:fired:good", "the other 29 were not tried"
    assert bench.sender.tried.empty()


async def test_a_read_that_began_before_a_receipt_does_not_send_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = bench.sender.gates["ops"] = asyncio.Event()
    await bench.queue(_row())
    await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
    old = replace(_row(), created_at=bench.clock.now())
    asked = asyncio.Event()

    async def late(now: float, limit: int = 100) -> tuple[Notification, ...]:
        if gate.is_set():
            return ()
        gate.set()
        await bench.receipt()
        asked.set()
        return (old,)

    monkeypatch.setattr(bench.store.reader, "due_notifications", late)
    bench.outbox.poke()
    await asyncio.wait_for(asked.wait(), PATIENCE)
    monkeypatch.undo()
    await bench.queue(_row("good", 2))
    await bench.receipt()
    await bench.queue(_row("ops", 3))
    await bench.receipt()
    assert bench.sender.taken == ["1:fired:ops", "2:fired:good", "3:fired:ops"]


async def test_an_end_is_never_told_before_its_beginning(bench: Bench) -> None:
    await bench.store.writer.must(_alert())
    bench.sender.refused["ops"] = "down"
    await bench.queue(_row())
    await bench.receipt()
    bench.sender.refused.clear()
    await bench.pass_time(1)
    await bench.queue(_row(transition=AlertEventKind.RESOLVED), _row("good", 2))
    await bench.receipt()
    assert bench.sender.taken == ["2:fired:good"]
    async with asyncio.timeout(PATIENCE):
        while len(bench.sender.taken) < 3:
            await bench.pass_time(1)
            await asyncio.to_thread(lambda: None)
    assert bench.sender.taken[1:] == ["1:fired:ops", "1:resolved:ops"]


async def test_an_end_whose_beginning_was_given_up_is_not_told(bench: Bench) -> None:
    dead = replace(_row(), state=NotificationState.DEAD)
    await bench.store.writer.must(_alert(), dead)
    await bench.queue(_row(transition=AlertEventKind.RESOLVED))
    await bench.receipt()
    row = await bench.row("1:resolved:ops")
    assert (row.state, row.error) == (NotificationState.DEAD, "the channel never heard of the alert")
    assert bench.sender.taken == []


async def test_a_channel_that_is_no_longer_configured_is_given_up(bench: Bench) -> None:
    await bench.queue(_row("gone"))
    await bench.receipt()
    row = await bench.row("1:fired:gone")
    assert (row.state, row.tries, row.error) == (
        NotificationState.DEAD,
        0,
        "its channel is no longer configured",
    )
    assert "gone" in bench.logs[0].message


async def test_a_fault_in_the_way_out_is_a_failed_delivery(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: str) -> None:
        raise ZeroDivisionError("boom \x1b[31m")

    monkeypatch.setattr(bench.sender, "send", broken)
    await bench.queue(_row())
    await bench.receipt()
    row = await bench.row("1:fired:ops")
    assert (row.state, row.error) == (NotificationState.QUEUED, "boom")


async def test_a_receipt_is_written_when_the_store_can_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    must, refused = bench.store.writer.must, asyncio.Event()

    async def full(*rows: Any) -> None:
        if not refused.is_set() and rows[0].state is NotificationState.SENT:
            refused.set()
            raise StoreError("the disk is full")
        await must(*rows)

    monkeypatch.setattr(bench.store.writer, "must", full)
    await bench.queue(_row())
    await asyncio.wait_for(refused.wait(), PATIENCE)
    await bench.clock.advance(5)
    await bench.receipt()
    assert (await bench.row("1:fired:ops")).state is NotificationState.SENT
    assert bench.sender.taken == ["1:fired:ops"]
    assert "the disk is full" in bench.logs[0].message


async def test_what_cannot_be_claimed_is_not_sent_and_tried_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    must, refused = bench.store.writer.must, asyncio.Event()

    async def full(*rows: Any) -> None:
        if not refused.is_set() and rows[0].state is NotificationState.SENDING:
            refused.set()
            raise StoreError("the disk is full")
        await must(*rows)

    monkeypatch.setattr(bench.store.writer, "must", full)
    await bench.queue(_row())
    await asyncio.wait_for(refused.wait(), PATIENCE)
    async with asyncio.timeout(PATIENCE):
        while bench.receipts.empty():
            bench.outbox.poke()
            await asyncio.to_thread(lambda: None)
    assert bench.sender.taken == ["1:fired:ops"]
    assert "wait for the store" in bench.logs[0].message


async def test_closing_lets_a_send_finish_and_keeps_the_rest(tmp_path: Path) -> None:
    async with _bench(tmp_path / "t.db", running=False) as bench:
        gate = bench.sender.gates["ops"] = asyncio.Event()
        await bench.queue(_row("ops", 1), _row("ops", 2))
        running = asyncio.create_task(bench.outbox.run())
        await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
        running.cancel()
        closing = asyncio.create_task(bench.outbox.close())
        await asyncio.sleep(0)
        gate.set()
        await closing
        assert (await bench.row("1:fired:ops")).state is NotificationState.SENT
        assert (await bench.row("2:fired:ops")).state is NotificationState.QUEUED


async def test_what_was_cut_off_while_sending_is_sent_after_a_restart(tmp_path: Path) -> None:
    async with _bench(tmp_path / "t.db") as first:
        first.sender.gates["ops"] = asyncio.Event()
        await first.queue(_row())
        await asyncio.wait_for(first.sender.tried.get(), PATIENCE)
    async with _bench(tmp_path / "t.db") as second:
        await second.receipt()
        assert second.sender.taken == ["1:fired:ops"]


async def test_what_waited_for_another_try_is_tried_at_once_after_a_restart(tmp_path: Path) -> None:
    async with _bench(tmp_path / "t.db", running=False) as bench:
        later = bench.clock.now() + HOUR
        await bench.store.writer.must(replace(_row(), created_at=bench.clock.now(), next_at=later, tries=9))
        running = asyncio.create_task(bench.outbox.run())
        await bench.receipt()
        running.cancel()
        assert (await bench.row("1:fired:ops")).state is NotificationState.SENT


async def test_over_real_sockets_each_channel_has_its_own_receipt(tmp_path: Path) -> None:
    clock = SystemClock()
    async with receiving() as receiver:
        store = await Store.open(tmp_path / "t.db", clock)
        receipts: asyncio.Queue[Topic] = asyncio.Queue()
        modes = ("ok", "fail", "hang", "trickle")
        outbox = Outbox(
            channels={mode: Channel(url=receiver.url(mode)) for mode in modes},
            store=store,
            clock=clock,
            changed=receipts.put_nowait,
            log=lambda record: None,
            sender=AppriseSender(0.5),
        )
        await store.writer.must(*(replace(_row(mode), created_at=clock.now()) for mode in modes))
        running = asyncio.create_task(outbox.run())
        for _ in modes:
            await asyncio.wait_for(receipts.get(), PATIENCE)
        rows = {row.channel: row for row in await store.reader.notifications()}
        running.cancel()
        await outbox.close(0.1)
        await store.close()
    assert rows["ok"].state is NotificationState.SENT
    assert 0 < (rows["ok"].latency or 0) < 20
    assert [rows[mode].state for mode in modes[1:]] == [NotificationState.QUEUED] * 3
    assert "500" in rows["fail"].error
    assert rows["hang"].error == rows["trickle"].error == "no answer within 0.5 s"
    assert receiver.titles == ["title 1"]


async def test_an_outage_loses_nothing(tmp_path: Path) -> None:
    """500s first, then a receiver that works: all arrive."""
    async with receiving() as receiver, _bench(tmp_path / "t.db", running=False) as bench:
        receiver.status = 500
        outbox = Outbox(
            channels={"ops": Channel(url=receiver.url())},
            store=bench.store,
            clock=bench.clock,
            changed=bench.receipts.put_nowait,
            log=bench.logs.append,
        )
        poke: Callable[[], None] = outbox.poke
        running = asyncio.create_task(outbox.run())
        for number in range(1, 6):
            await bench.queue(_row("ops", number))
            poke()
            await bench.receipt()
        receiver.status = 200
        async with asyncio.timeout(PATIENCE):
            while len(receiver.got) < 5:
                await bench.clock.advance(60)
                poke()
                await receiver.seen.get()
        running.cancel()
        await outbox.close()
        assert sorted(receiver.titles) == [f"title {number}" for number in range(1, 6)]
