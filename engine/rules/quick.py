"""The result of a simple rule without its words, for the many looks that come to nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from engine.config.conditions import (
    BurnRateCondition,
    Condition,
    ConsecutiveCondition,
    CustomCondition,
    RateCondition,
    ThresholdCondition,
    TrendCondition,
    XOfYCondition,
)
from engine.rules.checks import CHECKS, Look
from engine.rules.expression import parse
from engine.rules.metrics import (
    EXECUTION_METRICS,
    SIGNS,
    Facts,
    Kind,
    compare,
    is_number,
    metric_kind,
    reader_of,
    value_of,
)
from engine.rules.nodes import all_of, any_of
from engine.rules.scopes import WindowScope

if TYPE_CHECKING:
    from engine.config.schema import Rule

Quick = Callable[[Facts, float], bool | None]
"""What `evaluate` would find for a subject without an alert; True for a rule that failed, too."""

_COUNTING = (RateCondition, ConsecutiveCondition, XOfYCondition, BurnRateCondition, TrendCondition)


def quick(rule: Rule) -> Quick | None:
    """The shortcut for a rule of thresholds, counts and expressions; None for one to be looked at whole."""
    if rule.active:
        return None
    checks = [_check(condition) for condition in rule.conditions]
    known = [check for check in checks if check is not None]
    if len(known) < len(checks):
        return None
    if len(known) == 1:
        return known[0]
    if all(isinstance(condition, ThresholdCondition) for condition in rule.conditions):
        return _decided(known, rule.logic == "OR")
    # Counts begin with the first question: each has to be asked every time.
    joined = all_of if rule.logic == "AND" else any_of
    return lambda facts, now: joined([check(facts, now) for check in known])


def _decided(checks: Sequence[Quick], decides: bool) -> Quick:
    """As soon as one of them is what decides, the others do not matter."""

    def every(facts: Facts, now: float) -> bool | None:
        result: bool | None = not decides
        for check in checks:
            found = check(facts, now)
            if found is decides:
                return decides
            if found is None:
                result = None
        return result

    return every


def is_momentary(rule: Rule) -> bool:
    """Whether its result can only change when an execution ends: it asks for nothing but the newest one's."""
    return not rule.active and all(
        isinstance(each, ThresholdCondition) and each.metric in EXECUTION_METRICS for each in rule.conditions
    )


def _check(condition: Condition) -> Quick | None:
    if isinstance(condition, CustomCondition):
        text, over = condition.expression, condition.window
        return _failing_aloud(lambda facts, now: parse(text).evaluate(WindowScope(facts, now, over)))
    if isinstance(condition, _COUNTING):
        find, counting = CHECKS[type(condition)], condition
        return _failing_aloud(
            lambda facts, now: find(counting, Look("", facts, now, {}, active=False), "").result
        )
    if not isinstance(condition, ThresholdCondition) or condition.labels:
        return None
    metric, sign, wanted = condition.metric, condition.operator, condition.value
    of_execution = metric in EXECUTION_METRICS and metric_kind(metric) is Kind.NUMBER
    if of_execution and sign in SIGNS and is_number(wanted):
        return _of_the_last_execution(condition)
    span, least = condition.window, condition.min_count
    return lambda facts, now: compare(value_of(metric, facts, now, span, least), sign, wanted)


def _failing_aloud(check: Quick) -> Quick:
    """Says True where the check fails: the rule is looked at whole then, and that tells why."""

    def careful(facts: Facts, now: float) -> bool | None:
        try:
            return check(facts, now)
        except Exception:  # noqa: BLE001 - border: it fails again in the whole look, which counts and says so
            return True

    return careful


def _of_the_last_execution(condition: ThresholdCondition) -> Quick:
    read, holds, wanted = reader_of(condition.metric), SIGNS[condition.operator], condition.value

    def check(facts: Facts, now: float) -> bool | None:
        execution = facts.window.current if facts.window is not None else None
        if execution is None:
            return None
        value: Any = read(execution)
        # Neither infinite nor NaN, for less than asking so.
        return holds(value, wanted) if value - value == 0 else None

    return check
