"""Whom a rule is about, workflows or the health of something, and how far it looks back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from engine.config.schema import Condition, CustomCondition, Group, Rule
from engine.rules.expression import parse
from engine.rules.metrics import SYSTEM, component_of


def health_subject(rule: Rule) -> str | None:
    """The subject of a rule that looks at health alone, None for a rule about workflows.

    It is the component when the rule names just one, else `system`.

    Raises:
        ValueError: an expression cannot be read.
    """
    metrics = {metric for condition in rule.conditions for metric in _metrics(condition)}
    if not metrics or any(not metric.startswith("health.") for metric in metrics):
        return None
    components = {component_of(metric) for metric in metrics}
    return (components.pop() or SYSTEM) if len(components) == 1 else SYSTEM


def covers(rule: Rule, workflow_id: str, workflow_name: str = "") -> bool:
    """Whether one of the rule's `workflows:` patterns is the workflow's id or name; `*` is any text."""
    return any(fits(pattern, workflow_id) or fits(pattern, workflow_name) for pattern in rule.workflows)


def fits(pattern: str, name: str) -> bool:
    """Whether `name` is the pattern, in which `*` is any text and `?` any character."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def reach(rules: Iterable[Rule]) -> float:
    """Seconds that the rules look back at most."""
    spans = (_span(condition) for rule in rules for condition in rule.conditions)
    return max(spans, default=0.0)


def _span(condition: Condition) -> float:
    if isinstance(condition, Group):
        return max(map(_span, _parts(condition)), default=0.0)
    return float(getattr(condition, "window", 0.0))


def _parts(group: Group) -> tuple[Condition, ...]:
    return group.all or group.any or ((group.not_,) if group.not_ else ())


def _metrics(condition: Condition) -> Iterator[str]:
    if isinstance(condition, Group):
        for part in _parts(condition):
            yield from _metrics(part)
    elif isinstance(condition, CustomCondition):
        expression = parse(condition.expression)
        yield from expression.metrics
        if expression.looks_back:
            yield "workflow.duration"
    else:
        yield condition.metric
