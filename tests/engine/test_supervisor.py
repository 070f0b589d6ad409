import asyncio

from engine.clock import VirtualClock, settle
from engine.model import LogLevel, LogRecord
from engine.supervisor import Supervisor


async def test_a_task_that_dies_is_reported_and_started_again_with_growing_delays() -> None:
    clock = VirtualClock()
    logs: list[LogRecord] = []
    starts: list[float] = []

    async def work() -> None:
        starts.append(clock.monotonic())
        raise ValueError("boom \x1b]0;x\x07")

    supervisor = Supervisor(clock, logs.append)
    supervisor.spawn("outbox", work)
    await clock.advance(4)
    assert starts == [0.0, 0.5, 1.5, 3.5]
    assert logs[0].level is LogLevel.ERROR
    assert logs[0].message == "outbox stopped: boom; starting it again"
    await supervisor.stop()
    await clock.advance(60)
    assert len(starts) == 4


async def test_a_task_that_returns_is_done() -> None:
    clock = VirtualClock()
    starts: list[float] = []

    async def work() -> None:
        starts.append(clock.monotonic())

    supervisor = Supervisor(clock, lambda record: None)
    supervisor.spawn("once", work)
    await clock.advance(60)
    assert starts == [0.0]
    await supervisor.stop()


async def test_every_repeats_until_stopped_and_stop_waits_for_the_work_in_hand() -> None:
    clock = VirtualClock()
    ticks: list[float] = []
    cleaned = asyncio.Event()

    async def work() -> None:
        ticks.append(clock.monotonic())

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await settle()
            cleaned.set()

    supervisor = Supervisor(clock, lambda record: None)
    supervisor.every("tick", 2.0, work)
    supervisor.spawn("stubborn", stubborn)
    await clock.advance(5)
    assert ticks == [0.0, 2.0, 4.0]
    await supervisor.stop()
    assert cleaned.is_set()


async def test_what_can_wait_at_the_start_is_done_a_little_later() -> None:
    clock = VirtualClock()
    ticks: list[float] = []

    async def work() -> None:
        ticks.append(clock.monotonic())

    supervisor = Supervisor(clock, lambda record: None)
    supervisor.every("tick", 2.0, work, 0.5)
    await clock.advance(5)
    assert ticks == [0.5, 2.5, 4.5]
    await supervisor.stop()


async def test_a_task_that_dies_ails_until_it_has_run_for_half_a_minute() -> None:
    clock = VirtualClock()
    broken = True

    async def work() -> None:
        if broken:
            raise ValueError("boom")
        await asyncio.Event().wait()

    supervisor = Supervisor(clock, lambda record: None)
    supervisor.spawn("outbox", work)
    await settle()
    assert str(supervisor.ailing["outbox"]) == "stopped once: boom"
    await clock.advance(600)
    assert supervisor.ailing["outbox"].deaths > 20
    broken = False
    await clock.advance(60)
    assert not supervisor.ailing
    await supervisor.stop()
