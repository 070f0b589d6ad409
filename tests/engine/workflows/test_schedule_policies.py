"""What a workflow's own keys say about its slots: overlap, lateness, jitter, failing, pausing."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from engine.clock import settle
from engine.config.schema import Workflow
from engine.errors import NotFoundError
from engine.model import Outcome, ScheduleCursor
from engine.workflows.schedule import CronSlots
from engine.workflows.scheduler import ALL, REPLACED
from tests.engine.workflows.test_scheduler import Bench, berlin, gaps, workflow

START = 1_700_000_000.0
RUN_BEFORE = {"w": ScheduleCursor("w", START)}


def busy(seconds: float, **keys: str) -> Bench:
    """A bench whose one workflow works for `seconds` each time."""

    async def work(_: Workflow) -> None:
        await bench.clock.sleep(seconds)

    bench = Bench([workflow("w", **keys)], cursors=RUN_BEFORE, work=work)
    return bench


async def test_a_queued_slot_starts_when_the_run_before_it_ends() -> None:
    bench = busy(40, overlap="queue")
    async with bench.running():
        await bench.clock.advance(300)
    assert set(gaps(bench.times())) == {40.0}
    assert bench.peak == 1
    assert len({slot for _, slot, _ in bench.starts}) == len(bench.starts)
    assert len(bench.cursors) <= len(bench.starts) + len(bench.skips) + 1


async def test_no_more_than_one_slot_is_queued_and_the_others_are_recorded() -> None:
    bench = busy(100, overlap="queue")
    async with bench.running():
        await bench.clock.advance(45 + 95)
        assert (len(bench.starts), bench.skips) == (2, [("w", "overlap")] * 2)


async def test_a_queued_slot_is_recorded_when_the_engine_stops() -> None:
    bench = busy(100, overlap="queue")
    async with bench.running():
        await bench.clock.advance(80)
        assert (len(bench.starts), bench.skips) == (1, [])
    await settle()
    assert (len(bench.starts), bench.skips) == (1, [("w", "overlap")])


async def test_a_run_is_replaced_when_it_has_cleaned_up() -> None:
    messages: list[object] = []

    async def work(_: Workflow) -> None:
        try:
            await bench.clock.sleep(1000)
        except asyncio.CancelledError as error:
            messages.extend(error.args)
            await bench.clock.sleep(3)
            raise

    bench = Bench([workflow(overlap="replace")], cursors=RUN_BEFORE, work=work)
    async with bench.running():
        await bench.clock.advance(200)
        assert set(gaps(bench.times())[1:]) == {30.0}
        assert (bench.peak, bench.skips) == (1, [])
        assert set(messages) == {REPLACED}


async def test_as_many_as_are_allowed_work_together() -> None:
    bench = busy(100, overlap="allow:3")
    async with bench.running():
        await bench.clock.advance(140)
        assert bench.peak == 3
        assert bench.skips == [("w", "overlap")]


@pytest.mark.parametrize("word", ["never", "allow:0", "allow", "allow:1000"])
def test_other_words_about_overlap_are_refused(word: str) -> None:
    with pytest.raises(ValidationError):
        workflow(overlap=word)


@pytest.mark.parametrize(
    ("late", "catch_up", "started", "skips"),
    [
        (7 * 3600, None, 1, []),
        (7 * 3600, "1h", 0, [("w", "misfire")]),
        (1800, "1h", 1, []),
        (3 * 86_400 + 1800, "1h", 1, [("w", "misfire")]),
        (3 * 86_400 + 7200, "1h", 0, [("w", "misfire")]),
    ],
)
async def test_what_is_too_late_is_recorded_and_not_made_up_for(
    late: float, catch_up: str | None, started: int, skips: list[tuple[str, str]]
) -> None:
    nightly = datetime(2026, 3, 2, 2, tzinfo=ZoneInfo("UTC")).timestamp()
    keys = {"catch_up": catch_up} if catch_up else {}
    flow = workflow(cron="0 2 * * *", **keys)
    cursors = {"w": ScheduleCursor("w", nightly - 86_400)}
    bench = Bench([flow], cursors=cursors, start=nightly + late)
    async with bench.running():
        assert (len(bench.starts), bench.skips) == (started, skips)
        assert bench.cursors[-1].last_slot <= bench.clock.now()
        await bench.clock.advance(86_400 - late % 86_400 + 60)
        assert len(bench.starts) == started + 1


async def test_jitter_shifts_each_workflow_by_its_own_part_and_always_the_same() -> None:
    start = datetime(2026, 3, 2, 11, 59, tzinfo=ZoneInfo("UTC")).timestamp()
    flows = [workflow(f"w{number}", cron="*/10 * * * *", jitter="60s") for number in range(100)]
    bench = Bench(flows, start=start)
    async with bench.running():
        first = bench.scheduler.next_at("w7")
        await bench.clock.advance(1400)
    at = {flow.id: bench.times(flow.id) for flow in flows}
    assert {len(times) for times in at.values()} == {3}
    assert all(60 <= times[0] < 120 for times in at.values())
    assert all(gaps(times) == [600.0, 600.0] for times in at.values())
    assert len({round(times[0]) for times in at.values()}) > 40
    assert first == pytest.approx(start + at["w7"][0])
    assert {slot % 600 for _, slot, _ in bench.starts} == {0.0}
    assert bench.skips == []


async def test_a_jittered_slot_is_neither_late_nor_fired_twice_after_a_restart() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("UTC")).timestamp()
    flow = workflow(cron="0 * * * *", jitter="30m", catch_up="1m")
    bench = Bench([flow], start=noon - 60)
    async with bench.running():
        await bench.clock.advance(1900)
        assert len(bench.starts) == 1
    again = Bench([flow], cursors={"w": bench.cursors[-1]}, start=bench.clock.now())
    async with again.running():
        await again.clock.advance(1700)
        assert (again.starts, again.skips) == ([], [])


def test_jitter_as_long_as_the_interval_is_refused() -> None:
    with pytest.raises(ValidationError, match="shorter than every"):
        workflow(jitter="30s")


async def test_while_it_fails_it_runs_more_often_and_then_as_before() -> None:
    outcome = Outcome.OK

    async def work(_: Workflow) -> Outcome:
        return outcome

    flow = workflow(every="5m", every_failing="10s")
    bench = Bench([flow], cursors=RUN_BEFORE, work=work)
    async with bench.running():
        await bench.clock.advance(1000)
        assert set(gaps(bench.times())) == {300.0}
        outcome, before = Outcome.FAILED, len(bench.starts)
        await bench.clock.advance(600)
        failing = bench.times()[before:]
        assert failing[1] - failing[0] <= 15
        assert set(gaps(failing)[1:]) == {10.0}
        outcome, before = Outcome.OK, len(bench.starts)
        await bench.clock.advance(1500)
        well = bench.times()[before:]
        assert well[1] - well[0] >= 150
        assert set(gaps(well)[1:]) == {300.0}
    assert bench.skips == []
    slots = [cursor.last_slot for cursor in bench.cursors]
    assert slots == sorted(set(slots))


async def test_what_says_nothing_changes_no_interval() -> None:
    outcomes = iter([Outcome.FAILED, *[Outcome.SKIPPED] * 99])

    async def work(_: Workflow) -> Outcome:
        return next(outcomes)

    bench = Bench([workflow(every="5m", every_failing="10s")], cursors=RUN_BEFORE, work=work)
    async with bench.running():
        await bench.clock.advance(600)
    assert len(bench.starts) > 20


async def test_one_workflow_is_paused_alone_and_stays_so_over_a_restart() -> None:
    flows = [workflow("a"), workflow("b")]
    bench = Bench(flows)
    async with bench.running():
        await bench.clock.advance(40)
        bench.scheduler.set_paused(True, "a")
        assert (bench.scheduler.is_paused("a"), bench.scheduler.is_paused("b")) == (True, False)
        assert (bench.scheduler.next_at("a"), bench.scheduler.paused) == (None, False)
        paused_at = len(bench.times("a"))
        await bench.clock.advance(300)
        assert len(bench.times("a")) == paused_at
        with pytest.raises(NotFoundError):
            bench.scheduler.set_paused(True, "nobody")
    kept = {cursor.workflow_id: cursor for cursor in bench.cursors}
    again = Bench(flows, cursors=kept, start=bench.clock.now())
    async with again.running():
        await again.clock.advance(100)
        assert (again.times("a"), len(again.times("b")) >= 3) == ([], True)
        again.scheduler.run_now("a")
        await settle()
        assert len(again.times("a")) == 1
        again.scheduler.set_paused(False, "a")
        await again.clock.advance(100)
        assert 4 <= len(again.times("a")) <= 5
    assert ("a", "misfire") not in again.skips


async def test_a_pause_of_everything_stays_over_a_restart() -> None:
    bench = Bench([workflow()])
    async with bench.running():
        bench.scheduler.set_paused(True)
        await bench.clock.advance(100)
    again = Bench([workflow()], cursors={ALL: bench.claims[-1]}, start=bench.clock.now())
    async with again.running():
        assert again.scheduler.paused
        await again.clock.advance(100)
        assert again.starts == []
        again.scheduler.set_paused(False)
        await again.clock.advance(60)
        assert again.starts


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_sleep_of_the_machine_or_a_set_clock_is_told(jump: float) -> None:
    bench = Bench([workflow()])
    async with bench.running():
        await bench.clock.advance(20)
        bench.clock.jump(jump)
        await bench.clock.advance(30)
    assert bench.jumps == [pytest.approx(jump)]


async def test_an_hour_that_comes_twice_or_never_gives_each_slot_once() -> None:
    flow = workflow(cron="30 2 * * *", timezone="Europe/Berlin")
    spring = Bench([flow], start=berlin(2026, 3, 29, 1))
    async with spring.running():
        await spring.clock.advance(25 * 3600)
    assert [slot for _, slot, _ in spring.starts] == [berlin(2026, 3, 29, 3), berlin(2026, 3, 30, 2, 30)]
    autumn = Bench([flow], start=berlin(2026, 10, 25, 1))
    async with autumn.running():
        await autumn.clock.advance(27 * 3600)
    assert [slot for _, slot, _ in autumn.starts] == [
        berlin(2026, 10, 25, 2, 30),
        berlin(2026, 10, 26, 2, 30),
    ]
    assert spring.skips == autumn.skips == []


def test_what_repeats_within_the_day_goes_on_evenly_through_both_changes() -> None:
    slots = CronSlots("*/30 * * * *", "Europe/Berlin")
    for noon in (berlin(2026, 3, 28, 12), berlin(2026, 10, 24, 12)):
        at: float | None = noon
        seen = []
        for _ in range(60):
            assert at is not None
            at = slots.after(at)
            seen.append(at)
        assert seen == [noon + 1800 * number for number in range(1, 61)]


def test_the_last_slot_is_found_across_both_changes() -> None:
    slots = CronSlots("30 2 * * *", "Europe/Berlin")
    assert slots.latest(berlin(2026, 3, 29, 12)) == berlin(2026, 3, 29, 3)
    assert slots.latest(berlin(2026, 10, 25, 12)) == berlin(2026, 10, 25, 2, 30)
