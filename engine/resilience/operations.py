"""Retrying as a program uses it: policies by operation, statistics, and three ways to write it.

retries = Operations(DEFAULT, {"charge": AGGRESSIVE})

result = await retries.call("charge", charge)         # never raises; says how it went

@retries.retried("charge")                            # raises the last error
async def charge() -> Receipt: ...

async for attempt in retries.attempts("charge"):      # raises the last error
    with attempt:
        await charge()
"""

from __future__ import annotations

import functools
import random
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import ParamSpec, TypeVar

from engine.clock import Clock, SystemClock
from engine.model import ErrorType, Failure
from engine.resilience.classify import classify
from engine.resilience.retry import (
    DEFAULT,
    Retrying,
    RetryPolicy,
    RetryResult,
    is_retryable,
    wait_after,
    with_retry,
)

P = ParamSpec("P")
T = TypeVar("T")

OPERATION_LIMIT = 1_000
"""Operations whose statistics are kept; the least recently used go beyond it."""


@dataclass(slots=True)
class RetryStatistics:
    """How one operation went so far; `waited` and `duration` in seconds, `errors` counts failed attempts."""

    calls: int = 0
    attempts: int = 0
    successes: int = 0
    recovered: int = 0
    """Calls that succeeded after a failed attempt: what retrying was good for."""
    waited: float = 0.0
    duration: float = 0.0
    errors: Counter[ErrorType] = field(default_factory=Counter)

    @property
    def failures(self) -> int:
        """Calls that failed for good."""
        return self.calls - self.successes

    @property
    def retries(self) -> int:
        """Attempts beyond the first of each call."""
        return self.attempts - self.calls


class Attempt:
    """One try in `async for attempt in …attempts(…)`: an error in its block is judged, not raised."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.error: Exception | None = None
        self.was_entered = False

    def __enter__(self) -> Attempt:
        self.was_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self.error = error
        return True


class Operations:
    """The retry configuration of a program: one policy for all operations, others for some by name.

    Args:
        default: the policy of operations that have none of their own.
        policies: those that have, by name.
        classifier: what an error means.
    """

    def __init__(
        self,
        default: RetryPolicy = DEFAULT,
        policies: Mapping[str, RetryPolicy] | None = None,
        *,
        clock: Clock | None = None,
        classifier: Callable[[BaseException], Failure] = classify,
        rng: random.Random | None = None,
    ) -> None:
        self._default = default
        self._policies = dict(policies or {})
        self._clock = clock or SystemClock()
        self._classifier = classifier
        self._rng = rng or random.Random()
        self._statistics: OrderedDict[str, RetryStatistics] = OrderedDict()

    def configure(self, policy: RetryPolicy, operation: str | None = None) -> None:
        """Use `policy` from now on: for one operation, or for all that have none of their own."""
        if operation is None:
            self._default = policy
        else:
            self._policies[operation] = policy

    def policy(self, operation: str) -> RetryPolicy:
        """The policy that the operation is under."""
        return self._policies.get(operation, self._default)

    def statistics(self) -> dict[str, RetryStatistics]:
        """How each operation went, the most recently used last."""
        return dict(self._statistics)

    async def call(
        self, operation: str, work: Callable[[], Awaitable[T]], *, timeout: float | None = None
    ) -> RetryResult[T]:
        """Call `work` under the operation's policy; see `with_retry`, also for `timeout`."""
        known = self._of(operation)
        known.calls += 1

        def judge(error: BaseException) -> Failure:
            failure = self._classifier(error)
            known.errors[failure.type] += 1
            return failure

        def waiting(retrying: Retrying) -> None:
            known.waited += retrying.delay

        result = await with_retry(
            work,
            self.policy(operation),
            clock=self._clock,
            timeout=timeout,
            classifier=judge,
            on_retry=waiting,
            rng=self._rng,
        )
        _count(known, result.success, result.attempts, result.total_duration)
        return result

    def retried(
        self, operation: str, *, timeout: float | None = None
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """A decorator: the function is tried again; it returns what it returned, or raises its last error."""

        def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
            @functools.wraps(function)
            async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
                result = await self.call(operation, lambda: function(*args, **kwargs), timeout=timeout)
                return result.value()

            return wrapper

        return decorate

    async def attempts(self, operation: str, *, timeout: float | None = None) -> AsyncIterator[Attempt]:
        """Attempts to be entered with `with`, until one ends without an error; raises the last error.

        Args:
            timeout: seconds; no wait is begun that would end at or after it. A block is not cut off.
        """
        known, policy, clock = self._of(operation), self.policy(operation), self._clock
        known.calls += 1
        started = clock.monotonic()
        number = 0
        while True:
            number += 1
            attempt = Attempt(number)
            yield attempt
            if not attempt.was_entered:
                raise RuntimeError("an attempt is to be entered: `with attempt:`")
            elapsed = clock.monotonic() - started
            if attempt.error is None:
                _count(known, True, number, elapsed)
                return
            failure = self._classifier(attempt.error)
            known.errors[failure.type] += 1
            delay = wait_after(number, failure, policy, self._rng) if is_retryable(failure) else None
            if delay is None or (timeout is not None and elapsed + delay >= timeout):
                _count(known, False, number, elapsed)
                raise attempt.error
            known.waited += delay
            await clock.sleep(delay)

    def _of(self, operation: str) -> RetryStatistics:
        known = self._statistics.setdefault(operation, RetryStatistics())
        self._statistics.move_to_end(operation)
        if len(self._statistics) > OPERATION_LIMIT:
            self._statistics.popitem(last=False)
        return known


def _count(known: RetryStatistics, success: bool, attempts: int, duration: float) -> None:
    known.attempts += attempts
    known.successes += success
    known.recovered += success and attempts > 1
    known.duration += duration
