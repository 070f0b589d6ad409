"""Keeps the engine's long-lived tasks alive: a task that dies is logged and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from engine.clock import Clock
from engine.model import LogLevel, LogRecord
from engine.text import own_words

FIRST_DELAY = 0.5
MAX_DELAY = 30.0


class Supervisor:
    """Runs named tasks until `stop()`; holds the only strong references to them.

    Args:
        log: where a task's death is reported.
    """

    def __init__(self, clock: Clock, log: Callable[[LogRecord], None]) -> None:
        self._clock = clock
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work()` for as long as the engine lives, restarting it with growing delays (0.5–30 s)."""
        task = asyncio.create_task(self._keep(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def every(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work()` each `seconds`, the first time at once."""

        async def loop() -> None:
            while True:
                await work()
                await self._clock.sleep(seconds)

        self.spawn(name, loop)

    async def stop(self, grace: float = 2.0) -> None:
        """Cancel all tasks and wait at most `grace` seconds for them."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        delay = FIRST_DELAY
        while True:
            started = self._clock.monotonic()
            try:
                await work()
                return
            except Exception as error:  # noqa: BLE001 - border: one task's fault must not end the engine
                message = f"{name} stopped: {own_words(error)}; starting it again"
                self._log(LogRecord(at=self._clock.now(), level=LogLevel.ERROR, message=message))
            if self._clock.monotonic() - started > MAX_DELAY:
                delay = FIRST_DELAY
            await self._clock.sleep(delay)
            delay = min(delay * 2, MAX_DELAY)
