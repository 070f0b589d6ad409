"""Circuit breakers: a target that keeps failing is left alone, then tried by exactly one caller.

Everything is synchronous and belongs to one event loop; no locks are needed. A caller asks `admit()` and
reports through the permit it gets. Each permit is fenced by the breaker's generation, which grows with every
change of state: a result that arrives after the world has moved on changes nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from engine.clock import Clock
from engine.model import BreakerState

BREAKER_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class BreakerChange:
    """A breaker went from one state to another; `failures` in a row led to it, `reset` is in seconds."""

    target: str
    before: BreakerState
    after: BreakerState
    failures: int
    reset: float


OnChange = Callable[[BreakerChange], None]


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
    """The breaker of one target.

    Args:
        threshold: failures in a row that open it.
        reset: seconds after which an open breaker lets one trial through; a trial that has not reported
            within another `reset` seconds counts as lost and the next caller becomes the trial.
    """

    def __init__(
        self, target: str, threshold: int, reset: float, clock: Clock, on_change: OnChange | None = None
    ) -> None:
        self.target = target
        self._threshold = threshold
        self._reset = reset
        self._clock = clock
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._generation = 0
        self._failures = 0
        self._since = 0.0

    @property
    def state(self) -> BreakerState:
        return self._state

    @property
    def is_refusing(self) -> bool:
        """Whether `admit()` would refuse now."""
        return self._state is not BreakerState.CLOSED and self._clock.monotonic() - self._since < self._reset

    def admit(self) -> Permit | None:
        """A permit, or None when the target is to be left alone."""
        if self._state is not BreakerState.CLOSED:
            if self.is_refusing:
                return None
            self._enter(BreakerState.HALF_OPEN)
        return Permit(self, self._generation)

    def _succeeded(self) -> None:
        self._failures = 0
        if self._state is not BreakerState.CLOSED:
            self._enter(BreakerState.CLOSED)

    def _failed(self) -> None:
        self._failures += 1
        if self._state is BreakerState.HALF_OPEN or self._failures >= self._threshold:
            self._enter(BreakerState.OPEN)

    def _released(self) -> None:
        if self._state is BreakerState.HALF_OPEN:
            # The waiting time has been served already: the next caller may be the trial at once.
            self._enter(BreakerState.OPEN)
            self._since -= self._reset

    def _enter(self, state: BreakerState) -> None:
        before, self._state = self._state, state
        self._generation += 1
        self._since = self._clock.monotonic()
        if self._on_change is not None and before is not state:
            self._on_change(BreakerChange(self.target, before, state, self._failures, self._reset))


class Breakers:
    """The breakers of all targets, made on demand; the least recently used go beyond `limit`.

    Workflows that give the same target different settings have breakers of their own.
    """

    def __init__(self, clock: Clock, on_change: OnChange | None = None, limit: int = BREAKER_LIMIT) -> None:
        self._clock = clock
        self._on_change = on_change
        self._limit = limit
        self._known: OrderedDict[tuple[str, int, float], Breaker] = OrderedDict()

    def get(self, target: str, threshold: int, reset: float) -> Breaker:
        """The breaker of `target` with these settings."""
        key = (target, threshold, reset)
        breaker = self._known.get(key)
        if breaker is None:
            breaker = self._known[key] = Breaker(target, threshold, reset, self._clock, self._on_change)
            if len(self._known) > self._limit:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return breaker

    def states(self) -> dict[str, BreakerState]:
        """The state of each target, the worst one where settings differ."""
        order = (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)
        states: dict[str, BreakerState] = {}
        for breaker in self._known.values():
            known = states.get(breaker.target, BreakerState.CLOSED)
            states[breaker.target] = max(known, breaker.state, key=order.index)
        return states
