"""Time is claimed before slots start in it, so that nothing fires twice whatever dies when."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.clock import VirtualClock, settle
from engine.errors import StoreError
from engine.model import LogLevel, ScheduleCursor
from engine.workflows.claims import AHEAD, PATIENCE, Claims, inherited
from engine.workflows.scheduler import ALL
from tests.effort import tried
from tests.engine.workflows.test_scheduler import Bench, gaps, workflow

START = 1_700_000_000.0
BATCH = 0.25


class Ledger:
    """A store in virtual time: answers after `delay` seconds, refuses while `fault` is set."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.kept: list[tuple[float, float]] = []
        self.told: list[str] = []
        self.delay = 0.0
        self.fault = ""
        self.claims = Claims(clock, self._keep, self.told.append)

    async def _keep(self, until: float) -> None:
        await self.clock.sleep(self.delay)
        if self.fault:
            raise StoreError(self.fault)
        self.kept.append((self.clock.now(), until))


async def test_time_is_claimed_once_a_second_and_ahead() -> None:
    clock = VirtualClock()
    ledger = Ledger(clock)
    for _ in range(1000):
        await ledger.claims.wait(clock.now())
        assert ledger.kept[-1][1] >= clock.now()
        ledger.claims.renew(clock.now())
        await clock.advance(0.01)
    assert 9 <= len(ledger.kept) <= 12
    assert all(until - at <= AHEAD for at, until in ledger.kept)
    await ledger.claims.close()


async def test_a_store_that_hangs_holds_slots_up_once_and_is_told() -> None:
    clock = VirtualClock()
    ledger = Ledger(clock)
    ledger.delay = 7.0
    waiting = asyncio.create_task(ledger.claims.wait(clock.now()))
    await clock.advance(PATIENCE - 0.01)
    assert not waiting.done()
    await clock.advance(0.02)
    assert waiting.done()
    assert ledger.told == [
        "slots start unclaimed, and may start again after a crash: the store has not answered for 1 s"
    ]
    await asyncio.wait_for(ledger.claims.wait(clock.now()), 1)
    ledger.delay = 0.0
    await clock.advance(6.0)
    await ledger.claims.wait(clock.now())
    await settle()
    assert ledger.told[1:] == ["slots are claimed again before they start"]
    assert ledger.claims.covers(clock.now())
    await ledger.claims.close()


async def test_a_store_that_refuses_is_asked_once_a_second() -> None:
    clock = VirtualClock()
    ledger = Ledger(clock)
    ledger.fault = "the disk is full"
    for _ in range(500):
        await ledger.claims.wait(clock.now())
        await clock.advance(0.01)
    assert ledger.told == ["slots start unclaimed, and may start again after a crash: the disk is full"]
    assert ledger.kept == []
    ledger.fault = ""
    await clock.advance(PATIENCE)
    await ledger.claims.wait(clock.now())
    await settle()
    assert len(ledger.told) == 2
    await ledger.claims.close()


async def test_a_clock_set_back_is_claimed_anew() -> None:
    clock = VirtualClock()
    ledger = Ledger(clock)
    await ledger.claims.wait(clock.now())
    clock.jump(-3600)
    assert not ledger.claims.covers(clock.now())
    await ledger.claims.wait(clock.now())
    assert ledger.kept[-1][1] == pytest.approx(clock.now() + AHEAD)
    await ledger.claims.close()
    ledger.claims.renew(clock.now() + 100)
    await settle()
    assert len(ledger.kept) == 2


def test_what_a_crash_leaves_counts_unless_the_clock_stood_elsewhere() -> None:
    assert inherited(START + 1, START) == START + 1
    assert inherited(START - 1000, START) == START - 1000
    assert inherited(START + 3600, START) == START


async def test_slots_of_a_claim_left_behind_are_passed_over_and_recorded() -> None:
    cursors = {"w": ScheduleCursor("w", START - 30), ALL: ScheduleCursor(ALL, START + 1)}
    bench = Bench([workflow(every="250ms")], cursors=cursors)
    async with bench.running():
        await bench.clock.advance(1.0)
        assert bench.starts == []
        assert bench.skips[0] == ("w", "misfire")
        await bench.clock.advance(1.0)
    assert {slot > START + 1 for _, slot, _ in bench.starts} == {True}
    assert max(gaps(bench.times())) == 0.25


async def test_a_claim_left_behind_goes_back_with_the_clock() -> None:
    cursors = {"w": ScheduleCursor("w", START - 30), ALL: ScheduleCursor(ALL, START + 1)}
    bench = Bench([workflow(every="1s")], cursors=cursors)
    async with bench.running():
        await bench.clock.advance(0.2)
        bench.clock.jump(-3600)
        await bench.clock.advance(60)
    assert len(bench.starts) >= 40


async def test_stopping_while_a_claim_hangs_is_no_news() -> None:
    clock = VirtualClock()
    ledger = Ledger(clock)
    ledger.delay = 7.0
    waiting = asyncio.create_task(ledger.claims.wait(clock.now()))
    await settle()
    await ledger.claims.close()
    await asyncio.wait_for(waiting, 1)
    assert ledger.told == []


async def test_a_clean_end_leaves_no_claim() -> None:
    bench = Bench([workflow(every="1s")])
    async with bench.running():
        await bench.clock.advance(5)
        assert bench.claims[-1].last_slot > START + 4
    assert bench.claims[-1] == ScheduleCursor(ALL, 0.0)


async def test_pausing_keeps_the_claim() -> None:
    bench = Bench([workflow(every="1s")])
    async with bench.running():
        await bench.clock.advance(5)
        claimed = bench.claims[-1].last_slot
        bench.scheduler.set_paused(True)
        assert bench.claims[-1] == ScheduleCursor(ALL, claimed, True)
        await bench.clock.advance(5)
        assert {claim.paused for claim in bench.claims[-3:]} == {True}


async def test_a_locked_store_does_not_stop_the_checks() -> None:
    async def never(_: ScheduleCursor) -> None:
        await asyncio.Event().wait()

    bench = Bench([workflow(every="1s")], cursors={"w": ScheduleCursor("w", START)}, claim=never)
    async with bench.running():
        await bench.clock.advance(60)
    assert len(bench.starts) in (58, 59, 60)
    assert [(log.level, log.message[:23]) for log in bench.logs] == [
        (LogLevel.WARNING, "slots start unclaimed, ")
    ]


@dataclass
class Disk:
    """What survives a crash: claims, and offered rows once they are 250 ms old or a claim went after them."""

    clock: VirtualClock | None = None
    rows: dict[str, ScheduleCursor] = field(default_factory=dict)
    offered: list[tuple[float, ScheduleCursor]] = field(default_factory=list)

    def offer(self, cursor: ScheduleCursor) -> None:
        assert self.clock is not None
        self.offered.append((self.clock.monotonic(), cursor))

    async def must(self, cursor: ScheduleCursor) -> None:
        self._commit(float("inf"))
        self.rows[cursor.workflow_id] = cursor

    def crash(self) -> None:
        assert self.clock is not None
        self._commit(self.clock.monotonic() - BATCH)
        self.offered.clear()

    def _commit(self, until: float) -> None:
        for at, cursor in self.offered:
            if at <= until:
                self.rows[cursor.workflow_id] = cursor
        self.offered = [(at, cursor) for at, cursor in self.offered if at > until]


FLOWS = [
    workflow("fast", every="300ms"),
    workflow("slow", every="7s"),
    workflow("late", every="2s", jitter="1s"),
    workflow("cron", cron="*/3 * * * * *"),
    workflow("cron-late", cron="*/5 * * * * *", jitter="2s"),
]
CRONS = {"cron", "cron-late"}
LIFE = st.tuples(st.floats(0.01, 8), st.floats(0, 4), st.sampled_from([0, 0, 0, 3600, -3600, -4, -0.7]))


async def live(lives: list[tuple[float, float, float]]) -> list[list[tuple[str, float, float]]]:
    """Engines that run for some seconds each, die, stay away and find another wall clock: their starts."""
    disk, wall, found = Disk(), START, []
    for seconds, away, jump in lives:
        bench = Bench(FLOWS, cursors=dict(disk.rows), start=wall, claim=disk.must, advanced=disk.offer)
        disk.clock = bench.clock
        task = asyncio.create_task(bench.scheduler.run())
        await bench.clock.advance(seconds / 2)
        bench.clock.jump(jump)
        await bench.clock.advance(seconds / 2)
        disk.crash()
        found.append(list(bench.starts))
        wall = bench.clock.now() + away
        task.cancel()
        await bench.scheduler.drain(0)
        disk.offered.clear()
        await asyncio.gather(task, return_exceptions=True)
    return found


async def test_a_cron_does_not_repeat_an_hour_after_a_restart_in_it() -> None:
    noon = 1_699_963_200.0
    cursors = {"w": ScheduleCursor("w", noon)}
    bench = Bench([workflow(cron="0 * * * *")], cursors=cursors, start=noon - 600)
    async with bench.running():
        await bench.clock.advance(4300)
    assert [slot for _, slot, _ in bench.starts] == [noon + 3600]


@settings(max_examples=tried(30, 200), deadline=None)
@given(st.lists(LIFE, min_size=2, max_size=6))
@example([(1.0, 0.0, 0), (1.0, 0.0, -4), (3.0, 0.0, 0)])
@example([(2.0, 2.0, 0), (0.25, 0.0, -0.7), (1.0, 0.0, 0)])
@example([(1.0, 0.0, -0.7), (1.5, 0.0, -0.7), (4.5, 4.0, 0), (1.75, 0.0, -0.7), (1.0, 0.0, 0)])
def test_no_slot_fires_twice(lives: list[tuple[float, float, float]]) -> None:
    starts = [start for life in asyncio.run(live(lives)) for start in life]
    is_forward = all(jump >= 0 for _, _, jump in lives)
    fired = Counter((id, slot) for id, slot, _ in starts if is_forward or id in CRONS)
    assert [slot for slot, times in fired.items() if times > 1] == []


def test_what_dies_again_and_again_still_checks() -> None:
    lives = asyncio.run(live([(3.0, 0.1, 0.0)] * 10))
    assert [sum(id == "fast" for id, _, _ in life) >= 3 for life in lives] == [True] * 10
