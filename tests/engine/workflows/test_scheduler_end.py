"""How starts end: with an error, by draining, or once for `--once`."""

from __future__ import annotations

import asyncio

from engine.clock import settle
from engine.config.schema import Workflow
from tests.engine.workflows.test_scheduler import Bench, workflow


async def test_a_start_that_raises_is_logged_and_goes_on() -> None:
    async def broken(flow: Workflow) -> None:
        if flow.id == "bad":
            raise RuntimeError("\x1b[31mbug")

    bench = Bench([workflow("bad"), workflow("good")], work=broken)
    async with bench.running():
        await bench.clock.advance(100)
    assert len(bench.times("bad")) >= 3
    assert len(bench.times("good")) >= 3
    assert bench.logs[0].message == "bad could not be run: bug"
    assert bench.logs[0].workflow_id == "bad"


async def test_draining_waits_then_cancels_and_starts_nothing_more() -> None:
    ended: list[str] = []

    async def work(flow: Workflow) -> None:
        try:
            if flow.id == "stuck":
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(flow.id)
            raise

    bench = Bench([workflow("quick"), workflow("stuck")], work=work)
    task = asyncio.create_task(bench.scheduler.run())
    await bench.clock.advance(1)
    await bench.scheduler.drain(0.01)
    assert ended == ["stuck"]
    before = len(bench.starts)
    await bench.clock.advance(1000)
    assert len(bench.starts) == before
    await asyncio.wait_for(task, 1)


async def test_every_workflow_runs_once_within_the_limit() -> None:
    async def work(_: Workflow) -> None:
        await settle(2)

    bench = Bench([workflow(f"w{number}") for number in range(20)], concurrency=4, work=work)
    await asyncio.wait_for(bench.scheduler.run_once(), 5)
    assert sorted(name for name, _, _ in bench.starts) == sorted(f"w{number}" for number in range(20))
    assert bench.peak == 4
    assert bench.cursors == []
