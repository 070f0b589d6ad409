"""What retrying costs when nothing fails, and how many calls a half-open breaker lets through."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from engine.clock import SystemClock, VirtualClock
from engine.resilience.breaker import Breaker, BreakerPolicy
from engine.resilience.retry import with_retry

CALLS = 20_000
ROUNDS = 7
CALLERS = 50


async def _answer() -> int:
    return 1


async def _bare() -> None:
    for _ in range(CALLS):
        await _answer()


async def _retried() -> None:
    clock = SystemClock()
    for _ in range(CALLS):
        await with_retry(_answer, clock=clock)


def _best_us(work: Callable[[], Awaitable[None]]) -> float:
    """CPU microseconds a call, the best of some rounds: the rest is noise of the machine."""

    async def measure() -> float:
        began = time.process_time()
        await work()
        return time.process_time() - began

    return min(asyncio.run(measure()) for _ in range(ROUNDS)) / CALLS * 1e6


async def _half_open_hits() -> int:
    clock = VirtualClock()
    breaker = Breaker("target", BreakerPolicy(5, 60.0), clock)
    for _ in range(5):
        if permit := breaker.admit():
            permit.failure()
    await clock.advance(60)
    hits = 0

    async def call() -> None:
        nonlocal hits
        permit = breaker.admit()
        if permit is None:
            return
        with permit:
            hits += 1
            await clock.sleep(0.1)
            permit.failure()

    calls = asyncio.gather(*(call() for _ in range(CALLERS)))
    await clock.advance(1)
    await calls
    return hits


def run() -> list[dict[str, Any]]:
    """Both figures."""
    overhead = _best_us(_retried) - _best_us(_bare)
    return [
        {
            "name": "retry_overhead_us",
            "value": round(overhead, 3),
            "unit": "µs",
            "goal": 5,
            "against": "a bare await",
        },
        {
            "name": "breaker_half_open_hits",
            "value": asyncio.run(_half_open_hits()),
            "unit": "calls",
            "goal": 1,
            "against": f"{CALLERS} concurrent calls",
        },
    ]
