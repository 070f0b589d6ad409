"""Starts that lie close together: gathered where several are due each second, and nowhere else."""

from __future__ import annotations

from engine.config.schema import Workflow
from engine.model import ScheduleCursor
from engine.workflows.schedule import IntervalSlots
from engine.workflows.scheduler import APART, TICK
from tests.engine.workflows.test_scheduler import Bench, gaps, workflow

START = 1_700_000_038.0
"""Two seconds before a full minute."""
EPSILON = 1e-6


def a_bench(count: int, every: float, *others: Workflow) -> Bench:
    """`count` workflows in the middle of their lives, so that the next of them is due at its slot."""
    flows = [workflow(f"w{number}", every=f"{every}s") for number in range(count)]
    last = {flow.id: IntervalSlots(flow.id, every).latest(START) for flow in flows}
    cursors = {name: ScheduleCursor(name, slot) for name, slot in last.items()}
    return Bench([*flows, *others], cursors=cursors, start=START, concurrency=1_000)


def lateness(bench: Bench) -> list[float]:
    return [bench.began + at - slot for _, slot, at in bench.starts]


async def test_where_many_are_due_those_close_together_start_one_right_after_the_other() -> None:
    bench = a_bench(1_000, 50.0)
    async with bench.running():
        await bench.clock.advance(5)
    assert len(bench.starts) > 60
    late = lateness(bench)
    assert min(late) >= 0
    assert max(late) < 0.25
    between = gaps([at for _, _, at in bench.starts])
    assert min(between) >= APART - EPSILON
    assert sum(gap > 0.05 for gap in between) <= 5 / 0.2


async def test_where_few_are_due_or_enough_at_once_none_waits_for_another() -> None:
    for count, every in ((100, 50.0), (1_000, 5.0)):
        bench = a_bench(count, every)
        async with bench.running():
            await bench.clock.advance(1)
        assert bench.starts
        assert max(lateness(bench)) <= TICK + EPSILON


async def test_a_crowd_is_not_held_up_by_starting_one_by_one() -> None:
    crowd = [workflow(f"c{number}", cron="* * * * *") for number in range(300)]
    bench = a_bench(1_000, 50.0, *crowd)
    async with bench.running():
        await bench.clock.advance(3)
    late = [bench.began + at - slot for name, slot, at in bench.starts if name.startswith("c")]
    assert len(late) == 300
    assert max(late) < 0.35


async def test_nothing_of_a_group_starts_once_the_engine_is_stopping() -> None:
    bench = a_bench(1_000, 50.0)
    async with bench.running():
        while len(bench.starts) < 2:
            await bench.clock.advance(APART / 2)
        begun = len(bench.starts)
        await bench.scheduler.drain(0)
        await bench.clock.advance(1)
        assert len(bench.starts) == begun
