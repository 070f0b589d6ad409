"""How many steps may be at one host at the same time, so that a round of checks is no attack."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from engine.clock import Clock
from engine.workflows.steps.base import StepSkipped

BUSY = "host busy"
"""Why a step was skipped whose time ran out while others were at its host."""


@dataclass(slots=True)
class _Host:
    """Steps that are there, and those that wait in the order in which they came."""

    there: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class HostLimits:
    """Places at hosts; steps wait for them in the order in which they came.

    Args:
        places: steps at one host at the same time.
    """

    def __init__(self, clock: Clock, places: int) -> None:
        self._clock = clock
        self._places = places
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def place(self, target: str, patience: float) -> AsyncIterator[None]:
        """A place at the target's host, waited for at most `patience` seconds.

        Raises:
            StepSkipped: there was none in time; nothing is known about the target.
        """
        name = host_of(target)
        host = self._hosts.setdefault(name, _Host())
        if host.there < self._places:
            host.there += 1
        else:
            await self._wait(name, host, patience)
        try:
            yield
        finally:
            self._leave(name, host)

    async def _wait(self, name: str, host: _Host, patience: float) -> None:
        """Until a place is handed over by a step that leaves."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = asyncio.ensure_future(self._clock.sleep(patience))
        host.waiting.append(turn)
        try:
            await asyncio.wait({turn, timer}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if turn.done():
                self._leave(name, host)
            raise
        finally:
            timer.cancel()
            if not turn.done():
                host.waiting.remove(turn)
        if not turn.done():
            raise StepSkipped(BUSY, name)

    def _leave(self, name: str, host: _Host) -> None:
        if host.waiting:
            host.waiting.popleft().set_result(None)
            return
        host.there -= 1
        if not host.there:
            del self._hosts[name]


def host_of(target: str) -> str:
    """`h` of `https://h:443`, and of `h:443`; a target that names no host is its own."""
    try:
        return urlsplit(target if "//" in target else f"//{target}").hostname or target
    except ValueError:
        return target
