"""Keeps the engine's long-lived tasks alive: a task that dies is logged and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from engine.clock import Clock
from engine.model import LogLevel, LogRecord
from engine.text import own_words

FIRST_DELAY = 0.5
MAX_DELAY = 30.0


@dataclass(frozen=True, slots=True)
class Ailment:
    """A task that died: how often in a row, the reason of the last time, when it is well if it lives.

    `well_at` is on the monotonic clock; a task that has run for 30 s counts as well.
    """

    deaths: int
    reason: str
    well_at: float

    def __str__(self) -> str:
        often = f"{self.deaths} times in a row" if self.deaths > 1 else "once"
        return f"stopped {often}: {self.reason}"


class Supervisor:
    """Runs named tasks until `stop()`; holds the only strong references to them.

    Args:
        log: where a task's death is reported.
    """

    def __init__(self, clock: Clock, log: Callable[[LogRecord], None]) -> None:
        self._clock = clock
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()
        self._ailing: dict[str, Ailment] = {}

    @property
    def ailing(self) -> Mapping[str, Ailment]:
        """The tasks, by name, that died and have not run for 30 s since."""
        now = self._clock.monotonic()
        return {name: ailment for name, ailment in self._ailing.items() if now < ailment.well_at}

    def spawn(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work()` for as long as the engine lives, restarting it with growing delays (0.5–30 s)."""
        task = asyncio.create_task(self._keep(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def every(
        self,
        name: str,
        seconds: float | Callable[[], float],
        work: Callable[[], Awaitable[None]],
        after: float = 0.0,
    ) -> None:
        """Run `work()` each `seconds`, the first time after `after`; a function is asked before each wait."""

        async def loop() -> None:
            if after:
                await self._clock.sleep(after)
            while True:
                await work()
                await self._clock.sleep(seconds() if callable(seconds) else seconds)

        self.spawn(name, loop)

    async def end(self, name: str, grace: float = 2.0) -> None:
        """Cancel the tasks of that name for good and wait at most `grace` seconds for them."""
        tasks = [task for task in self._tasks if task.get_name() == name]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        self._ailing.pop(name, None)

    async def stop(self, grace: float = 2.0) -> None:
        """Cancel all tasks and wait at most `grace` seconds for them."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        deaths = 0
        while True:
            started = self._clock.monotonic()
            try:
                await work()
                self._ailing.pop(name, None)
                return
            except Exception as error:  # noqa: BLE001 - border: one task's fault must not end the engine
                reason = own_words(error)
            message = f"{name} stopped: {reason}; starting it again"
            self._log(LogRecord(at=self._clock.now(), level=LogLevel.ERROR, message=message))
            died = self._clock.monotonic()
            deaths = 1 if died - started > MAX_DELAY else deaths + 1
            delay = min(FIRST_DELAY * 2 ** min(deaths - 1, 10), MAX_DELAY)
            self._ailing[name] = Ailment(deaths, reason, died + delay + MAX_DELAY)
            await self._clock.sleep(delay)
