"""Decides a rule: a pure function of the rule, the facts, the time, and what DURATION conditions remember."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine.config.schema import (
    Condition,
    CustomCondition,
    DurationCondition,
    Group,
    PatternCondition,
    RateCondition,
    Rule,
    ThresholdCondition,
)
from engine.model import Execution, Scalar
from engine.model.record import record
from engine.patterns import found
from engine.rules import explain
from engine.rules.expression import parse
from engine.rules.findings import Finding
from engine.rules.metrics import (
    EXECUTION_METRICS,
    SHOWN_TEXT,
    Facts,
    compare,
    execution_value,
    is_number,
    value_of,
)
from engine.rules.nodes import Node, all_of, any_of, negation, truth
from engine.text import plain


class Held(NamedTuple):
    """Since when a comparison has been true; `certain` once it has been seen to be false before."""

    since: float | None
    certain: bool


Memory = dict[tuple[str, str, str], Held]
"""What DURATION conditions remember, by rule, place in the rule, and subject."""


@record(frozen=True, slots=True)
class Evaluation:
    """What came of one look at a rule; the words are made when they are asked for."""

    result: bool | None
    findings: tuple[Finding, ...] = ()
    logic: str = "AND"

    @property
    def value(self) -> Scalar:
        """The value that decided: of the first condition that agrees with the result."""
        value = explain.deciding(self.findings, self.result).value if self.findings else None
        return plain(value, SHOWN_TEXT) if isinstance(value, str) else value

    @property
    def threshold(self) -> str:
        """What that value was held against: `> 50 %`."""
        if not self.findings:
            return ""
        return explain.threshold(explain.deciding(self.findings, self.result).condition)

    @property
    def explanation(self) -> str:
        """All conditions with values in place: `workflow.failure_rate (62.5 %) > 50 %`."""
        return explain.joined(self.findings, " and " if self.logic == "AND" else " or ")


def evaluate(rule: Rule, facts: Facts, now: float, memory: Memory) -> Evaluation:
    """Decide `rule` for one subject at `now`.

    Every condition is looked at each time, so that those with a memory stay up to date. Unknown follows
    three-valued logic: AND is false as soon as one part is, OR true as soon as one part is.

    Args:
        memory: kept by the caller from one evaluation to the next; changed in place.

    Raises:
        ValueError: an expression or a pattern cannot be used; the configuration check finds these beforehand.
    """
    findings = _each(rule.conditions, _Look(rule.id, facts, now, memory), "")
    results = [finding.result for finding in findings]
    return Evaluation(all_of(results) if rule.logic == "AND" else any_of(results), findings, rule.logic)


class _Look(NamedTuple):
    rule_id: str
    facts: Facts
    now: float
    memory: Memory


def _each(conditions: Sequence[Condition], look: _Look, path: str) -> tuple[Finding, ...]:
    return tuple(
        [
            _CHECKS[type(condition)](condition, look, f"{path}.{number}")
            for number, condition in enumerate(conditions)
        ]
    )


def _threshold(condition: ThresholdCondition, look: _Look, path: str) -> Finding:
    value = value_of(condition.metric, look.facts, look.now, condition.window, condition.min_count)
    return Finding(condition, compare(value, condition.operator, condition.value), value)


def _rate(condition: RateCondition, look: _Look, path: str) -> Finding:
    metric, window = condition.metric, look.facts.window
    if window is None or metric not in EXECUTION_METRICS:
        return Finding(condition, None)

    def met(execution: Execution) -> bool | None:
        return compare(execution_value(metric, execution), condition.operator, condition.value)

    key = (metric, condition.operator, condition.value)
    hits, total = window.share(key, met, look.now, condition.window)
    if total < condition.min_count:
        return Finding(condition, None, detail=total)
    share = 100.0 * hits / total
    return Finding(condition, share > condition.rate, share, detail=total)


def _pattern(condition: PatternCondition, look: _Look, path: str) -> Finding:
    text = value_of(condition.metric, look.facts, look.now)
    result = found(condition.pattern, text) if isinstance(text, str) else None
    return Finding(condition, result, text)


def _duration(condition: DurationCondition, look: _Look, path: str) -> Finding:
    """Held without a break; while nobody has seen it false yet, it may have held longer than we know."""
    value = value_of(condition.metric, look.facts, look.now)
    key = (look.rule_id, path, look.facts.subject)
    before = look.memory.get(key, Held(None, certain=False))
    true_now = compare(value, condition.operator, condition.value)
    if true_now is None:
        return Finding(condition, None, value)
    if not true_now:
        look.memory[key] = Held(None, certain=True)
        return Finding(condition, False, value, detail=0.0)
    since = look.now if before.since is None else min(before.since, look.now)
    look.memory[key] = Held(since, before.certain)
    held = look.now - since
    too_short = False if before.certain else None
    return Finding(condition, held >= condition.duration or too_short, value, detail=held)


def _custom(condition: CustomCondition, look: _Look, path: str) -> Finding:
    expression = parse(condition.expression)
    scope = _WindowScope(look.facts, look.now, condition.window)
    result = expression.evaluate(scope)
    sources = tuple((words, node.evaluate(scope)) for words, node in expression.sources)
    value = next((value for _, value in sources if value is not None), None)
    return Finding(condition, result, value, sources=sources)


def _group(group: Group, look: _Look, path: str) -> Finding:
    if group.not_ is not None:
        parts = _each((group.not_,), look, path)
        return Finding(group, negation(parts[0].result), parts=parts)
    parts = _each(group.all or group.any or (), look, path)
    results = (part.result for part in parts)
    return Finding(group, all_of(results) if group.all is not None else any_of(results), parts=parts)


_CHECKS: dict[type[Any], Callable[[Any, _Look, str], Finding]] = {
    ThresholdCondition: _threshold,
    RateCondition: _rate,
    PatternCondition: _pattern,
    DurationCondition: _duration,
    CustomCondition: _custom,
    Group: _group,
}


class _WindowScope:
    """An expression's view of the facts, looking back `span` seconds."""

    def __init__(self, facts: Facts, now: float, span: float) -> None:
        self._facts = facts
        self._now = now
        self._span = span

    def metric(self, name: str) -> Scalar:
        return value_of(name, self._facts, self._now, self._span)

    def values(self, name: str) -> Sequence[float]:
        window = self._facts.window
        if window is None:
            return ()
        found = [execution_value(name, execution) for execution in window.within(self._now, self._span)]
        return [
            float(value) for value in reversed(found) if isinstance(value, (int, float)) and is_number(value)
        ]

    def count(self) -> int | None:
        window = self._facts.window
        return window.count(self._now, self._span) if window and window.known else None

    def age(self) -> float | None:
        window = self._facts.window
        latest = window.latest if window and window.known else None
        return None if latest is None else max(self._now - latest.ended_at, 0.0)

    def rate(self, test: Node) -> float | None:
        window = self._facts.window
        if window is None:
            return None
        hits, total = window.share(
            test, lambda execution: truth(test.evaluate(_ExecutionScope(execution))), self._now, self._span
        )
        return 100.0 * hits / total if total else None


class _ExecutionScope:
    """A single execution; the language allows nothing inside `rate()` that looks further."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def metric(self, name: str) -> Scalar:
        return execution_value(name, self._execution)

    def values(self, name: str) -> Sequence[float]:
        return ()

    def count(self) -> int | None:
        return None

    def age(self) -> float | None:
        return None

    def rate(self, test: Node) -> float | None:
        return None
