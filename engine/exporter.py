"""Hands what has been stored to an OpenTelemetry collector, and never lets the engine wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from engine.clock import Clock
from engine.config.tracing import ExportSpec
from engine.model import LogLevel, LogRecord, Point, Recording
from engine.resilience.retry import RetryPolicy, is_retryable
from engine.store.writer import Row
from engine.telemetry.otlp_sender import BATCH, OtlpSender, Sent

CAPACITY = 10_000
"""Records of one signal that may wait; beyond it the oldest are dropped, and counted."""
GATHERING = 2.0
"""Seconds in which records are gathered before they are sent together."""

_PATIENCE = RetryPolicy(initial_delay=5.0, max_delay=60.0, multiplier=2.0)


class Exporter:
    """Sends spans, log lines and points, as far as they are wanted, in batches.

    Args:
        spec: where to; None for nowhere.
        log: where it leaves a line when the collector stops taking what it gets, and when it takes it again.
    """

    def __init__(
        self,
        spec: ExportSpec | None,
        clock: Clock,
        log: Callable[[LogRecord], None],
        capacity: int = CAPACITY,
    ) -> None:
        self._clock = clock
        self._log = log
        self._capacity = capacity
        self.url = spec.url if spec is not None else ""
        """The collector; empty for none."""
        self._sender = OtlpSender(self.url, spec.headers if spec is not None else None, clock=clock)
        self._waiting: dict[str, deque[Any]] = {
            signal: deque() for signal in (spec.signals if spec is not None else ())
        }
        self._something = asyncio.Event()
        self._failures = 0
        self._told = 0
        self.delivered = 0
        """Records since the start that the collector took."""
        self.dropped = 0
        """Records since the start that the collector did not get, or refused."""

    @property
    def is_wanted(self) -> bool:
        """Whether there is a collector."""
        return bool(self._waiting)

    @property
    def waiting(self) -> int:
        """Records that are still to be sent."""
        return sum(map(len, self._waiting.values()))

    def take(self, rows: Sequence[Row]) -> None:
        """Queue what is to be sent of these rows."""
        for row in rows:
            for signal, records in _parts(row):
                if records and signal in self._waiting:
                    self._waiting[signal].extend(records)
                    self._something.set()
        self._shorten()

    async def run(self) -> None:
        """Send what comes until cancelled."""
        # Loaded in a thread: it takes a quarter of a second, in which the loop would stand still.
        await asyncio.to_thread(__import__, "httpx")
        while True:
            await self._something.wait()
            await self._clock.sleep(_PATIENCE.delay(self._failures) if self._failures else GATHERING)
            self._something.clear()
            if not await self._deliver():
                self._something.set()

    async def close(self, grace: float) -> None:
        """Give what still waits one last chance of `grace` real seconds, unless the collector is away."""
        if any(self._waiting.values()) and not self._failures:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._deliver()
        await self._sender.close()

    async def _deliver(self) -> bool:
        """Send everything that waits; False when the collector is away and what is left has to wait."""
        send: dict[str, Callable[[Sequence[Any]], Awaitable[Sent]]] = {
            "traces": self._sender.send_spans,
            "logs": self._sender.send_logs,
            "metrics": self._sender.send_points,
        }
        for signal, queue in self._waiting.items():
            while queue:
                batch = [queue.popleft() for _ in range(min(len(queue), BATCH))]
                try:
                    sent = await send[signal](batch)
                except asyncio.CancelledError:
                    queue.extendleft(reversed(batch))
                    raise
                self.delivered += sent.accepted
                self.dropped += sent.rejected
                if sent.failure is None:
                    self._say_well()
                elif is_retryable(sent.failure):
                    queue.extendleft(reversed(batch))
                    self._shorten()
                    self._say_away(sent.failure.message)
                    return False
                else:
                    self.dropped += sent.undelivered
                    self._say_away(sent.failure.message)
        return True

    def _shorten(self) -> None:
        for queue in self._waiting.values():
            while len(queue) > self._capacity:
                queue.popleft()
                self.dropped += 1

    def _say_away(self, reason: str) -> None:
        self._failures += 1
        if self._failures == 1:
            self._say(LogLevel.WARNING, f"does not take what it is sent: {reason}")

    def _say_well(self) -> None:
        if self._failures:
            lost, self._told = self.dropped - self._told, self.dropped
            self._failures = 0
            self._say(LogLevel.INFO, f"takes what it is sent again; {lost} records were dropped")

    def _say(self, level: LogLevel, what: str) -> None:
        self._log(LogRecord(at=self._clock.now(), level=level, message=f"the collector at {self.url} {what}"))


def _parts(row: Row) -> Iterator[tuple[str, Sequence[Any]]]:
    match row:
        case Recording():
            yield "traces", row.spans
            yield "logs", row.logs
            yield "metrics", row.points
        case LogRecord():
            yield "logs", (row,)
        case Point():
            yield "metrics", (row,)
