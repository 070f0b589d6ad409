"""Where expressions take their values from: the window of a subject, or a single execution."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from engine.model import Execution, Scalar
from engine.rules.metrics import (
    EXECUTION_METRICS,
    Facts,
    execution_value,
    is_number,
    reader_of,
    value_of,
)
from engine.rules.nodes import Node, Sample, truth
from engine.rules.series import PREFIX
from engine.rules.tallies import Numbers
from engine.rules.window import WorkflowWindow


class WindowScope:
    """An expression's view of the facts, looking back `span` seconds."""

    def __init__(self, facts: Facts, now: float, span: float) -> None:
        self._facts = facts
        self._now = now
        self._span = span
        self._samples: dict[str, Sample | None] = {}

    def metric(self, name: str) -> Scalar:
        return value_of(name, self._facts, self._now, self._span)

    def sample(self, name: str) -> Sample | None:
        if name not in self._samples:
            self._samples[name] = self._sample(name)
        return self._samples[name]

    def _sample(self, name: str) -> Sample | None:
        if name.startswith(PREFIX):
            series = self._facts.series(name, {})
            return series.numbers("value", float, self._now, self._span) if series else None
        window = self._facts.window
        return numbers_of(window, name, self._now, self._span) if window else None

    def count(self, name: str | None) -> int | None:
        if name is not None:
            sample = self.sample(name)
            return len(sample.in_order) if sample else None
        window = self._facts.window
        return window.count(self._now, self._span) if window and window.known else None

    def age(self, name: str | None) -> float | None:
        if name is not None:
            series = self._facts.series(name, {})
            return max(self._now - series.at, 0.0) if series else None
        window = self._facts.window
        latest = window.latest if window and window.known else None
        return None if latest is None else max(self._now - latest.ended_at, 0.0)

    def rate(self, test: Node) -> float | None:
        window = self._facts.window
        if window is None:
            return None
        hits, total = window.share(test, meeting(test), self._now, self._span)
        return 100.0 * hits / total if total else None


class ExecutionScope:
    """A single execution; the language allows nothing inside `rate()` that looks further."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def metric(self, name: str) -> Scalar:
        return execution_value(name, self._execution)

    def sample(self, name: str) -> Sample | None:
        return None

    def count(self, name: str | None) -> int | None:
        return None

    def age(self, name: str | None) -> float | None:
        return None

    def rate(self, test: Node) -> float | None:
        return None


def meeting(test: Node) -> Callable[[Execution], bool | None]:
    """Whether an execution meets a test of the rule language."""
    return lambda execution: truth(test.evaluate(ExecutionScope(execution)))


def numbers_of(window: WorkflowWindow, metric: str, now: float, span: float) -> Numbers[Execution]:
    """A metric of each execution of the last `span` seconds; what is no finite number is left out."""
    return window.numbers(metric, _number(metric), now, span)


@lru_cache(maxsize=len(EXECUTION_METRICS))
def _number(metric: str) -> Callable[[Execution], float | None]:
    read = reader_of(metric)

    def number(execution: Execution) -> float | None:
        value = read(execution)
        return float(value) if isinstance(value, (int, float)) and is_number(value) else None

    return number
