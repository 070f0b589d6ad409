import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import VirtualClock, settle
from engine.config.schema import Workflow
from engine.errors import ConflictError, NotFoundError
from engine.model import LogRecord, Outcome, ScheduleCursor
from engine.workflows.schedule import CronSlots, IntervalSlots
from engine.workflows.scheduler import ALL, Scheduler


def workflow(id: str = "w", **keys: Any) -> Workflow:
    schedule = {} if "cron" in keys else {"every": "30s"}
    steps = [{"id": "s", "http": {"url": "http://h"}}]
    return Workflow.model_validate({"id": id, "name": id, "steps": steps, **schedule, **keys})


class Bench:
    """A scheduler in virtual time that records what it does."""

    def __init__(
        self,
        workflows: Sequence[Workflow],
        *,
        cursors: dict[str, ScheduleCursor] | None = None,
        concurrency: int = 50,
        work: Callable[[Workflow], Awaitable[Outcome | None]] | None = None,
        start: float = 1_700_000_000.0,
        claim: Callable[[ScheduleCursor], Awaitable[None]] | None = None,
        advanced: Callable[[ScheduleCursor], object] | None = None,
    ) -> None:
        self.clock = VirtualClock(start)
        self.began = start
        self.starts: list[tuple[str, float, float]] = []
        self.skips: list[tuple[str, str]] = []
        self.skipped_slots = 0
        self.cursors: list[ScheduleCursor] = []
        self.claims: list[ScheduleCursor] = []
        self.logs: list[LogRecord] = []
        self.jumps: list[float] = []
        self.active = self.peak = 0
        self._work = work
        self.scheduler = Scheduler(
            clock=self.clock,
            workflows=workflows,
            start=self._start,
            skipped=self._skipped,
            concurrency=concurrency,
            cursors=cursors or {},
            advanced=advanced or self._advanced,
            claim=claim or self._claim,
            log=self.logs.append,
            jumped=self.jumps.append,
        )

    async def _start(self, workflow: Workflow, slot: float) -> Outcome | None:
        self.starts.append((workflow.id, slot, self.clock.monotonic()))
        self.active += 1
        self.peak = max(self.peak, self.active)
        try:
            return await self._work(workflow) if self._work is not None else None
        finally:
            self.active -= 1

    def _skipped(self, workflow: Workflow, slot: float, reason: str, count: int) -> None:
        self.skips.append((workflow.id, reason))
        self.skipped_slots += count

    def _advanced(self, cursor: ScheduleCursor) -> None:
        (self.claims if cursor.workflow_id == ALL else self.cursors).append(cursor)

    async def _claim(self, cursor: ScheduleCursor) -> None:
        self.claims.append(cursor)

    def times(self, id: str = "w") -> list[float]:
        """Monotonic times of the starts of a workflow."""
        return [at for name, _, at in self.starts if name == id]

    @asynccontextmanager
    async def running(self, after: float = 0.0) -> AsyncIterator[None]:
        task = asyncio.create_task(self.scheduler.run(after))
        await settle()
        try:
            yield
        finally:
            await self.scheduler.drain(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def gaps(times: Sequence[float]) -> list[float]:
    return [round(after - before, 6) for before, after in itertools.pairwise(times)]


async def test_the_cadence_is_fixed_and_does_not_drift() -> None:
    clock_steps: list[float] = []

    async def slow(_: Workflow) -> None:
        await bench.clock.sleep(7)
        clock_steps.append(bench.clock.monotonic())

    bench = Bench([workflow()], work=slow)
    async with bench.running():
        await bench.clock.advance(30 * 100)
    first, *rest = gaps(bench.times())
    assert 15 <= first <= 45
    assert set(rest) == {30.0}
    assert len(bench.starts) in (100, 101)
    assert bench.skips == []
    assert len(clock_steps) >= 99


async def test_the_first_starts_may_wait_while_what_is_next_is_known_at_once() -> None:
    bench = Bench([workflow()])
    async with bench.running(after=0.5):
        assert bench.scheduler.next_at("w") is not None
        assert bench.scheduler.beat_age == 0
        await bench.clock.advance(0.4)
        assert bench.times() == []
        await bench.clock.advance(0.2)
        assert bench.times() == [0.5]


async def test_a_new_console_fills_within_two_seconds_and_not_at_once() -> None:
    flows = [workflow(f"w{number}", every="1h") for number in range(60)]
    bench = Bench(flows)
    async with bench.running():
        assert len(bench.starts) == 1
        await bench.clock.advance(2)
        assert [name for name, _, _ in bench.starts] == [flow.id for flow in flows]


async def test_later_slots_are_spread_over_the_interval() -> None:
    bench = Bench([workflow(f"w{number}", every="60s") for number in range(200)])
    async with bench.running():
        await bench.clock.advance(300)
    in_one_minute = [at for _, _, at in bench.starts if 120 <= at < 180]
    assert len(in_one_minute) == 200
    per_second = [sum(second <= at < second + 1 for at in in_one_minute) for second in range(120, 180)]
    assert max(per_second) <= 15


async def test_slots_are_the_same_after_a_restart() -> None:
    bench = Bench([workflow()])
    async with bench.running():
        await bench.clock.advance(100)
    last = bench.cursors[-1]
    again = Bench([workflow()], cursors={"w": last}, start=bench.clock.now())
    async with again.running():
        await again.clock.advance(40)
    assert again.starts[0][1] == pytest.approx(last.last_slot + 30)
    assert again.skips == []


async def test_what_was_missed_while_stopped_becomes_one_start_and_one_record() -> None:
    bench = Bench([workflow()], cursors={"w": ScheduleCursor("w", 1_700_000_000.0 - 86_400)})
    async with bench.running():
        assert len(bench.starts) == 1
        assert bench.skips == [("w", "misfire")]
        await bench.clock.advance(29)
        assert len(bench.starts) <= 2
    assert bench.cursors[0].last_slot <= bench.clock.now()


async def test_an_execution_longer_than_its_interval_skips_slots() -> None:
    async def slow(_: Workflow) -> None:
        await bench.clock.sleep(70)

    bench = Bench([workflow()], cursors={"w": ScheduleCursor("w", 1_700_000_000.0)}, work=slow)
    async with bench.running():
        await bench.clock.advance(300)
    assert set(bench.skips) == {("w", "overlap")}
    assert set(gaps(bench.times())) == {90.0}
    assert bench.peak == 1
    assert len(bench.cursors) == len(bench.starts) + len(bench.skips)


async def test_concurrency_is_bounded_and_the_lag_is_shown() -> None:
    async def slow(_: Workflow) -> None:
        await bench.clock.sleep(10)

    bench = Bench([workflow(f"w{number}", every="1h") for number in range(9)], concurrency=3, work=slow)
    async with bench.running():
        await bench.clock.advance(5)
        assert (bench.scheduler.running, bench.peak) == (3, 3)
        assert bench.scheduler.is_running("w8")
        await bench.clock.advance(30)
    assert len(bench.starts) == 9
    assert bench.peak == 3
    assert bench.scheduler.lag == pytest.approx(20, abs=1)


@pytest.mark.parametrize("jump", [3600.0, 86_400.0])
async def test_a_wall_clock_set_ahead_gives_one_start_for_what_it_skipped(jump: float) -> None:
    bench = Bench([workflow()], cursors={"w": ScheduleCursor("w", 1_700_000_000.0)})
    async with bench.running():
        await bench.clock.advance(100)
        before = len(bench.starts)
        bench.clock.jump(jump)
        await bench.clock.advance(15)
        assert len(bench.starts) - before <= 2
        assert bench.skips == [("w", "misfire")]
        await bench.clock.advance(300)
    assert len(bench.starts) - before in (11, 12)
    assert len({slot for _, slot, _ in bench.starts}) == len(bench.starts)


@pytest.mark.parametrize("jump", [-3600.0, -86_400.0])
async def test_a_wall_clock_set_back_stops_no_interval(jump: float) -> None:
    bench = Bench([workflow()], cursors={"w": ScheduleCursor("w", 1_700_000_000.0)})
    async with bench.running():
        await bench.clock.advance(100)
        bench.clock.jump(jump)
        await bench.clock.advance(300)
    assert 12 <= len(bench.starts) <= 15
    assert max(gaps(bench.times())) <= 45
    assert min(gaps(bench.times())) >= 15
    assert bench.skips == []
    slots = [cursor.last_slot for cursor in bench.cursors]
    assert slots == sorted(set(slots))


async def test_a_cursor_from_the_future_does_not_silence_a_workflow() -> None:
    bench = Bench([workflow()], cursors={"w": ScheduleCursor("w", 1_700_000_000.0 + 86_400)})
    async with bench.running():
        await bench.clock.advance(50)
    assert bench.starts


async def test_cron_never_repeats_a_slot_when_the_wall_goes_back() -> None:
    start = datetime(2026, 3, 2, 11, 58, tzinfo=ZoneInfo("UTC")).timestamp()
    bench = Bench([workflow(cron="*/10 * * * *")], start=start)
    async with bench.running():
        await bench.clock.advance(180)
        assert len(bench.starts) == 1
        bench.clock.jump(-3600)
        await bench.clock.advance(3600)
        assert len(bench.starts) == 1
        await bench.clock.advance(700)
    assert [slot - start for _, slot, _ in bench.starts] == [120.0, 720.0]


def berlin(*when: int) -> float:
    return datetime(*when, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()  # type: ignore[arg-type,misc]


def test_daylight_saving_moves_a_nightly_job_and_does_not_lose_it() -> None:
    slots = CronSlots("30 2 * * *", "Europe/Berlin")
    # On 29 March 2026 the hour from 2:00 does not exist; on 25 October it comes twice.
    assert slots.after(berlin(2026, 3, 28, 12)) == berlin(2026, 3, 29, 3)
    assert slots.after(berlin(2026, 3, 29, 4)) == berlin(2026, 3, 30, 2, 30)
    first = slots.after(berlin(2026, 10, 24, 12))
    assert first == berlin(2026, 10, 25, 2, 30)
    assert slots.after(first) == berlin(2026, 10, 26, 2, 30)


def test_cron_knows_its_last_slot_and_days_that_never_come() -> None:
    slots = CronSlots("0 12 * * *", "UTC")
    noon = datetime(2026, 5, 5, 12, tzinfo=ZoneInfo("UTC")).timestamp()
    assert slots.latest(noon) == noon
    assert slots.latest(noon - 1) == noon - 86_400
    assert slots.after(noon) == noon + 86_400
    assert (
        CronSlots("0 0 29 2 *", None).after(noon) == datetime(2028, 2, 29, tzinfo=ZoneInfo("UTC")).timestamp()
    )


@given(
    id=st.text(min_size=1, max_size=20), every=st.integers(1, 86_400), moment=st.integers(0, 4_000_000_000)
)
def test_slots_follow_each_other_without_a_hole(id: str, every: int, moment: int) -> None:
    slots = IntervalSlots(id, every)
    latest = slots.latest(moment)
    assert moment - every <= latest <= moment + 1e-3
    assert slots.after(latest) == pytest.approx(latest + every, abs=1e-3)
    assert every / 2 - 1e-3 <= slots.after(moment) - moment <= every * 1.5 + 1e-3


async def test_pausing_lets_slots_pass_and_resuming_makes_no_burst() -> None:
    bench = Bench([workflow(f"w{number}") for number in range(5)])
    async with bench.running():
        await bench.clock.advance(10)
        bench.scheduler.set_paused(True)
        assert bench.scheduler.paused
        assert bench.scheduler.next_at("w0") is None
        before = len(bench.starts)
        await bench.clock.advance(600)
        assert len(bench.starts) == before
        bench.scheduler.set_paused(False)
        await settle()
        assert len(bench.starts) == before
        await bench.clock.advance(60)
        assert 5 <= len(bench.starts) - before <= 15
    assert bench.skips == []


async def test_run_now_is_beside_the_slots() -> None:
    async def slow(_: Workflow) -> None:
        await bench.clock.sleep(5)

    bench = Bench([workflow()], cursors={"w": ScheduleCursor("w", 1_700_000_000.0)}, work=slow)
    async with bench.running():
        due = bench.scheduler.next_at("w")
        bench.scheduler.run_now("w")
        with pytest.raises(ConflictError):
            bench.scheduler.run_now("w")
        with pytest.raises(NotFoundError):
            bench.scheduler.run_now("nobody")
        await bench.clock.advance(1)
        assert len(bench.starts) == 1
        assert bench.scheduler.next_at("w") == due
        assert bench.cursors == []
    with pytest.raises(ConflictError):
        bench.scheduler.run_now("w")


async def test_what_is_on_call_runs_when_told_to_and_never_by_itself() -> None:
    called = Workflow.model_validate(
        {"id": "c", "name": "c", "on_call": True, "steps": [{"id": "s", "http": {"url": "http://h"}}]}
    )
    bench = Bench([called, workflow()])
    await bench.scheduler.run_once()
    assert bench.times("c") == []
    async with bench.running():
        await bench.clock.advance(100)
        bench.scheduler.wake("c")
        await settle()
        assert bench.times("c") == []
        assert bench.scheduler.next_at("c") is None
        bench.scheduler.run_now("c")
        await bench.clock.advance(100)
        assert bench.times("c") == [100]


async def test_news_starts_what_is_free() -> None:
    async def slow(_: Workflow) -> None:
        await bench.clock.sleep(5)

    bench = Bench([workflow()], cursors={"w": ScheduleCursor("w", 1_700_000_000.0)}, work=slow)
    async with bench.running():
        bench.scheduler.wake("nobody")
        bench.scheduler.wake("w")
        bench.scheduler.wake("w")
        await bench.clock.advance(10)
        assert bench.times() == [0]
        bench.scheduler.set_paused(True)
        bench.scheduler.wake("w")
        await settle()
        assert bench.times() == [0]
    bench.scheduler.set_paused(False)
    bench.scheduler.wake("w")
    await settle()
    assert bench.times() == [0]


async def test_many_that_are_overdue_start_within_five_seconds() -> None:
    bench = Bench([workflow(f"w{number}", every="1h") for number in range(1000)], concurrency=1000)
    async with bench.running():
        await bench.clock.advance(4.9)
        assert 970 <= len(bench.starts) < 1000
        await bench.clock.advance(0.2)
        assert len(bench.starts) == 1000
