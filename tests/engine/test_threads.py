"""What is opened in a thread: handed over, or closed when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading

import pytest

from engine.clock import settle
from engine.threads import opened


class Door:
    """Opens once it is let; `begun` and `closed` are set by then."""

    def __init__(self) -> None:
        self.begun, self.let, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.closings = 0

    def open(self) -> Door:
        self.begun.set()
        assert self.let.wait(30)
        return self

    def close(self) -> None:
        self.closings += 1
        self.closed.set()


async def test_what_was_opened_is_handed_over() -> None:
    door = Door()
    door.let.set()
    assert await opened(door.open, Door.close) is door
    assert door.closings == 0


async def test_what_is_opened_for_nobody_is_closed() -> None:
    door = Door()
    opening = asyncio.create_task(opened(door.open, Door.close))
    while not door.begun.is_set():
        await settle(1)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert door.closings == 0
    door.let.set()
    assert await asyncio.to_thread(door.closed.wait, 30)
    assert door.closings == 1


async def test_what_was_opened_before_anybody_knows_is_closed() -> None:
    door = Door()
    opening = asyncio.create_task(opened(door.open, Door.close))
    await settle(1)
    door.let.set()
    assert door.begun.wait(30)
    # The loop has not had a turn since: it cannot know.
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert await asyncio.to_thread(door.closed.wait, 30)
    assert door.closings == 1


async def test_what_cannot_be_opened_is_told() -> None:
    def refused() -> Door:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await opened(refused, Door.close)
