"""Circuit breakers: a target that keeps failing is left alone, then tried by exactly one caller.

Everything is synchronous and belongs to one event loop; no locks are needed. A caller asks `admit()` and
reports through the permit it gets. Each permit is fenced by the breaker's generation, which grows with every
change of state: a result that arrives after the world has moved on changes nothing.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType

from engine.clock import Clock
from engine.model import BreakerMemory, BreakerState, BreakerStatus

BREAKER_LIMIT = 10_000
CALL_LIMIT = 10_000
"""Results that a breaker with a rate remembers at most."""
_ORDER = (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, and for how long.

    Args:
        threshold: failures in a row that open it, when `failure_rate` is None.
        reset: seconds after which an open breaker lets one trial through; a trial that has not reported
            within another `reset` seconds counts as lost and the next caller becomes the trial.
        failure_rate: percent of the calls of the last `window` seconds that open it when they failed, once
            there are `min_calls` of them.
    """

    threshold: int = 5
    reset: float = 60.0
    failure_rate: float | None = None
    window: float = 60.0
    min_calls: int = 10

    @property
    def key(self) -> str:
        """The same for equal policies, also after a restart."""
        rate = "" if self.failure_rate is None else f" {self.failure_rate:g} {self.window:g} {self.min_calls}"
        return f"{self.threshold} {self.reset:g}{rate}"


@dataclass(frozen=True, slots=True)
class BreakerChange:
    """A breaker went from one state to another.

    `failures` in a row led to it, or of the last `calls` ones when the policy goes by rate; `reset` is in
    seconds; `memory` is what to keep for a restart.
    """

    target: str
    before: BreakerState
    after: BreakerState
    failures: int
    reset: float
    memory: BreakerMemory
    calls: int | None = None


OnChange = Callable[[BreakerChange], object]


class Permit:
    """Leave to call the target once: report `success()` or `failure()`; the end of the block releases it."""

    __slots__ = ("_breaker", "_generation")

    def __init__(self, breaker: Breaker, generation: int) -> None:
        self._breaker: Breaker | None = breaker
        self._generation = generation

    def success(self) -> None:
        """The target is well."""
        if breaker := self._settle():
            breaker._succeeded()

    def failure(self) -> None:
        """The target is unwell."""
        if breaker := self._settle():
            breaker._failed()

    def release(self) -> None:
        """The call was given up or said nothing about the target."""
        if breaker := self._settle():
            breaker._released()

    def _settle(self) -> Breaker | None:
        breaker, self._breaker = self._breaker, None
        return breaker if breaker is not None and breaker._generation == self._generation else None

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


class Breaker:
    """The breaker of one target."""

    def __init__(
        self, target: str, policy: BreakerPolicy, clock: Clock, on_change: OnChange | None = None
    ) -> None:
        self.target = target
        self.policy = policy
        self._clock = clock
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._generation = 0
        self._failures = 0
        self._calls: deque[tuple[float, bool]] = deque()
        self._failed_calls = 0
        self._since = 0.0
        self._changed_at: float | None = None

    @property
    def state(self) -> BreakerState:
        return self._state

    @property
    def is_refusing(self) -> bool:
        """Whether `admit()` would refuse now."""
        return (
            self._state is not BreakerState.CLOSED
            and self._clock.monotonic() - self._since < self.policy.reset
        )

    @property
    def status(self) -> BreakerStatus:
        """How it stands now."""
        trial_at = None
        if self._state is not BreakerState.CLOSED:
            left = self._since + self.policy.reset - self._clock.monotonic()
            trial_at = self._clock.now() + max(left, 0.0)
        return BreakerStatus(self.target, self._state, self._failures, self._changed_at, trial_at)

    def admit(self) -> Permit | None:
        """A permit, or None when the target is to be left alone."""
        if self._state is not BreakerState.CLOSED:
            if self.is_refusing:
                return None
            self._enter(BreakerState.HALF_OPEN)
        return Permit(self, self._generation)

    def reset(self) -> None:
        """Close it by hand, whatever it has seen; results still to come change nothing."""
        self._failures = 0
        self._enter(BreakerState.CLOSED)

    def recall(self, memory: BreakerMemory) -> None:
        """Go on where an earlier run ended; a trial of that time is lost, and its place is free."""
        served = max(self._clock.now() - memory.since, 0.0)
        self._state = BreakerState.OPEN
        self._failures = memory.failures
        self._changed_at = memory.since
        lost = memory.state is BreakerState.HALF_OPEN
        self._since = self._clock.monotonic() - (self.policy.reset if lost else served)

    def _succeeded(self) -> None:
        self._failures = 0
        if self._state is not BreakerState.CLOSED:
            self._enter(BreakerState.CLOSED)
        else:
            self._count(False)

    def _failed(self) -> None:
        self._failures += 1
        if self._state is BreakerState.CLOSED:
            self._count(True)
        if self._state is BreakerState.HALF_OPEN or self._is_too_much():
            self._enter(BreakerState.OPEN)

    def _released(self) -> None:
        if self._state is BreakerState.HALF_OPEN:
            # The waiting time has been served already: the next caller may be the trial at once.
            self._enter(BreakerState.OPEN)
            self._since -= self.policy.reset

    def _count(self, failed: bool) -> None:
        if self.policy.failure_rate is None:
            return
        now = self._clock.monotonic()
        self._calls.append((now, failed))
        self._failed_calls += failed
        while self._calls[0][0] < now - self.policy.window or len(self._calls) > CALL_LIMIT:
            self._failed_calls -= self._calls.popleft()[1]

    def _is_too_much(self) -> bool:
        rate = self.policy.failure_rate
        if rate is None:
            return self._failures >= self.policy.threshold
        total = len(self._calls)
        return total >= self.policy.min_calls and 100.0 * self._failed_calls / total >= rate

    def _enter(self, state: BreakerState) -> None:
        before, self._state = self._state, state
        self._generation += 1
        self._since = self._clock.monotonic()
        if before is not state:
            self._changed_at = self._clock.now()
        by_rate = self.policy.failure_rate is not None and before is BreakerState.CLOSED
        failures = self._failed_calls if by_rate else self._failures
        calls = len(self._calls) if by_rate else None
        self._calls.clear()
        self._failed_calls = 0
        if self._on_change is not None and before is not state:
            memory = BreakerMemory(self.target, self.policy.key, state, failures, self._clock.now())
            change = BreakerChange(self.target, before, state, failures, self.policy.reset, memory, calls)
            self._on_change(change)


class Breakers:
    """The breakers of all targets, made on demand; the least recently used go beyond `limit`.

    Workflows that give the same target different policies have breakers of their own.

    Args:
        known: what an earlier run left; a breaker is as it was then when its target is first asked for.
    """

    def __init__(
        self,
        clock: Clock,
        on_change: OnChange | None = None,
        limit: int = BREAKER_LIMIT,
        known: Iterable[BreakerMemory] = (),
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self._limit = limit
        self._breakers: OrderedDict[tuple[str, BreakerPolicy], Breaker] = OrderedDict()
        self._memories = {
            (memory.target, memory.policy): memory
            for memory in known
            if memory.state is not BreakerState.CLOSED
        }

    def get(self, target: str, policy: BreakerPolicy) -> Breaker:
        """The breaker of `target` under this policy."""
        key = (target, policy)
        breaker = self._breakers.get(key)
        if breaker is None:
            breaker = self._breakers[key] = Breaker(target, policy, self._clock, self._on_change)
            if memory := self._memories.pop((target, policy.key), None):
                breaker.recall(memory)
            if len(self._breakers) > self._limit:
                self._breakers.popitem(last=False)
        else:
            self._breakers.move_to_end(key)
        return breaker

    def reset(self, target: str) -> bool:
        """Close the breakers of `target` by hand; False when there is none."""
        found = [breaker for breaker in self._breakers.values() if breaker.target == target]
        for breaker in found:
            breaker.reset()
        # One that was open in an earlier run and has not been asked for since.
        kept = [key for key in self._memories if key[0] == target]
        for key in kept:
            memory = self._memories.pop(key)
            if self._on_change is not None:
                closed = BreakerMemory(target, memory.policy, BreakerState.CLOSED, 0, self._clock.now())
                self._on_change(BreakerChange(target, memory.state, BreakerState.CLOSED, 0, 0.0, closed))
        return bool(found or kept)

    def states(self) -> dict[str, BreakerState]:
        """The state of each target, the worst one where policies differ."""
        states: dict[str, BreakerState] = {}
        for breaker in self._breakers.values():
            states[breaker.target] = worst((states.get(breaker.target), breaker.state))
        return states

    def statuses(self) -> tuple[BreakerStatus, ...]:
        """Every breaker, those that let least through first, then by target."""
        found = [breaker.status for breaker in self._breakers.values()]
        found += [BreakerStatus.remembered(memory) for memory in self._memories.values()]
        return tuple(sorted(found, key=lambda one: (-_ORDER.index(one.state), one.target)))


def worst(states: Iterable[BreakerState | None]) -> BreakerState:
    """OPEN before HALF_OPEN before CLOSED; CLOSED when there is none."""
    return max(
        (state for state in states if state is not None), key=_ORDER.index, default=BreakerState.CLOSED
    )
