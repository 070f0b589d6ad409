import asyncio
import random
from collections.abc import Awaitable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import VirtualClock
from engine.model import ErrorType, Failure
from engine.resilience.retry import AGGRESSIVE, DEFAULT, FAST, STRATEGIES, Retrying, RetryPolicy, with_retry

T = TypeVar("T")

STEADY = RetryPolicy(max_attempts=3, initial_delay=1.0, jitter=0.0)


class RefusedError(Exception):
    def __init__(self, kind: ErrorType, retry_after: float | None = None) -> None:
        super().__init__(kind.value)
        self.failure = Failure(kind.value, kind, retry_after=retry_after)


class Target:
    """Fails with each of `errors` in turn, then answers; notes when it was called."""

    def __init__(self, clock: VirtualClock, *errors: Exception) -> None:
        self._clock = clock
        self._errors = list(errors)
        self.calls: list[float] = []

    async def __call__(self) -> str:
        self.calls.append(self._clock.monotonic())
        if self._errors:
            raise self._errors.pop(0)
        return "answer"


async def finish(clock: VirtualClock, work: Awaitable[T]) -> T:
    task = asyncio.ensure_future(work)
    await clock.advance(3600)
    return await asyncio.wait_for(task, 1)


async def test_success_at_once_is_one_attempt() -> None:
    clock = VirtualClock()
    result = await with_retry(Target(clock), DEFAULT, clock=clock)
    assert (result.success, result.data, result.attempts, result.error) == (True, "answer", 1, None)


async def test_delays_grow_and_the_last_error_is_kept() -> None:
    clock = VirtualClock()
    target = Target(clock, *(RefusedError(ErrorType.NETWORK) for _ in range(3)))
    seen: list[Retrying] = []
    result = await finish(clock, with_retry(target, STEADY, clock=clock, on_retry=seen.append))
    assert target.calls == [0.0, 1.0, 3.0]
    assert [(retrying.attempt, retrying.delay) for retrying in seen] == [(1, 1.0), (2, 2.0)]
    assert (result.success, result.attempts, result.error_type) == (False, 3, ErrorType.NETWORK)
    assert isinstance(result.error, RefusedError)
    assert result.total_duration == 3.0


async def test_what_is_permanent_is_not_tried_again() -> None:
    clock = VirtualClock()
    target = Target(clock, ValueError("wrong"))
    result = await with_retry(target, STEADY, clock=clock)
    assert (result.attempts, result.error_type) == (1, ErrorType.PERMANENT)


@pytest.mark.parametrize(
    "kind",
    [ErrorType.TRANSIENT, ErrorType.RATE_LIMIT, ErrorType.TIMEOUT, ErrorType.NETWORK, ErrorType.UNKNOWN],
)
async def test_what_may_pass_is_tried_again(kind: ErrorType) -> None:
    clock = VirtualClock()
    target = Target(clock, RefusedError(kind))
    result = await finish(clock, with_retry(target, STEADY, clock=clock))
    assert (result.success, result.attempts) == (True, 2)


@pytest.mark.parametrize(("wish", "waited"), [(7.0, 7.0), (0.0, 0.0), (500.0, 30.0)])
async def test_the_targets_wish_is_honoured_up_to_the_longest_delay(wish: float, waited: float) -> None:
    clock = VirtualClock()
    target = Target(clock, RefusedError(ErrorType.RATE_LIMIT, retry_after=wish))
    await finish(clock, with_retry(target, STEADY, clock=clock))
    assert target.calls == [0.0, waited]


async def test_no_wait_is_begun_that_ends_after_the_deadline() -> None:
    clock = VirtualClock()
    target = Target(clock, *(RefusedError(ErrorType.NETWORK) for _ in range(3)))
    result = await finish(clock, with_retry(target, STEADY, clock=clock, deadline=2.5))
    assert target.calls == [0.0, 1.0]
    assert result.total_duration == 1.0


async def test_cancellation_goes_through() -> None:
    clock = VirtualClock()
    task = asyncio.create_task(with_retry(Target(clock, TimeoutError()), STEADY, clock=clock))
    await clock.advance(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_three_strategies_are_those_of_the_manual() -> None:
    assert {
        "default": RetryPolicy(3, 1.0, 30.0, 2.0, 0.1),
        "aggressive": RetryPolicy(5, 2.0, 60.0, 3.0, 0.1),
        "fast": RetryPolicy(2, 0.5, 5.0, 2.0, 0.05),
    } == STRATEGIES
    assert (STRATEGIES["default"], STRATEGIES["aggressive"], STRATEGIES["fast"]) == (
        DEFAULT,
        AGGRESSIVE,
        FAST,
    )


@given(
    initial=st.floats(0, 1e6),
    longest=st.floats(0, 1e6),
    multiplier=st.floats(1, 10),
    jitter=st.floats(0, 1),
    attempt=st.integers(1, 5000),
    seed=st.integers(0, 2**32),
)
def test_a_delay_is_within_its_bounds(
    initial: float, longest: float, multiplier: float, jitter: float, attempt: int, seed: int
) -> None:
    policy = RetryPolicy(3, initial, longest, multiplier, jitter)
    middle = RetryPolicy(3, initial, longest, multiplier, 0.0).delay(attempt)
    delay = policy.delay(attempt, random.Random(seed))
    assert 0 <= middle <= longest
    assert middle * (1 - jitter) - 1e-6 <= delay <= middle * (1 + jitter) + 1e-6
