"""A scheduler that is given other workflows, and the places that its runs share."""

from __future__ import annotations

import asyncio

import pytest

from engine.clock import settle
from engine.config.schema import Workflow
from engine.errors import NotFoundError
from engine.model import Outcome, ScheduleCursor
from engine.workflows.crew import Places
from engine.workflows.scheduler import REMOVED
from tests.engine.workflows.test_scheduler import Bench, workflow


async def test_a_slot_that_waits_when_its_workflow_leaves_is_recorded() -> None:
    async def work(_: Workflow) -> Outcome:
        await bench.clock.sleep(100)
        return Outcome.OK

    bench = Bench([workflow("gone", overlap="queue"), workflow("kept")], work=work)
    async with bench.running():
        await bench.clock.advance(40)
        bench.scheduler.adopt([workflow("kept")], 50, {})
        assert bench.skips.count(("gone", REMOVED)) == 1
        await bench.clock.advance(300)
        assert len(bench.times("gone")) == 1
        assert bench.scheduler.next_at("gone") is None
        with pytest.raises(NotFoundError):
            bench.scheduler.run_now("gone")


async def test_one_that_failed_when_it_left_is_not_put_back_by_its_last_run() -> None:
    async def work(_: Workflow) -> Outcome:
        await bench.clock.sleep(10)
        return Outcome.FAILED

    bench = Bench([workflow("gone", every_failing="1s"), workflow("kept")], work=work)
    async with bench.running():
        await bench.clock.advance(5)
        bench.scheduler.adopt([workflow("kept")], 50, {})
        await bench.clock.advance(200)
        assert len(bench.times("gone")) == 1


async def test_a_cursor_that_is_known_keeps_a_returning_workflow_from_starting_twice() -> None:
    bench = Bench([workflow("kept")])
    async with bench.running():
        await bench.clock.advance(1)
        slot = bench.clock.now()
        bench.scheduler.adopt(
            [workflow("kept"), workflow("back")], 50, {"back": ScheduleCursor("back", slot)}
        )
        await settle()
        assert bench.times("back") == []
        await bench.clock.advance(31)
        assert len(bench.times("back")) == 1


async def test_a_paused_cursor_keeps_a_returning_workflow_paused() -> None:
    bench = Bench([workflow("kept")])
    async with bench.running():
        cursor = ScheduleCursor("back", bench.clock.now() - 60, paused=True)
        bench.scheduler.adopt([workflow("kept"), workflow("back")], 50, {"back": cursor})
        await bench.clock.advance(100)
        assert bench.scheduler.is_paused("back")
        assert bench.times("back") == []


async def test_on_call_takes_a_workflow_out_of_the_queue_and_back() -> None:
    tool = Workflow.model_validate(
        {"id": "w", "name": "w", "on_call": True, "steps": [{"id": "s", "wait": {"for": 1}}]}
    )
    bench = Bench([workflow()])
    async with bench.running():
        await bench.clock.advance(1)
        bench.scheduler.adopt([tool], 50, {})
        await bench.clock.advance(120)
        assert len(bench.times()) == 1
        bench.scheduler.adopt([workflow(every="10s")], 50, {})
        await bench.clock.advance(25)
        assert 3 <= len(bench.times()) <= 4


async def test_what_is_adopted_before_the_first_slot_is_what_is_planned() -> None:
    bench = Bench([workflow("a")])
    bench.scheduler.adopt([workflow("b")], 50, {})
    async with bench.running():
        await bench.clock.advance(1)
        assert (bench.times("a"), len(bench.times("b"))) == ([], 1)


async def test_fewer_places_cut_nothing_off_and_more_let_at_once_in() -> None:
    async def work(_: Workflow) -> Outcome:
        await bench.clock.sleep(20)
        return Outcome.OK

    flows = [workflow(f"w{number}", every="1h") for number in range(6)]
    bench = Bench(flows, concurrency=4, work=work)
    async with bench.running():
        await bench.clock.advance(1)
        assert bench.active == 4
        bench.scheduler.adopt(flows, 1, {})
        assert bench.active == 4
        await bench.clock.advance(20)
        assert bench.active == 1
        bench.scheduler.adopt(flows, 5, {})
        await settle()
        assert bench.active == 2
        await bench.clock.advance(40)
        assert len(bench.starts) == 6


async def test_a_place_is_not_lost_to_who_is_cancelled_while_waiting() -> None:
    places = Places(1)

    async def take() -> None:
        async with places:
            pass

    async with places:
        waiting = [asyncio.create_task(take()) for _ in range(3)]
        await settle()
        waiting[0].cancel()
        await settle()
    # The place is handed over to the second, which is cancelled before it has noticed.
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert [task.cancelled() for task in waiting] == [True, True, False]
    assert not places.locked()
