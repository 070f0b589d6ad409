"""Whether a rule can ever be true: whom it is about, what it compares with what, and whom it tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.config.checks import exists, parses
from engine.config.conditions import (
    AbsenceCondition,
    BurnRateCondition,
    CompositeCondition,
    Condition,
    ConsecutiveCondition,
    CustomCondition,
    Group,
    PatternCondition,
    RateCondition,
    TrendCondition,
    XOfYCondition,
)
from engine.config.messages import did_you_mean, found
from engine.config.nodes import mapping
from engine.config.report import OPEN, Path, Report
from engine.config.schema import Rule
from engine.model import Severity
from engine.text import own_words

_COUNTING = (RateCondition, ConsecutiveCondition, XOfYCondition, TrendCondition)


def check_rule(
    path: Path, rule: Rule, channels: Sequence[str], workflows: Sequence[str], report: Report
) -> None:
    """Report what cannot be meant in a rule.

    Args:
        path: where it stands.
        rule: has the right shape.
        channels: those of the file.
        workflows: ids and names of all workflows, broken ones included.
        report: takes the problems.
    """
    for index, name in enumerate(rule.channels):
        exists("channel", name, channels, (*path, "channels", index), report)
    for number, step in enumerate(rule.escalation):
        for index, name in enumerate(step.channels):
            exists("channel", name, channels, (*path, "escalation", number, "channels", index), report)
    for index, name in enumerate(rule.workflows):
        check_whom("workflow", name, workflows, (*path, "workflows", index), report)
    for place, condition in places((*path, "conditions"), rule.conditions):
        _check_condition(place, condition, report)


def check_whom(kind: str, pattern: str, known: Sequence[str], path: Path, report: Report) -> None:
    """Report a pattern, or a name, that fits nothing that is known."""
    if not set(pattern) & set("*?"):
        exists(kind, pattern, known, path, report)
    elif pattern.strip("*"):
        from engine.rules.scope import fits

        if not any(fits(pattern, name) for name in known):
            hint = did_you_mean(pattern, known) or "it is compared with ids and names, case counts"
            report.at(path, f"no {kind} fits `{pattern}`", hint)


def check_rules_on_rules(rules: Sequence[tuple[Path, Rule]], known: Sequence[str], report: Report) -> None:
    """Report rules that look at rules which are not there, or at each other in a circle.

    Args:
        known: ids of all rules, broken ones included.
    """
    from engine.rules.composite import in_order, parse_rules

    composites = [
        (place, condition)
        for path, rule in rules
        for place, condition in places((*path, "conditions"), rule.conditions)
        if isinstance(condition, CompositeCondition)
    ]
    for place, condition in composites:
        combination = parses(parse_rules, condition.rules, (*place, "rules"), report)
        for name in sorted(set(combination.rules())) if combination is not None else ():
            exists("rule", name, known, (*place, "rules"), report)
    if composites:
        try:
            in_order({rule.id: rule for _, rule in rules})
        except ValueError as error:
            report.at((*composites[0][0], "rules"), own_words(error), "let one of them look at no other rule")


def places(path: Path, conditions: Sequence[Condition]) -> Iterator[tuple[Path, Condition]]:
    """The conditions, and those inside groups, with their places in the file."""
    for index, condition in enumerate(conditions):
        yield from _place((*path, index), condition)


def _place(path: Path, condition: Condition) -> Iterator[tuple[Path, Condition]]:
    if not isinstance(condition, Group):
        yield path, condition
        return
    for key, parts in (("all", condition.all), ("any", condition.any)):
        yield from places((*path, key), parts or ())
    if condition.not_ is not None:
        yield from _place((*path, "not"), condition.not_)


def _check_condition(path: Path, condition: Condition, report: Report) -> None:
    from engine.rules.expression import parse, parse_test
    from engine.rules.lines import parse_search

    match condition:
        case CustomCondition():
            parses(parse, condition.expression, (*path, "expression"), report)
        case PatternCondition():
            _check_pattern(path, condition, report)
        case BurnRateCondition():
            if condition.bad is not None:
                parses(parse_test, condition.bad, (*path, "bad"), report)
        case AbsenceCondition():
            if condition.search is not None:
                parses(parse_search, condition.search, (*path, "search"), report)
            if condition.metric is not None and not condition.metric.startswith("series."):
                message = f"a point is absent from a series, and `{condition.metric}` is none"
                report.at((*path, "metric"), message, "write it like series.disk.used")
            elif condition.metric is not None:
                _check_metric(path, condition, report)
        case CompositeCondition() | Group():
            return
        case _ if _check_metric(path, condition, report):
            _check_comparison(path, condition, report)
            if isinstance(condition, RateCondition):
                _check_percents("rate", condition, path, report)


def _check_pattern(path: Path, condition: PatternCondition, report: Report) -> None:
    from engine.patterns import compile_pattern
    from engine.rules.lines import parse_search

    if condition.search is not None:
        parses(parse_search, condition.search, (*path, "search"), report)
        return
    if _check_metric(path, condition, report):
        _check_is_text(path, condition.metric, "a pattern", report)
    if condition.pattern is not None:
        parses(compile_pattern, condition.pattern, (*path, "pattern"), report)


def _check_metric(path: Path, condition: Any, report: Report) -> bool:
    from engine.rules.metrics import EXECUTION_METRICS, METRICS, Kind, known_metric, metric_kind

    metric = condition.metric
    is_series = metric.startswith("series.")
    if not known_metric(metric):
        hint = did_you_mean(metric, METRICS) or f"known: {', '.join(METRICS[:9])}, health.…, series.…"
        report.at((*path, "metric"), f"unknown metric `{metric}`", hint)
        return False
    if not is_series and getattr(condition, "labels", None):
        report.at((*path, "labels"), f"`{metric}` has no labels", "they belong to series.… metrics")
    if is_series or not isinstance(condition, _COUNTING):
        return True
    if metric not in EXECUTION_METRICS:
        message = f"a {condition.type} counts executions, and none of them has a `{metric}`"
        report.at((*path, "metric"), message, f"use {', '.join(sorted(EXECUTION_METRICS))}, series.…")
        return False
    if isinstance(condition, TrendCondition) and metric_kind(metric) is Kind.TEXT:
        report.at(
            (*path, "metric"), f"`{metric}` is text: it has no trend", "use workflow.duration, series.…"
        )
        return False
    return True


def _check_comparison(path: Path, condition: Any, report: Report) -> None:
    """Numbers go with all operators but `contains`, text with `==`, `!=` and `contains`."""
    from engine.rules.metrics import Kind, check_word, metric_kind

    metric, operator, value = condition.metric, condition.operator, condition.value
    is_text = metric_kind(metric) is Kind.TEXT
    if is_text and operator not in ("==", "!=", "contains"):
        report.at(
            (*path, "operator"),
            f"`{metric}` is text: `{operator}` cannot compare it",
            "use ==, != or contains",
        )
    elif not is_text and operator == "contains":
        report.at(
            (*path, "operator"), f"`{metric}` is a number: it contains nothing", "use >, <, >=, <=, == or !="
        )
    elif is_text != isinstance(value, str):
        wanted = "text" if is_text else "a number, a duration or a percentage"
        report.at((*path, "value"), f"`{metric}` is compared with {wanted}")
    elif isinstance(value, str):
        parses(lambda word: check_word(metric, operator, word), value, (*path, "value"), report)
    elif metric.endswith("_rate"):
        _check_percents("value", condition, path, report)


def _check_percents(key: str, condition: Any, path: Path, report: Report) -> None:
    """The value of `key`, or the levels that stand in its place."""
    name = condition.metric if key == "value" else key
    levels = getattr(condition, "levels", None)
    if levels is None:
        _check_percent(name, getattr(condition, key), (*path, key), report)
    for severity, value in (levels or {}).items():
        written = _written(severity, (*path, "levels"), report)
        _check_percent(name, value, (*path, "levels", written), report)


def _written(severity: Severity, path: Path, report: Report) -> str:
    """A severity as the file has it: case does not count there."""
    return next((key for key in mapping(report.node(path)) if key.upper() == severity), severity.value)


def _check_percent(name: str, value: float, path: Path, report: Report) -> None:
    """A share of one where percent are wanted; what is written with a `%` is meant."""
    written = report.scalar(path)
    if 0 < value <= 1 and not (isinstance(written, str) and ("%" in written or OPEN in written)):
        report.at(path, f"`{name}` is percent, found {found(value)}", f"write {value * 100:g}%")


def _check_is_text(path: Path, metric: str, what: str, report: Report) -> None:
    from engine.rules.metrics import Kind, metric_kind

    if metric_kind(metric) is not Kind.TEXT:
        report.at((*path, "metric"), f"`{metric}` is a number: {what} looks into text", "use workflow.error")
