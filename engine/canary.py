"""Whether the monitor itself has a network: what fails while it has none says nothing about its target."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.lines import lasted
from engine.model import ErrorType, LogLevel, LogRecord, Outcome, Recording
from engine.workflows.steps.base import StepError

if TYPE_CHECKING:
    from engine.workflows.steps.resolver import Resolver

CANARY_INTERVAL = 15.0
"""Seconds between two looks."""
FRESH = 3.0
"""Seconds for which a look that found the network gone, or there, holds."""
PATIENCE = 2.0
"""Seconds that a canary has to answer."""
OFFLINE = "offline"
"""Why a run that failed while the monitor was offline counts as skipped."""

_ABOUT_NETWORK = frozenset({ErrorType.NETWORK, ErrorType.TIMEOUT})


class Canary:
    """Looks whether any of a few addresses elsewhere takes a TCP connection.

    Args:
        targets: `host:port` each; without any, the monitor always counts as online.
        log: where it leaves a line when the network goes and when it comes back.
    """

    def __init__(
        self, clock: Clock, targets: tuple[tuple[str, int], ...], log: Callable[[LogRecord], None]
    ) -> None:
        self._clock = clock
        self._targets = targets
        self._log = log
        self._resolver: Resolver | None = None
        self._looked_at = float("-inf")
        self._offline_since: float | None = None
        self._lock = asyncio.Lock()

    @property
    def is_watching(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._targets)

    @property
    def offline(self) -> float | None:
        """Seconds since the network was found gone; None while it is there."""
        since = self._offline_since
        return None if since is None else max(self._clock.monotonic() - since, 0.0)

    async def look(self) -> None:
        """Find out, unless it was found out just now."""
        async with self._lock:
            if not self._targets or self._clock.monotonic() - self._looked_at < FRESH:
                return
            is_online = await self._reaches_any()
            self._looked_at = self._clock.monotonic()
            self._note(is_online)

    async def judged(self, recording: Recording) -> Recording:
        """The recording; one of a run that failed for want of a network becomes skipped, `offline`."""
        execution = recording.execution
        failure = execution.failure
        if not self._targets or not execution.outcome.is_failure or failure is None:
            return recording
        if failure.type not in _ABOUT_NETWORK:
            return recording
        await self.look()
        if self._offline_since is None:
            return recording
        unknown = replace(execution, outcome=Outcome.SKIPPED, reason=OFFLINE)
        line = LogRecord(
            at=self._clock.now(),
            level=LogLevel.WARNING,
            message=f"{execution.workflow_id} counts as skipped: the monitor itself is offline",
            workflow_id=execution.workflow_id,
            execution_id=execution.id,
            trace_id=execution.trace_id,
        )
        return replace(recording, execution=unknown, points=(), logs=(*recording.logs, line))

    async def close(self) -> None:
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None

    async def _reaches_any(self) -> bool:
        tasks = [asyncio.create_task(self._reaches(host, port)) for host, port in self._targets]
        try:
            for first in asyncio.as_completed(tasks):
                if await first:
                    return True
            return False
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _reaches(self, host: str, port: int) -> bool:
        from engine.workflows.steps.dial import conversation
        from engine.workflows.steps.probe import Probe
        from engine.workflows.steps.resolver import Resolver

        if self._resolver is None:
            self._resolver = Resolver()
        try:
            async with conversation(self._resolver, host, port, None, Probe(), PATIENCE):
                return True
        except (StepError, OSError):
            return False

    def _note(self, is_online: bool) -> None:
        away = self.offline
        if is_online and away is not None:
            self._offline_since = None
            self._say(LogLevel.INFO, f"online again after {lasted(round(away, 1))}")
        elif not is_online and away is None:
            self._offline_since = self._clock.monotonic()
            self._say(
                LogLevel.ERROR, "offline: no canary answers, and what fails now says nothing about its target"
            )

    def _say(self, level: LogLevel, what: str) -> None:
        self._log(LogRecord(at=self._clock.now(), level=level, message=f"the monitor itself is {what}"))
