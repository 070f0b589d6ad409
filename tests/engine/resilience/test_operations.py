import asyncio
import random

import pytest

from engine.clock import VirtualClock
from engine.model import ErrorCategory, ErrorType
from engine.resilience.classify import Classifier
from engine.resilience.operations import OPERATION_LIMIT, Operations
from engine.resilience.retry import (
    AGGRESSIVE,
    FAST,
    RetryPolicy,
    with_aggressive_retry,
    with_fast_retry,
    with_retry,
)
from tests.engine.resilience.test_retry import Target, finish

STEADY = RetryPolicy(max_attempts=3, initial_delay=1.0, jitter=0.0)


class SuspendedError(Exception):
    pass


def operations(clock: VirtualClock, **keys: RetryPolicy) -> Operations:
    return Operations(STEADY, keys, clock=clock)


async def test_the_named_forms_are_the_strategies() -> None:
    clock = VirtualClock()
    slow, quick = Target(clock, *[TimeoutError()] * 9), Target(clock, *[TimeoutError()] * 9)
    result = await finish(clock, with_aggressive_retry(slow, clock=clock, rng=random.Random(1)))
    assert (result.attempts, result.success) == (5, False)
    assert (await finish(clock, with_fast_retry(quick, clock=clock))).attempts == 2


async def test_an_attempt_that_outstays_the_timeout_is_cut_off() -> None:
    clock = VirtualClock()
    cleaned: list[float] = []

    async def hang() -> None:
        try:
            await clock.sleep(1000)
        finally:
            cleaned.append(clock.monotonic())

    result = await finish(clock, with_retry(hang, STEADY, clock=clock, timeout=10))
    assert (result.attempts, result.error_type, result.total_duration) == (1, ErrorType.TIMEOUT, 10)
    assert cleaned == [10]
    assert len(asyncio.all_tasks()) == 1


async def test_the_timeout_caps_waits_too() -> None:
    clock = VirtualClock()
    target = Target(clock, *[ConnectionError()] * 9)
    result = await finish(clock, with_retry(target, STEADY, clock=clock, timeout=2.5))
    assert target.calls == [0.0, 1.0]
    assert result.error_type is ErrorType.NETWORK


async def test_an_outer_cancellation_reaches_an_operation_under_a_timeout() -> None:
    clock = VirtualClock()
    cleaned: list[str] = []

    async def hang() -> None:
        try:
            await clock.sleep(1000)
        finally:
            cleaned.append("cleaned")

    task = asyncio.create_task(with_retry(hang, STEADY, clock=clock, timeout=100))
    await clock.advance(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["cleaned"]


def test_full_jitter_spreads_over_the_whole_delay() -> None:
    policy, rng = RetryPolicy(initial_delay=8.0, full_jitter=True), random.Random(7)
    delays = [policy.delay(1, rng) for _ in range(2000)]
    assert min(delays) < 0.1
    assert max(delays) > 7.9
    assert sum(delays) / len(delays) == pytest.approx(4.0, abs=0.2)


async def test_entries_of_ones_own_go_before_the_table() -> None:
    errors = Classifier()
    errors.add(SuspendedError, ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION)
    errors.add(r"ora-0?3113", ErrorType.NETWORK)
    assert errors(SuspendedError("x")).category is ErrorCategory.AUTHENTICATION
    assert errors(ValueError("ORA-03113: end of file")).type is ErrorType.NETWORK
    assert errors(ValueError("ORA-1")).type is ErrorType.PERMANENT
    errors.add(SuspendedError, ErrorType.TRANSIENT)
    assert errors(SuspendedError("x")).type is ErrorType.TRANSIENT
    clock = VirtualClock()
    target = Target(clock, SuspendedError())
    assert (await finish(clock, with_retry(target, STEADY, clock=clock, classifier=errors))).attempts == 2


async def test_each_operation_is_under_its_own_policy_or_the_common_one() -> None:
    clock = VirtualClock()
    retries = operations(clock, quick=FAST)
    assert (retries.policy("quick"), retries.policy("other")) == (FAST, STEADY)
    retries.configure(AGGRESSIVE)
    retries.configure(STEADY, "quick")
    assert (retries.policy("quick"), retries.policy("other")) == (STEADY, AGGRESSIVE)


async def test_statistics_tell_what_retrying_was_good_for() -> None:
    clock = VirtualClock()
    retries = operations(clock)
    await finish(clock, retries.call("read", Target(clock)))
    await finish(clock, retries.call("read", Target(clock, TimeoutError())))
    await finish(clock, retries.call("read", Target(clock, ValueError())))
    known = retries.statistics()["read"]
    assert (known.calls, known.attempts, known.successes, known.recovered) == (3, 4, 2, 1)
    assert (known.failures, known.retries, known.waited, known.duration) == (1, 1, 1.0, 1.0)
    assert known.errors == {ErrorType.TIMEOUT: 1, ErrorType.PERMANENT: 1}


async def test_statistics_are_bounded() -> None:
    clock = VirtualClock()
    retries = operations(clock)
    for number in range(OPERATION_LIMIT + 5):
        await retries.call(str(number), Target(clock))
    assert len(retries.statistics()) == OPERATION_LIMIT
    assert "0" not in retries.statistics()


async def test_a_decorated_function_returns_or_raises_its_last_error() -> None:
    clock = VirtualClock()
    retries = operations(clock)
    seen: list[int] = []

    @retries.retried("double")
    async def double(number: int, *, fails: int = 0) -> int:
        """Twice as much."""
        seen.append(number)
        if len(seen) <= fails:
            raise ConnectionError(f"no {len(seen)}")
        return 2 * number

    assert await finish(clock, double(21, fails=1)) == 42
    assert double.__doc__ == "Twice as much."
    seen.clear()
    with pytest.raises(ConnectionError, match="no 3"):
        await finish(clock, double(1, fails=9))


async def test_the_context_form_tries_a_block_again() -> None:
    clock = VirtualClock()
    retries = operations(clock)
    target = Target(clock, TimeoutError(), TimeoutError())

    async def block() -> str:
        async for attempt in retries.attempts("block"):
            with attempt:
                answer = await target()
        return f"{answer} after {attempt.number}"

    assert await finish(clock, block()) == "answer after 3"
    assert target.calls == [0.0, 1.0, 3.0]
    assert retries.statistics()["block"].recovered == 1


@pytest.mark.parametrize(("timeout", "calls"), [(None, [0.0, 1.0, 3.0]), (2.0, [0.0, 1.0])])
async def test_the_context_form_gives_up_with_the_last_error(
    timeout: float | None, calls: list[float]
) -> None:
    clock = VirtualClock()
    retries, target = operations(clock), Target(clock, *[TimeoutError("silent")] * 9)

    async def block() -> None:
        async for attempt in retries.attempts("block", timeout=timeout):
            with attempt:
                await target()

    with pytest.raises(TimeoutError, match="silent"):
        await finish(clock, block())
    assert target.calls == calls
    assert retries.statistics()["block"].failures == 1


async def test_the_context_form_lets_cancellation_through() -> None:
    clock = VirtualClock()
    retries = operations(clock)

    async def block() -> None:
        async for attempt in retries.attempts("block"):
            with attempt:
                await clock.sleep(1000)

    task = asyncio.create_task(block())
    await clock.advance(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_an_attempt_that_is_not_entered_is_a_mistake() -> None:
    with pytest.raises(RuntimeError, match="with attempt"):
        async for _ in operations(VirtualClock()).attempts("block"):
            pass
