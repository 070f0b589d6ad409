"""The result of a simple rule without its words, for the many looks that come to nothing."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.config.conditions import Condition, ThresholdCondition
from engine.rules.metrics import (
    EXECUTION_METRICS,
    Facts,
    Kind,
    compare,
    is_number,
    metric_kind,
    reader_of,
    value_of,
)

if TYPE_CHECKING:
    from engine.config.schema import Rule

Quick = Callable[[Facts, float], bool | None]
"""What `evaluate` would find for a subject without an alert."""

_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, "<": operator.lt, ">=": operator.ge,
    "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def quick(rule: Rule) -> Quick | None:
    """The shortcut for a rule of thresholds; None for one that has to be looked at whole."""
    if rule.active:
        return None
    checks = [_check(condition) for condition in rule.conditions]
    known = [check for check in checks if check is not None]
    if len(known) < len(checks):
        return None
    if len(known) == 1:
        return known[0]
    decides = rule.logic == "OR"

    def every(facts: Facts, now: float) -> bool | None:
        result: bool | None = not decides
        for check in known:
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
    if not isinstance(condition, ThresholdCondition) or condition.labels:
        return None
    metric, sign, wanted = condition.metric, condition.operator, condition.value
    of_execution = metric in EXECUTION_METRICS and metric_kind(metric) is Kind.NUMBER
    if of_execution and sign in _SIGNS and is_number(wanted):
        return _of_the_last_execution(condition)
    span, least = condition.window, condition.min_count
    return lambda facts, now: compare(value_of(metric, facts, now, span, least), sign, wanted)


def _of_the_last_execution(condition: ThresholdCondition) -> Quick:
    read, holds, wanted = reader_of(condition.metric), _SIGNS[condition.operator], condition.value

    def check(facts: Facts, now: float) -> bool | None:
        execution = facts.window.current if facts.window is not None else None
        if execution is None:
            return None
        value: Any = read(execution)
        # Neither infinite nor NaN, for less than asking so.
        return holds(value, wanted) if value - value == 0 else None

    return check
