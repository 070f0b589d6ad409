"""Row 63: retry, breaker, deadline and cancellation together do what a small model of them does."""

import asyncio
import heapq
import itertools
import math
from collections.abc import Generator
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.clock import VirtualClock, settle
from engine.model import BreakerState, ErrorType, Failure
from engine.resilience.breaker import Breaker, BreakerPolicy
from engine.resilience.retry import RetryPolicy, RetryResult, with_retry
from tests.effort import tried

ATTEMPTS, THRESHOLD, RESET = 3, 3, 16.0
Script = tuple[tuple[float, bool], ...]
Ending = tuple[str, int]


@dataclass(frozen=True)
class Plan:
    """A call: for each attempt its seconds and whether it works; and its time, after which it is cut off."""

    number: int
    script: Script
    time: float
    is_cut_off: bool


class Model:
    """What should happen, in as few words as possible: one thing after the other on one time line."""

    def __init__(self) -> None:
        self.now = self.since = 0.0
        self.state, self.failures, self.generation = "CLOSED", 0, 0
        self.hits: list[tuple[int, float]] = []
        self.endings: dict[int, Ending] = {}
        self.running: dict[int, Generator[float, None, Ending]] = {}
        self.events: list[tuple[float, int, int]] = []
        self.order = itertools.count()

    def call(self, plan: Plan) -> Generator[float, None, Ending]:
        end = self.now + plan.time
        for attempt, (seconds, works) in enumerate(plan.script, 1):
            generation = self.admit()
            if generation is None:
                return "refused", attempt
            self.hits.append((plan.number, self.now))
            is_cut = plan.is_cut_off and self.now + seconds > end
            try:
                yield end - self.now if is_cut else seconds
            except GeneratorExit:
                self.report(generation, None)
                raise
            self.report(generation, None if is_cut else works)
            if works and not is_cut:
                return "success", attempt
            delay = 2.0 ** (attempt - 1)
            if attempt == ATTEMPTS or self.now + delay >= end:
                return "failure", attempt
            yield delay
        raise AssertionError

    def admit(self) -> int | None:
        if self.state != "CLOSED":
            if self.now - self.since < RESET:
                return None
            self.enter("HALF_OPEN")
        return self.generation

    def report(self, generation: int, works: bool | None) -> None:
        if generation != self.generation:
            return
        self.failures = 0 if works else self.failures + (works is False)
        if works and self.state == "HALF_OPEN":
            self.enter("CLOSED")
        elif works is False and (self.state == "HALF_OPEN" or self.failures >= THRESHOLD):
            self.enter("OPEN")
        elif works is None and self.state == "HALF_OPEN":
            self.enter("OPEN")
            self.since -= RESET

    def enter(self, state: str) -> None:
        self.state, self.since, self.generation = state, self.now, self.generation + 1

    def start(self, plan: Plan) -> None:
        self.running[plan.number] = self.call(plan)
        self.resume(plan.number)

    def resume(self, number: int) -> None:
        try:
            wait = next(self.running[number])
            heapq.heappush(self.events, (self.now + wait, next(self.order), number))
        except StopIteration as ended:
            self.endings[number] = ended.value
            del self.running[number]

    def cancel(self, number: int) -> None:
        self.running.pop(number).close()
        self.endings[number] = "cancelled", 0

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self.events and self.events[0][0] <= end:
            self.now, _, number = heapq.heappop(self.events)
            if number in self.running:
                self.resume(number)
        self.now = end


class RefusedError(Exception):
    failure = Failure("the breaker is open", ErrorType.PERMANENT)


class System:
    """What does happen."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.breaker = Breaker("target", BreakerPolicy(THRESHOLD, RESET), self.clock)
        self.hits: list[tuple[int, float]] = []
        self.tasks: dict[int, asyncio.Task[RetryResult[None]]] = {}

    async def start(self, plan: Plan) -> None:
        script = iter(plan.script)

        async def attempt() -> None:
            permit = self.breaker.admit()
            if permit is None:
                raise RefusedError
            with permit:
                self.hits.append((plan.number, self.clock.monotonic()))
                seconds, works = next(script)
                await self.clock.sleep(seconds)
                if not works:
                    permit.failure()
                    raise ConnectionError
                permit.success()

        policy = RetryPolicy(ATTEMPTS, initial_delay=1.0, multiplier=2.0, jitter=0.0)
        end = self.clock.monotonic() + plan.time
        work = with_retry(
            attempt,
            policy,
            clock=self.clock,
            deadline=None if plan.is_cut_off else end,
            timeout=plan.time if plan.is_cut_off else None,
        )
        self.tasks[plan.number] = asyncio.create_task(work)
        await settle()

    async def cancel(self, number: int) -> None:
        self.tasks[number].cancel()
        await settle()

    def endings(self) -> dict[int, Ending]:
        return {number: _ending(task) for number, task in self.tasks.items() if task.done()}


def _ending(task: asyncio.Task[RetryResult[None]]) -> Ending:
    if task.cancelled():
        return "cancelled", 0
    result = task.result()
    if isinstance(result.error, RefusedError):
        return "refused", result.attempts
    return "success" if result.success else "failure", result.attempts


class Comparison(RuleBasedStateMachine):
    """The same calls, cancellations and passing of time for both."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model = Model()
        self.system = System()
        self.numbers = itertools.count(1)

    def teardown(self) -> None:
        for number in list(self.model.running):
            self.loop.run_until_complete(self.system.cancel(number))
        assert not asyncio.all_tasks(self.loop)
        self.loop.close()

    @rule(
        script=st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=3, max_size=3),
        time=st.one_of(st.just(math.inf), st.integers(1, 30)),
        is_cut_off=st.booleans(),
    )
    def start(self, script: list[tuple[int, bool]], time: float, is_cut_off: bool) -> None:
        number = next(self.numbers)
        # Binary fractions of its own: no two events of two calls meet, and sums are exact.
        odd = number / 1024
        steps = tuple((seconds + odd, works) for seconds, works in script)
        plan = Plan(number, steps, time + odd / 2, is_cut_off and time < math.inf)
        self.model.start(plan)
        self.loop.run_until_complete(self.system.start(plan))

    @precondition(lambda self: self.model.running)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.running)))
        self.model.cancel(number)
        self.loop.run_until_complete(self.system.cancel(number))

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 7.0, RESET, 40.0]))
    def wait(self, seconds: float) -> None:
        self.model.advance(seconds)
        self.loop.run_until_complete(self.system.clock.advance(seconds))

    @invariant()
    def they_agree(self) -> None:
        assert self.system.breaker.state is BreakerState(self.model.state)
        assert self.system.hits == self.model.hits
        assert self.system.endings() == self.model.endings


TestComparison = Comparison.TestCase
TestComparison.settings = settings(
    max_examples=tried(40, 400), stateful_step_count=tried(30, 40), deadline=None
)
