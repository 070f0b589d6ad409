"""Virtual time: it moves only when told to, and wakes sleepers in their order."""

import asyncio

import pytest

from engine.clock import SystemClock, VirtualClock, settle


async def test_sleepers_wake_in_order_each_at_its_own_time() -> None:
    clock = VirtualClock(start=1000.0)
    woken: list[tuple[str, float, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now(), clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("c", 3.0), ("a", 1.0), ("b", 1.0), ("d", 10.0)):
            group.create_task(sleeper(name, seconds))
        await clock.advance(5.0)
        assert woken == [("a", 1001.0, 1.0), ("b", 1001.0, 1.0), ("c", 1003.0, 3.0)]
        assert clock.now() == 1005.0
        await clock.advance(5.0)
    assert woken[-1] == ("d", 1010.0, 10.0)


async def test_a_loop_of_sleeps_runs_within_one_advance() -> None:
    clock = VirtualClock()
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await clock.sleep(1.0)
            ticks.append(clock.monotonic())

    task = asyncio.create_task(tick())
    await clock.advance(3.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ticks == [1.0, 2.0, 3.0]


async def test_a_cancelled_sleeper_disturbs_nobody() -> None:
    clock = VirtualClock()
    first, second = asyncio.create_task(clock.sleep(1)), asyncio.create_task(clock.sleep(2))
    await settle()
    first.cancel()
    await clock.advance(2)
    assert first.cancelled()
    assert second.done()


async def test_a_jump_moves_the_wall_clock_alone() -> None:
    clock = VirtualClock(start=1000.0)
    task = asyncio.create_task(clock.sleep(10))
    await settle()
    clock.jump(-500)
    assert (clock.now(), clock.monotonic()) == (500.0, 0.0)
    await clock.advance(9.9)
    assert not task.done()
    await clock.advance(0.1)
    assert task.done()
    assert clock.now() == pytest.approx(510.0)


@pytest.mark.parametrize("clock", [VirtualClock(), SystemClock()])
async def test_sleeping_for_nothing_only_yields(clock: VirtualClock | SystemClock) -> None:
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await clock.sleep(0)
    await clock.sleep(-5)
    assert turns == [1]


def test_the_system_clock_agrees_with_itself() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    assert clock.monotonic() >= before
    assert clock.now() > 1_600_000_000
