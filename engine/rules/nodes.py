"""The parts an expression is made of once it has been read and checked."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.model import Scalar
from engine.patterns import found
from engine.rules.metrics import compare, is_number


class Sample(Protocol):
    """Numbers of a window."""

    @property
    def in_order(self) -> Sequence[float]: ...

    @property
    def delta(self) -> float | None: ...


class Scope(Protocol):
    """Where an expression takes its values from; None is unknown."""

    def metric(self, name: str) -> Scalar: ...

    def sample(self, name: str) -> Sample | None:
        """The metric of each execution, or the points of a series, in the window."""
        ...

    def count(self, name: str | None) -> int | None:
        """How many executions, or points of a series, are in the window."""
        ...

    def age(self, name: str | None) -> float | None:
        """Seconds since the last execution ended, or since a series' newest point."""
        ...

    def rate(self, test: Node) -> float | None:
        """Percent of executions in the window that meet `test`."""
        ...


class Node(Protocol):
    """One part: gives a number, a text or a truth value, or None for unknown."""

    def evaluate(self, scope: Scope) -> Scalar: ...

    def __hash__(self) -> int: ...


def all_of(results: Iterable[bool | None]) -> bool | None:
    """Kleene's AND: one false decides, else one unknown leaves it open."""
    verdict: bool | None = True
    for result in results:
        if result is False:
            return False
        if result is None:
            verdict = None
    return verdict


def any_of(results: Iterable[bool | None]) -> bool | None:
    """Kleene's OR: one true decides, else one unknown leaves it open."""
    return negation(all_of(negation(result) for result in results))


def negation(result: bool | None) -> bool | None:
    """Kleene's NOT: unknown stays unknown."""
    return None if result is None else not result


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value at `share` (0–1) of values in their order, interpolated; None without values."""
    if not ordered:
        return None
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
REDUCERS: dict[str, Callable[[Sample], float | None]] = {
    "avg": lambda sample: sum(sample.in_order) / len(sample.in_order) if sample.in_order else None,
    "min": lambda sample: sample.in_order[0] if sample.in_order else None,
    "max": lambda sample: sample.in_order[-1] if sample.in_order else None,
    "p50": lambda sample: percentile(sample.in_order, 0.50),
    "p95": lambda sample: percentile(sample.in_order, 0.95),
    "p99": lambda sample: percentile(sample.in_order, 0.99),
    "delta": lambda sample: sample.delta,
}


@dataclass(frozen=True, slots=True)
class Constant:
    value: float | str

    def evaluate(self, scope: Scope) -> Scalar:
        return self.value


@dataclass(frozen=True, slots=True)
class Metric:
    name: str

    def evaluate(self, scope: Scope) -> Scalar:
        return scope.metric(self.name)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    sign: str
    left: Node
    right: Node

    def evaluate(self, scope: Scope) -> Scalar:
        left, right = self.left.evaluate(scope), self.right.evaluate(scope)
        if not (is_number(left) and is_number(right)):
            return None
        assert isinstance(left, (int, float))
        assert isinstance(right, (int, float))
        try:
            result = ARITHMETIC[self.sign](float(left), float(right))
        except ZeroDivisionError:
            return None
        return result if math.isfinite(result) else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first sign other [sign other …]`: every neighbouring pair must hold."""

    first: Node
    rest: tuple[tuple[str, Node], ...]

    def evaluate(self, scope: Scope) -> bool | None:
        left = self.first.evaluate(scope)
        if len(self.rest) == 1:
            sign, node = self.rest[0]
            return compare(left, sign, node.evaluate(scope))
        verdicts: list[bool | None] = []
        for sign, node in self.rest:
            right = node.evaluate(scope)
            verdicts.append(compare(left, sign, right))
            left = right
        return all_of(verdicts)


@dataclass(frozen=True, slots=True)
class Logic:
    conjunction: bool
    parts: tuple[Node, ...]

    def evaluate(self, scope: Scope) -> bool | None:
        results = [truth(part.evaluate(scope)) for part in self.parts]
        return all_of(results) if self.conjunction else any_of(results)


@dataclass(frozen=True, slots=True)
class Not:
    part: Node

    def evaluate(self, scope: Scope) -> bool | None:
        return negation(truth(self.part.evaluate(scope)))


@dataclass(frozen=True, slots=True)
class Reduce:
    function: str
    metric: str

    def evaluate(self, scope: Scope) -> Scalar:
        sample = scope.sample(self.metric)
        value = REDUCERS[self.function](sample) if sample is not None else None
        return value if is_number(value) else None


@dataclass(frozen=True, slots=True)
class Count:
    series: str | None = None

    def evaluate(self, scope: Scope) -> Scalar:
        return scope.count(self.series)


@dataclass(frozen=True, slots=True)
class Age:
    series: str | None = None

    def evaluate(self, scope: Scope) -> Scalar:
        return scope.age(self.series)


@dataclass(frozen=True, slots=True)
class Rate:
    test: Node

    def evaluate(self, scope: Scope) -> Scalar:
        return scope.rate(self.test)


@dataclass(frozen=True, slots=True)
class Matches:
    metric: str
    pattern: str

    def evaluate(self, scope: Scope) -> bool | None:
        text = scope.metric(self.metric)
        return found(self.pattern, text) if isinstance(text, str) else None


def truth(value: Scalar) -> bool | None:
    """A truth value as it is; anything else is unknown."""
    return value if isinstance(value, bool) else None
