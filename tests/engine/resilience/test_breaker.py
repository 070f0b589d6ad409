import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from engine.clock import VirtualClock
from engine.model import BreakerMemory, BreakerState, BreakerStatus
from engine.resilience.breaker import Breaker, BreakerChange, BreakerPolicy, Breakers, Permit
from tests.effort import tried

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
    return Breaker("target", BreakerPolicy(3), clock)


def test_it_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    trial(breaker).success()
    fail(breaker, 2)
    assert breaker.state is CLOSED
    fail(breaker, 1)
    assert breaker.state is OPEN
    assert breaker.admit() is None


async def test_its_status_tells_since_when_and_when_the_trial_is_due(
    breaker: Breaker, clock: VirtualClock
) -> None:
    began = clock.now()
    assert breaker.status == BreakerStatus("target", CLOSED)
    await clock.advance(10)
    fail(breaker, 3)
    assert breaker.status == BreakerStatus("target", OPEN, 3, began + 10, began + 70)
    await clock.advance(61)
    assert breaker.status.trial_at == began + 71
    permit = trial(breaker)
    assert breaker.status == BreakerStatus("target", HALF_OPEN, 3, began + 71, began + 131)
    permit.release()
    assert (breaker.status.state, breaker.status.trial_at) == (OPEN, began + 71)
    trial(breaker).success()
    assert breaker.status == BreakerStatus("target", CLOSED, 0, began + 71)


async def test_statuses_begin_with_what_lets_least_through(clock: VirtualClock) -> None:
    policy = BreakerPolicy(1)
    left = BreakerMemory("z", policy.key, HALF_OPEN, 4, 100.0)
    breakers = Breakers(clock, known=[left, BreakerMemory("b", policy.key, OPEN, 2, 200.0)])
    for target in ("a", "b", "c", "d"):
        breakers.get(target, policy)
    fail(breakers.get("d", policy), 1)
    trying, asked = breakers.get("c", policy), breakers.get("b", policy)
    fail(trying, 1)
    await clock.advance(60)
    trial(trying)
    assert [(one.target, one.state) for one in breakers.statuses()] == [
        ("b", OPEN), ("d", OPEN), ("z", OPEN), ("c", HALF_OPEN), ("a", CLOSED),
    ]  # fmt: skip
    assert breakers.statuses()[2] == BreakerStatus("z", OPEN, 4, 100.0, None)
    assert asked.status.since == 200.0


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
    breaker = Breaker("t", BreakerPolicy(1, 10.0), clock, changes.append)
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
        breakers.get(f"t{number}", BreakerPolicy())
        breakers.get("t0", BreakerPolicy())
    assert set(breakers.states()) == {"t0", "t3", "t4"}
    fail(breakers.get("t4", BreakerPolicy(1)), 1)
    assert breakers.states()["t4"] is OPEN
    assert breakers.get("t4", BreakerPolicy(1)) is not breakers.get("t4", BreakerPolicy(5))


RATED = BreakerPolicy(reset=60.0, failure_rate=50.0, window=30.0, min_calls=4)


async def test_by_rate_it_opens_at_the_share_of_failed_calls_and_not_before_enough(
    clock: VirtualClock,
) -> None:
    changes: list[BreakerChange] = []
    breaker = Breaker("t", RATED, clock, changes.append)
    fail(breaker, 2)
    trial(breaker).success()
    assert breaker.state is CLOSED
    fail(breaker, 1)
    assert breaker.state is OPEN
    assert (changes[0].failures, changes[0].calls) == (3, 4)
    await clock.advance(60)
    trial(breaker).success()
    fail(breaker, 3)
    assert breaker.state is CLOSED


async def test_by_rate_old_calls_are_forgotten_and_successes_between_do_not_save_it(
    clock: VirtualClock,
) -> None:
    breaker = Breaker("t", RATED, clock)
    fail(breaker, 3)
    await clock.advance(31)
    fail(breaker, 1)
    assert breaker.state is CLOSED
    for _ in range(2):
        trial(breaker).success()
        fail(breaker, 1)
    assert breaker.state is OPEN


def test_a_reset_by_hand_closes_it_and_fences_what_is_still_at_work(clock: VirtualClock) -> None:
    changes: list[BreakerChange] = []
    breakers = Breakers(clock, changes.append)
    breaker = breakers.get("t", BreakerPolicy(2))
    late = trial(breaker)
    fail(breaker, 2)
    assert breakers.reset("t")
    assert breaker.state is CLOSED
    assert [change.after for change in changes] == [OPEN, CLOSED]
    fail(breaker, 1)
    late.failure()
    assert breaker.state is CLOSED
    assert not breakers.reset("nobody")


@pytest.mark.parametrize(("away", "refused"), [(20.0, True), (60.0, False)])
async def test_an_open_breaker_survives_a_restart_and_time_goes_on(away: float, refused: bool) -> None:
    clock = VirtualClock()
    kept: list[BreakerChange] = []
    fail(Breakers(clock, kept.append).get("t", BreakerPolicy(2)), 2)
    later = VirtualClock(clock.now() + away)
    again = Breakers(later, known=[change.memory for change in kept])
    assert (again.get("t", BreakerPolicy(2)).admit() is None) is refused
    assert again.get("t", BreakerPolicy(3)).state is CLOSED
    if refused:
        await later.advance(60 - away)
        trial(again.get("t", BreakerPolicy(2))).success()


async def test_a_trial_that_a_restart_ended_leaves_its_place_free(clock: VirtualClock) -> None:
    kept: list[BreakerChange] = []
    breaker = Breakers(clock, kept.append).get("t", BreakerPolicy(2))
    fail(breaker, 2)
    await clock.advance(60)
    trial(breaker)
    again = Breakers(VirtualClock(clock.now()), known=[kept[-1].memory]).get("t", BreakerPolicy(2))
    trial(again).failure()
    assert again.state is OPEN
    assert again.admit() is None


def test_what_is_remembered_can_be_reset_before_anybody_asks(clock: VirtualClock) -> None:
    kept: list[BreakerChange] = []
    fail(Breakers(clock, kept.append).get("t", BreakerPolicy(2)), 2)
    told: list[BreakerChange] = []
    again = Breakers(clock, told.append, known=[kept[0].memory])
    assert again.reset("t")
    assert (told[0].memory.key, told[0].memory.state) == (kept[0].memory.key, CLOSED)
    assert again.get("t", BreakerPolicy(2)).state is CLOSED


class BreakerMachine(RuleBasedStateMachine):
    """Calls, results in any order, and time: at most one live trial, and never a breaker that sticks."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = VirtualClock()
        self.breaker = Breaker("t", BreakerPolicy(3), self.clock)
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
TestBreakerMachine.settings = settings(max_examples=tried(30, 300), stateful_step_count=30, deadline=None)
