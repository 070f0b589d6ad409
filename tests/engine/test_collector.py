"""The collector is told once, in a process of its own: it would look less often in all tests after it."""

import asyncio
import gc
import subprocess
import sys
import weakref

import pytest

from engine.collector import LightCancellation, collector_paused

ASK = """
import gc
from engine.collector import YOUNG, settle_collector
gc.disable()
settle_collector()
assert gc.get_freeze_count() > 1000
assert gc.get_threshold()[0] == YOUNG
assert gc.isenabled()
"""


def test_what_stays_is_left_alone_and_garbage_is_still_found() -> None:
    subprocess.run([sys.executable, "-c", ASK], check=True, timeout=30)


def test_building_something_large_pauses_it_and_leaves_it_as_it_was() -> None:
    seen = []

    @collector_paused()
    def build() -> None:
        with collector_paused():
            seen.append(gc.isenabled())
        seen.append(gc.isenabled())
        raise ValueError("too large")

    assert gc.isenabled()
    with pytest.raises(ValueError, match="too large"):
        build()
    assert seen == [False, False]
    assert gc.isenabled()


class _Answer:
    """Something large that a task has read so far."""


async def test_what_a_cancelled_task_had_read_goes_at_once() -> None:
    read: list[weakref.ref[_Answer]] = []
    began = asyncio.Event()

    async def ask() -> None:
        answer = _Answer()
        read.append(weakref.ref(answer))
        began.set()
        async with asyncio.timeout(60):
            await asyncio.Event().wait()

    async def work() -> None:
        with LightCancellation():
            await ask()

    with collector_paused():
        task = asyncio.create_task(work())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as kept:
            await task
        assert kept.value is not None
        assert [answer() for answer in read] == [None]


def test_other_errors_still_say_where_they_came_from() -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught, LightCancellation():
        _broken()
    assert caught.traceback[-1].name == _broken.__name__


def _broken() -> int:
    return int("broken")
