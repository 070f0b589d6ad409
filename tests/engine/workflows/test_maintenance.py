"""What is in maintenance does not run, and its slots are recorded."""

from __future__ import annotations

from engine.workflows.scheduler import MAINTENANCE
from tests.engine.workflows.test_scheduler import Bench, workflow


async def test_slots_in_maintenance_are_skipped_and_the_first_after_it_runs() -> None:
    bench = Bench([workflow("a"), workflow("b")])
    begins, ends = bench.clock.now() + 60, bench.clock.now() + 660
    bench.scheduler.stopped = lambda name: name == "a" and begins <= bench.clock.now() < ends
    async with bench.running():
        await bench.clock.advance(900)
        times = [at - bench.clock.monotonic() + 900 for at in bench.times("a")]
    assert not [at for at in times if 60 <= at < 660]
    assert len([at for at in times if at >= 660]) == 8
    assert len(bench.times("b")) >= 30
    assert set(bench.skips) == {("a", MAINTENANCE)}
    assert bench.skipped_slots == 20


async def test_by_hand_it_runs_nevertheless() -> None:
    bench = Bench([workflow("a", every="1h")])
    bench.scheduler.stopped = lambda name: True
    async with bench.running():
        await bench.clock.advance(10)
        bench.scheduler.run_now("a")
        await bench.clock.advance(1)
    assert len(bench.starts) == 1
