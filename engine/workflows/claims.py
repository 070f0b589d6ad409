"""A durable word, given ahead of time, about which slots may have been started: a crash repeats none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from engine.clock import Clock
from engine.errors import StoreError

AHEAD = 1.5
"""Seconds by which a claim goes beyond its time; as much may be passed over after a crash."""
RENEW = 0.5
"""Seconds before its end at which a claim is renewed: about one durable row a second."""
PATIENCE = 1.0
"""Seconds that a due slot waits for its claim at most, and that pass after a claim that was refused."""


class Claims:
    """Claims time for slots: what is due up to `until` may be started.

    A store that does not answer holds slots up once, for at most a second; they then start without a claim
    until it answers again, and both is told.

    Args:
        keep: stores up to which wall time slots may have been started; raises StoreError.
        tell: told in a sentence that slots start without a claim, and that they no longer do.
    """

    def __init__(
        self, clock: Clock, keep: Callable[[float], Awaitable[None]], tell: Callable[[str], None]
    ) -> None:
        self.until = float("-inf")
        self._clock = clock
        self._keep = keep
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self._is_without = False
        self._is_closed = False
        self._rest_until = float("-inf")
        self._fault = ""

    def covers(self, wall: float) -> bool:
        """Whether what is due at `wall` is claimed; a claim from before the clock was set back is none."""
        return wall <= self.until <= wall + AHEAD

    def renew(self, wall: float) -> None:
        """Claim more ahead of time, unless enough is left or a claim is on its way."""
        if self._is_closed or self._task is not None or self._clock.monotonic() < self._rest_until:
            return
        if self.covers(wall) and self.until - wall >= RENEW:
            return
        self._task = asyncio.create_task(self._claim(wall + AHEAD), name="slot claim")

    async def wait(self, wall: float) -> None:
        """Return when what is due at `wall` may be started."""
        if self.covers(wall):
            return
        self.renew(wall)
        if self._is_without:
            return
        timer = asyncio.ensure_future(self._clock.sleep(PATIENCE))
        try:
            while self._task is not None and not timer.done() and not self.covers(wall):
                await asyncio.wait({self._task, timer}, return_when=asyncio.FIRST_COMPLETED)
                self.renew(wall)
        finally:
            timer.cancel()
        if not self.covers(wall) and not self._is_closed:
            self._is_without = True
            why = self._fault or f"the store has not answered for {PATIENCE:.0f} s"
            self._tell(f"slots start unclaimed, and may start again after a crash: {why}")

    async def close(self) -> None:
        """Claim nothing more."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _claim(self, until: float) -> None:
        try:
            await self._keep(until)
        except StoreError as error:
            self._fault = error.message
            self._rest_until = self._clock.monotonic() + PATIENCE
        else:
            self.until, self._fault = until, ""
            if self._is_without:
                self._is_without = False
                self._tell("slots are claimed again before they start")
        finally:
            self._task = None


def inherited(claimed: float, wall: float) -> float:
    """Up to when the last run of the engine may have started slots; `claimed` is what it left.

    A claim further ahead than any was made when the clock stood elsewhere: what is yet to come is free.
    """
    return claimed if claimed <= wall + AHEAD else wall
