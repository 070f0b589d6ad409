import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from engine.clock import VirtualClock
from engine.model import BreakerState
from engine.resilience.breaker import Breaker, BreakerChange, Breakers, Permit

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        permit = breaker.admit()
        assert permit is not None
        permit.failure()


def trial(breaker: Breaker) -> Permit:
    permit = breaker.admit()
    assert permit is not None
    return permit


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def breaker(clock: VirtualClock) -> Breaker:
    return Breaker("target", 3, 60.0, clock)


def test_it_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    trial(breaker).success()
    fail(breaker, 2)
    assert breaker.state is CLOSED
    fail(breaker, 1)
    assert breaker.state is OPEN
    assert breaker.admit() is None


async def test_after_reset_one_trial_decides(breaker: Breaker, clock: VirtualClock) -> None:
    fail(breaker, 3)
    await clock.advance(59.9)
    assert breaker.admit() is None
    await clock.advance(0.1)
    permit = trial(breaker)
    assert breaker.state is HALF_OPEN
    permit.failure()
    assert breaker.state is OPEN
    assert breaker.admit() is None
    await clock.advance(60)
    trial(breaker).success()
    assert breaker.state is CLOSED
    fail(breaker, 2)
    assert breaker.state is CLOSED


async def test_fifty_concurrent_calls_reach_the_target_once(breaker: Breaker, clock: VirtualClock) -> None:
    fail(breaker, 3)
    await clock.advance(60)
    hits = 0

    async def call() -> None:
        nonlocal hits
        permit = breaker.admit()
        if permit is None:
            return
        with permit:
            hits += 1
            await clock.sleep(1)
            permit.failure()

    calls = asyncio.gather(*(call() for _ in range(50)))
    await clock.advance(2)
    await calls
    assert hits == 1
    assert breaker.state is OPEN


async def test_a_cancelled_trial_frees_its_place(breaker: Breaker, clock: VirtualClock) -> None:
    fail(breaker, 3)
    await clock.advance(60)

    async def call() -> None:
        with trial(breaker):
            await clock.sleep(1000)

    task = asyncio.create_task(call())
    await clock.advance(1)
    assert breaker.admit() is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    trial(breaker).success()
    assert breaker.state is CLOSED


async def test_a_lost_trial_is_replaced_and_its_late_result_changes_nothing(
    breaker: Breaker, clock: VirtualClock
) -> None:
    fail(breaker, 3)
    await clock.advance(60)
    lost = trial(breaker)
    await clock.advance(60)
    second = trial(breaker)
    lost.success()
    assert breaker.state is HALF_OPEN
    second.failure()
    lost.success()
    assert breaker.state is OPEN


def test_a_result_from_before_the_opening_changes_nothing(breaker: Breaker) -> None:
    early, late = trial(breaker), trial(breaker)
    fail(breaker, 3)
    early.success()
    late.failure()
    assert breaker.state is OPEN


def test_a_permit_counts_once(breaker: Breaker) -> None:
    permit = trial(breaker)
    for _ in range(10):
        permit.failure()
    assert breaker.state is CLOSED


async def test_changes_are_told(clock: VirtualClock) -> None:
    changes: list[BreakerChange] = []
    breaker = Breaker("t", 1, 10.0, clock, changes.append)
    fail(breaker, 1)
    await clock.advance(10)
    trial(breaker).success()
    assert [(change.before, change.after) for change in changes] == [
        (CLOSED, OPEN),
        (OPEN, HALF_OPEN),
        (HALF_OPEN, CLOSED),
    ]


def test_the_registry_is_bounded_and_shows_the_worst_state(clock: VirtualClock) -> None:
    breakers = Breakers(clock, limit=3)
    for number in range(5):
        breakers.get(f"t{number}", 5, 60.0)
        breakers.get("t0", 5, 60.0)
    assert set(breakers.states()) == {"t0", "t3", "t4"}
    fail(breakers.get("t4", 1, 60.0), 1)
    assert breakers.states()["t4"] is OPEN
    assert breakers.get("t4", 1, 60.0) is not breakers.get("t4", 5, 60.0)


class BreakerMachine(RuleBasedStateMachine):
    """Calls, results in any order, and time: at most one live trial, and never a breaker that sticks."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = VirtualClock()
        self.breaker = Breaker("t", 3, 60.0, self.clock)
        self.permits: list[Permit] = []
        self.trial_until = 0.0

    def teardown(self) -> None:
        self.loop.close()

    @rule()
    def admit(self) -> None:
        was_trying = self.breaker.state is HALF_OPEN
        permit = self.breaker.admit()
        if permit is None:
            return
        if was_trying:
            assert self.clock.monotonic() >= self.trial_until
        self.trial_until = self.clock.monotonic() + 60.0
        self.permits.append(permit)

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), result=st.sampled_from(["success", "failure", "release"]))
    def report(self, data: st.DataObject, result: str) -> None:
        index = data.draw(st.integers(0, len(self.permits) - 1))
        getattr(self.permits.pop(index), result)()

    @rule(seconds=st.sampled_from([1.0, 30.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @rule()
    def wait_long(self) -> None:
        self.loop.run_until_complete(self.clock.advance(60.0))
        assert not self.breaker.is_refusing


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
