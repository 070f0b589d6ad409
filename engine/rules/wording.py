"""What a rule looks for, in words, before anything has been found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.config.conditions import (
    AbsenceCondition,
    BurnRateCondition,
    CompositeCondition,
    Condition,
    CustomCondition,
    Group,
    PatternCondition,
    RateCondition,
)
from engine.lines import spelled
from engine.rules.explain import threshold
from engine.rules.findings import Finding
from engine.rules.metrics import show, show_percent

if TYPE_CHECKING:
    from engine.config.schema import Rule


def looks_for(rule: Rule) -> str:
    """Its conditions as one sentence: `workflow.duration > 30s and workflow.status == failed for 5m`."""
    word = " and " if rule.logic == "AND" else " or "
    sentence = word.join(map(_words, rule.conditions))
    if not rule.for_:
        return sentence
    return f"{f'({sentence})' if len(rule.conditions) > 1 else sentence} for {spelled(rule.for_)}"


def _words(condition: Condition) -> str:
    limit = threshold(Finding(condition, None))
    match condition:
        case Group():
            return _group(condition)
        case RateCondition():
            test = f"{condition.metric} {condition.operator} {show(condition.metric, condition.value)}"
            return f"share of {test} in {spelled(condition.window)} {limit}"
        case BurnRateCondition():
            return f"error budget of {show_percent(condition.objective)} burns too fast"
        case AbsenceCondition():
            return f"no {condition.metric or condition.of} {limit}"
        case CustomCondition() | CompositeCondition():
            return limit
        case PatternCondition():
            return f"{'log lines' if condition.search is not None else condition.metric} {limit}"
        case _:
            return f"{condition.metric} {limit}"


def _group(group: Group) -> str:
    if group.not_ is not None:
        return f"not ({_words(group.not_)})"
    return f"({(' and ' if group.all is not None else ' or ').join(map(_words, group.parts))})"
