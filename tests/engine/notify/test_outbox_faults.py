from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.config.schema import Channel
from engine.errors import StoreError
from engine.model import (
    NotificationState,
    Topic,
)
from engine.notify.channels import Deliverer
from engine.notify.outbox import Outbox
from engine.store.store import Store
from tests.engine.notify.bench import HOUR, PATIENCE, Bench, make_row, open_bench
from tests.engine.notify.receiver import receiving


async def test_a_fault_in_the_way_out_is_a_failed_delivery(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: str) -> None:
        raise ZeroDivisionError("boom \x1b[31m")

    monkeypatch.setattr(bench.sender, "send", broken)
    await bench.queue(make_row())
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
    await bench.queue(make_row())
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
    await bench.queue(make_row())
    await asyncio.wait_for(refused.wait(), PATIENCE)
    async with asyncio.timeout(PATIENCE):
        while bench.receipts.empty():
            bench.outbox.poke()
            await asyncio.to_thread(lambda: None)
    assert bench.sender.taken == ["1:fired:ops"]
    assert "wait for the store" in bench.logs[0].message


async def test_closing_lets_a_send_finish_and_keeps_the_rest(tmp_path: Path) -> None:
    async with open_bench(tmp_path / "t.db", running=False) as bench:
        gate = bench.sender.gates["ops"] = asyncio.Event()
        await bench.queue(make_row("ops", 1), make_row("ops", 2))
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
    async with open_bench(tmp_path / "t.db") as first:
        first.sender.gates["ops"] = asyncio.Event()
        await first.queue(make_row())
        await asyncio.wait_for(first.sender.tried.get(), PATIENCE)
    async with open_bench(tmp_path / "t.db") as second:
        await second.receipt()
        assert second.sender.taken == ["1:fired:ops"]


async def test_what_waited_for_another_try_is_tried_at_once_after_a_restart(tmp_path: Path) -> None:
    async with open_bench(tmp_path / "t.db", running=False) as bench:
        later = bench.clock.now() + HOUR
        await bench.store.writer.must(
            replace(make_row(), created_at=bench.clock.now(), next_at=later, tries=9)
        )
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
            sender=Deliverer(clock, lambda record: None, deadline=0.5),
        )
        await store.writer.must(*(replace(make_row(mode), created_at=clock.now()) for mode in modes))
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
    async with receiving() as receiver, open_bench(tmp_path / "t.db", running=False) as bench:
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
            await bench.queue(make_row("ops", number))
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
