"""Whom a rule is about, workflows, series or one thing such as the health of a part, and how far it looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from engine.config.conditions import (
    AbsenceCondition,
    BurnRateCondition,
    CompositeCondition,
    Condition,
    ConsecutiveCondition,
    CustomCondition,
    Group,
    PatternCondition,
    ThresholdCondition,
    XOfYCondition,
)
from engine.config.schema import Rule
from engine.rules.expression import parse
from engine.rules.lines import SOURCE, parse_search
from engine.rules.metrics import EXECUTION_METRICS, STRIKES, SYSTEM, component_of
from engine.rules.series import PREFIX, Wanted, pairs
from engine.rules.tallies import MAX_AGE

_WORKFLOW = "workflow.status"
_SYSTEM = "health.status"


def own_subject(rule: Rule) -> str | None:
    """The subject of a rule that looks at health or at lines of files alone, None for any other.

    It is the component or `source:NAME` when the rule names just one, else `system`.

    Raises:
        ValueError: an expression or a search cannot be read.
    """
    metrics = _looks_at(rule)
    if not metrics or any(not metric.startswith(("health.", SOURCE)) for metric in metrics):
        return None
    subjects = {metric if metric.startswith(SOURCE) else component_of(metric) for metric in metrics}
    return (subjects.pop() or SYSTEM) if len(subjects) == 1 else SYSTEM


def is_about_rules(rule: Rule) -> bool:
    """Whether its subjects are the monitor's rules. Raises ValueError: an expression cannot be read."""
    return STRIKES in _looks_at(rule)


def health_looked_at(rules: Iterable[Rule]) -> set[str]:
    """The components whose health the rules look at; `system` stands for all of them together.

    Raises:
        ValueError: an expression cannot be read.
    """
    conditions = (condition for rule in rules for condition in leaves(rule.conditions))
    metrics = (metric for condition in conditions for metric in metrics_of(condition))
    return {component_of(metric) or SYSTEM for metric in metrics if metric.startswith("health.")}


def series_of(rule: Rule) -> tuple[Wanted, ...]:
    """The series that a rule about series is about; nothing for one that looks at workflows.

    Raises:
        ValueError: an expression or a search cannot be read.
    """
    if any(metric.startswith("workflow.") for metric in _looks_at(rule)):
        return ()
    return tuple(
        dict.fromkeys(
            (metric.removeprefix(PREFIX), pairs(getattr(condition, "labels", {})))
            for condition in leaves(rule.conditions)
            for metric in sorted(metrics_of(condition))
            if metric.startswith(PREFIX)
        )
    )


def covers(rule: Rule, workflow_id: str, workflow_name: str = "") -> bool:
    """Whether one of the rule's `workflows:` patterns is the workflow's id or name; `*` is any text."""
    if "*" in rule.workflows or workflow_id in rule.workflows:
        return True
    return any(fits(pattern, workflow_id) or fits(pattern, workflow_name) for pattern in rule.workflows)


def fits(pattern: str, name: str) -> bool:
    """Whether `name` is the pattern, in which `*` is any text and `?` any character."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def reach(rules: Iterable[Rule]) -> float:
    """Seconds that the rules look back at most."""
    return max((_span(condition) for rule in rules for condition in leaves(rule.conditions)), default=0.0)


def leaves(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """The conditions, those inside groups instead of the groups."""
    for condition in conditions:
        if isinstance(condition, Group):
            yield from leaves(condition.parts)
        else:
            yield condition


def metrics_of(condition: Condition) -> Iterator[str]:
    """The metrics that a condition names. Raises ValueError for an expression that cannot be read."""
    if isinstance(condition, CustomCondition):
        yield from parse(condition.expression).metrics
    elif isinstance(condition, PatternCondition) and condition.search is not None:
        return
    else:
        metric = getattr(condition, "metric", None)
        if metric is not None:
            yield metric


def _looks_at(rule: Rule) -> set[str]:
    """The metrics that say whom a rule is about."""
    return {metric for condition in leaves(rule.conditions) for metric in _about(condition)}


def _about(condition: Condition) -> Iterator[str]:
    yield from metrics_of(condition)
    match condition:
        case CustomCondition() if parse(condition.expression).looks_back:
            yield _WORKFLOW
        case PatternCondition(search=str() as search):
            yield _lines_of(search)
        case AbsenceCondition(of="log"):
            yield _lines_of(condition.search) if condition.search else _WORKFLOW
        case AbsenceCondition(metric=None) | BurnRateCondition():
            yield _WORKFLOW
        case CompositeCondition():
            yield _SYSTEM if condition.subject == "any" else _WORKFLOW


def _lines_of(search: str) -> str:
    source = parse_search(search).source
    return f"{SOURCE}{source}" if source else _WORKFLOW


def _span(condition: Condition) -> float:
    if isinstance(condition, (ConsecutiveCondition, XOfYCondition, BurnRateCondition)):
        return MAX_AGE
    if isinstance(condition, ThresholdCondition) and condition.metric in EXECUTION_METRICS:
        return 0.0
    return float(getattr(condition, "window", 0.0))
