"""Trying again: how often, how patiently, and never beyond a deadline."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

from engine.clock import Clock, SystemClock
from engine.model import ErrorType, Failure
from engine.resilience.classify import RETRYABLE, classify

T = TypeVar("T")

CANCEL_GRACE = 1.0
"""Real seconds that an operation which was cut off has for cleaning up; then it is left to itself."""
_RANDOM = random.Random()
_SYSTEM_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently to try again; delays in seconds, `jitter` a share of the delay (0–1).

    With `full_jitter` a wait is anything from nothing to the delay: callers that failed together come back
    apart. `jitter` then has no say.
    """

    max_attempts: int = 3
    initial_delay: float = 1.0
    max_delay: float = 30.0
    multiplier: float = 2.0
    jitter: float = 0.1
    full_jitter: bool = False

    def delay(self, attempt: int, rng: random.Random = _RANDOM) -> float:
        """Seconds to wait after the failed `attempt` (from 1): grown, capped, then spread by the jitter."""
        try:
            grown = self.initial_delay * self.multiplier ** (attempt - 1)
        except OverflowError:
            grown = self.max_delay
        delay = min(grown, self.max_delay)
        if self.full_jitter:
            return rng.uniform(0, delay)
        return delay * (1 + self.jitter * rng.uniform(-1, 1)) if self.jitter else delay


DEFAULT = RetryPolicy()
AGGRESSIVE = RetryPolicy(max_attempts=5, initial_delay=2.0, max_delay=60.0, multiplier=3.0)
FAST = RetryPolicy(max_attempts=2, initial_delay=0.5, max_delay=5.0, jitter=0.05)
STRATEGIES: Mapping[str, RetryPolicy] = MappingProxyType(
    {"default": DEFAULT, "aggressive": AGGRESSIVE, "fast": FAST}
)


@dataclass(slots=True)
class RetryResult(Generic[T]):
    """What came of it: `data` on success, else the last `error` and its type. Duration in seconds."""

    success: bool
    data: T | None
    error: Exception | None
    attempts: int
    total_duration: float
    error_type: ErrorType | None = None

    def value(self) -> T:
        """The data; raises the error when there is none."""
        if self.error is not None:
            raise self.error
        return cast("T", self.data)


@dataclass(frozen=True, slots=True)
class Retrying:
    """A failed attempt that will be followed by another one after `delay` seconds."""

    attempt: int
    failure: Failure
    delay: float


def is_retryable(failure: Failure) -> bool:
    """Whether trying again may help."""
    return failure.type in RETRYABLE


async def with_retry(
    operation: Callable[[], Awaitable[T]],
    policy: RetryPolicy = DEFAULT,
    *,
    clock: Clock = _SYSTEM_CLOCK,
    deadline: float | None = None,
    timeout: float | None = None,
    retryable: Callable[[Failure], bool] = is_retryable,
    classifier: Callable[[BaseException], Failure] = classify,
    on_retry: Callable[[Retrying], None] | None = None,
    rng: random.Random = _RANDOM,
) -> RetryResult[T]:
    """Call `operation` until it succeeds, fails for good, or its attempts or time are used up.

    Args:
        deadline: on `clock.monotonic()`; no wait is begun that would end at or after it. The operation
            itself is not cut off.
        timeout: seconds for all attempts and waits together; an attempt that is at work then is cancelled,
            and is a failure of type TIMEOUT.
        retryable: whether a failure is worth another attempt.
        classifier: what an error means; see `engine.resilience.classify` for making the table longer.
        on_retry: told before each wait.

    Returns:
        The result; only `BaseException`s that are no `Exception` (cancellation) propagate.
    """
    started = clock.monotonic()
    if timeout is not None:
        deadline = started + timeout if deadline is None else min(deadline, started + timeout)
    attempt = 0
    while True:
        attempt += 1
        try:
            data = await (
                operation() if timeout is None else _within(clock, operation, started + timeout, timeout)
            )
        except Exception as error:  # noqa: BLE001 - border: an error of the operation is a result
            failure = classifier(error)
            delay = wait_after(attempt, failure, policy, rng) if retryable(failure) else None
            late = delay is not None and deadline is not None and clock.monotonic() + delay >= deadline
            if delay is None or late:
                return RetryResult(False, None, error, attempt, clock.monotonic() - started, failure.type)
        else:
            return RetryResult(True, data, None, attempt, clock.monotonic() - started)
        if on_retry is not None:
            on_retry(Retrying(attempt, failure, delay))
        await clock.sleep(delay)


async def with_aggressive_retry(operation: Callable[[], Awaitable[T]], **options: Any) -> RetryResult[T]:
    """`with_retry` under AGGRESSIVE: 5 attempts, 2 s growing threefold up to 60 s; same options."""
    return await with_retry(operation, AGGRESSIVE, **options)


async def with_fast_retry(operation: Callable[[], Awaitable[T]], **options: Any) -> RetryResult[T]:
    """`with_retry` under FAST: 2 attempts, 0.5 s apart; same options."""
    return await with_retry(operation, FAST, **options)


def wait_after(attempt: int, failure: Failure, policy: RetryPolicy, rng: random.Random) -> float | None:
    """Seconds until the next attempt, None after the last one.

    The target's own wish (Retry-After) wins, up to `max_delay`.
    """
    if attempt >= policy.max_attempts:
        return None
    if failure.retry_after is not None:
        return min(max(failure.retry_after, 0.0), policy.max_delay)
    return policy.delay(attempt, rng)


async def _within(clock: Clock, operation: Callable[[], Awaitable[T]], deadline: float, timeout: float) -> T:
    """What the operation returns, unless the deadline comes first. Raises TimeoutError."""
    task = asyncio.ensure_future(operation())
    timer = asyncio.ensure_future(clock.sleep(deadline - clock.monotonic()))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
    finally:
        timer.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_GRACE)
            task.add_done_callback(_look)
    raise TimeoutError(f"no result within {timeout:g} s")


def _look(task: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more: what it raised is of no interest."""
    if not task.cancelled():
        task.exception()
