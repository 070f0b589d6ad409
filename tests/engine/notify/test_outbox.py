from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model import (
    AlertEventKind,
    Notification,
    NotificationState,
)
from engine.notify.outbox import MAX_PARALLEL
from tests.engine.notify.bench import HOUR, PATIENCE, Bench, make_alert, make_row, open_bench


async def test_what_is_queued_is_sent_and_has_a_receipt(bench: Bench) -> None:
    await bench.queue(make_row())
    await bench.receipt()
    row = await bench.row("1:fired:ops")
    assert (row.state, row.tries, row.error) == (NotificationState.SENT, 1, "")
    assert row.sent_at == bench.clock.now()
    assert row.latency == 0.0
    assert bench.sender.taken == ["1:fired:ops"]
    assert await bench.store.reader.pending_notifications() == (0, 0, None)


async def test_it_is_claimed_before_it_is_sent(bench: Bench) -> None:
    bench.sender.gates["ops"] = asyncio.Event()
    await bench.queue(make_row())
    await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
    assert (await bench.row("1:fired:ops")).state is NotificationState.SENDING
    bench.sender.gates["ops"].set()
    await bench.receipt()
    assert (await bench.row("1:fired:ops")).state is NotificationState.SENT


async def test_what_nobody_announced_is_found_by_looking(bench: Bench) -> None:
    await bench.store.writer.must(make_row())
    async with asyncio.timeout(PATIENCE):
        while bench.sender.tried.empty():
            await bench.clock.advance(15)
            await asyncio.to_thread(lambda: None)
    await bench.receipt()


async def test_one_failing_channel_does_not_hold_up_another(bench: Bench) -> None:
    bench.sender.refused["ops"] = "503 from ops"
    await bench.queue(make_row(), make_row("good"))
    await bench.receipt(2)
    failed = await bench.row("1:fired:ops")
    assert (failed.state, failed.tries, failed.error) == (NotificationState.QUEUED, 1, "503 from ops")
    assert 9 <= failed.next_at - bench.clock.now() <= 11
    assert bench.sender.taken == ["1:fired:good"]


async def test_a_channel_that_hangs_does_not_hold_up_another(bench: Bench) -> None:
    bench.sender.gates["ops"] = asyncio.Event()
    await bench.queue(*(make_row("ops", number) for number in range(1, 150)))
    await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
    await bench.queue(make_row("good", 500))
    await bench.receipt()
    assert bench.sender.taken == ["500:fired:good"]


async def test_a_channel_is_served_in_order(bench: Bench) -> None:
    await bench.queue(*(make_row("ops", number) for number in range(1, 41)))
    await bench.receipt(40)
    assert bench.sender.taken == [f"{number}:fired:ops" for number in range(1, 41)]
    assert bench.sender.busiest == 1


async def test_much_that_is_queued_at_once_is_sent_without_waiting(bench: Bench) -> None:
    await bench.queue(*(make_row("ops", number) for number in range(1, 251)))
    await bench.receipt(250)
    assert len(bench.sender.taken) == len(set(bench.sender.taken)) == 250


async def test_channels_side_by_side_are_bounded(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(MAX_PARALLEL + 4)]
    async with open_bench(tmp_path / "t.db", *names) as bench:
        gate = asyncio.Event()
        bench.sender.gates = dict.fromkeys(names, gate)
        await bench.queue(*(make_row(name) for name in names))
        for _ in range(MAX_PARALLEL):
            await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
        gate.set()
        await bench.receipt(len(names))
        assert bench.sender.busiest == MAX_PARALLEL
        assert len(bench.sender.taken) == len(names)


async def test_it_is_tried_for_a_day_with_growing_delays_then_given_up_aloud(bench: Bench) -> None:
    bench.sender.refused["ops"] = "refused"
    await bench.queue(make_row())
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
    await bench.queue(make_row())
    await bench.receipt()
    await bench.pass_time(5)
    await bench.queue(make_row("good", 2))
    await bench.receipt()
    assert (await bench.row("1:fired:ops")).tries == 1


async def test_after_a_day_off_a_message_still_gets_its_tries(bench: Bench) -> None:
    bench.sender.refused["ops"] = "not yet"
    await bench.store.writer.must(replace(make_row(), created_at=bench.clock.now() - 48 * HOUR))
    bench.outbox.poke()
    await bench.receipt()
    assert (await bench.row("1:fired:ops")).state is NotificationState.QUEUED
    bench.sender.refused.clear()
    await bench.pass_time(11)
    await bench.receipt()
    assert (await bench.row("1:fired:ops")).state is NotificationState.SENT


async def test_a_channel_that_recovers_gets_all_that_waited_at_once_and_in_order(bench: Bench) -> None:
    later = bench.clock.now() + HOUR
    waiting = [replace(make_row("ops", number), next_at=later, tries=9) for number in range(1, 5)]
    bench.sender.refused["ops"] = "down"
    await bench.queue(make_row("ops", 9), *waiting)
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
    await bench.queue(*(make_row("ops", number) for number in range(1, 31)))
    await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
    bench.sender.gates["ops"].set()
    await bench.receipt()
    rows = await bench.store.reader.notifications()
    assert {(row.state, row.tries, row.error) for row in rows} == {(NotificationState.QUEUED, 1, "down")}
    await bench.queue(make_row("good", 99))
    await bench.receipt()
    assert bench.sender.tried.get_nowait() == "99:fired:good", "the other 29 were not tried"
    assert bench.sender.tried.empty()


async def test_a_read_that_began_before_a_receipt_does_not_send_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = bench.sender.gates["ops"] = asyncio.Event()
    await bench.queue(make_row())
    await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
    old = replace(make_row(), created_at=bench.clock.now())
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
    await bench.queue(make_row("good", 2))
    await bench.receipt()
    await bench.queue(make_row("ops", 3))
    await bench.receipt()
    assert bench.sender.taken == ["1:fired:ops", "2:fired:good", "3:fired:ops"]


async def test_an_end_is_never_told_before_its_beginning(bench: Bench) -> None:
    await bench.store.writer.must(make_alert())
    bench.sender.refused["ops"] = "down"
    await bench.queue(make_row())
    await bench.receipt()
    bench.sender.refused.clear()
    await bench.pass_time(1)
    await bench.queue(make_row(transition=AlertEventKind.RESOLVED), make_row("good", 2))
    await bench.receipt()
    assert bench.sender.taken == ["2:fired:good"]
    async with asyncio.timeout(PATIENCE):
        while len(bench.sender.taken) < 3:
            await bench.pass_time(1)
            await asyncio.to_thread(lambda: None)
    assert bench.sender.taken[1:] == ["1:fired:ops", "1:resolved:ops"]


async def test_an_end_whose_beginning_was_given_up_is_not_told(bench: Bench) -> None:
    dead = replace(make_row(), state=NotificationState.DEAD)
    await bench.store.writer.must(make_alert(), dead)
    await bench.queue(make_row(transition=AlertEventKind.RESOLVED))
    await bench.receipt()
    row = await bench.row("1:resolved:ops")
    assert (row.state, row.error) == (NotificationState.COLLAPSED, "the channel never heard of the alert")
    assert bench.outbox.recent_deaths == 0, "what was given up is the beginning, not the end"
    assert bench.sender.taken == []


async def test_a_channel_that_is_no_longer_configured_is_given_up(bench: Bench) -> None:
    await bench.queue(make_row("gone"))
    await bench.receipt()
    row = await bench.row("1:fired:gone")
    assert (row.state, row.tries, row.error) == (
        NotificationState.DEAD,
        0,
        "its channel is no longer configured",
    )
    assert "gone" in bench.logs[0].message
