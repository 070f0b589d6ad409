"""Whether a rule can ever be true: whom it is about, what it compares with what, and whom it tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.config.checks import exists, parses
from engine.config.messages import did_you_mean, found
from engine.config.report import OPEN, Path, Report
from engine.config.schema import Condition, CustomCondition, Group, PatternCondition, RateCondition, Rule


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
    if rule.escalation is not None:
        for index, name in enumerate(rule.escalation.channels):
            exists("channel", name, channels, (*path, "escalation", "channels", index), report)
    for index, name in enumerate(rule.workflows):
        _check_whom(name, workflows, (*path, "workflows", index), report)
    for index, condition in enumerate(rule.conditions):
        _check_condition((*path, "conditions", index), condition, report)


def _check_whom(pattern: str, workflows: Sequence[str], path: Path, report: Report) -> None:
    if not set(pattern) & set("*?"):
        exists("workflow", pattern, workflows, path, report)
    elif pattern.strip("*"):
        from engine.rules.scope import fits

        if not any(fits(pattern, name) for name in workflows):
            hint = did_you_mean(pattern, workflows) or "it is compared with ids and names, case counts"
            report.at(path, f"no workflow fits `{pattern}`", hint)


def _check_condition(path: Path, condition: Condition, report: Report) -> None:
    from engine.patterns import compile_pattern
    from engine.rules.expression import parse

    if isinstance(condition, Group):
        _check_group(path, condition, report)
    elif isinstance(condition, CustomCondition):
        parses(parse, condition.expression, (*path, "expression"), report)
    elif isinstance(condition, PatternCondition):
        if _check_metric(path, condition, report):
            _check_is_text(path, condition.metric, "a pattern", report)
        parses(compile_pattern, condition.pattern, (*path, "pattern"), report)
    elif _check_metric(path, condition, report):
        _check_comparison(path, condition, report)
        if isinstance(condition, RateCondition):
            _check_percent("rate", condition.rate, (*path, "rate"), report)


def _check_group(path: Path, group: Group, report: Report) -> None:
    for key, conditions in (("all", group.all), ("any", group.any)):
        for index, condition in enumerate(conditions or ()):
            _check_condition((*path, key, index), condition, report)
    if group.not_ is not None:
        _check_condition((*path, "not"), group.not_, report)


def _check_metric(path: Path, condition: Any, report: Report) -> bool:
    from engine.rules.metrics import EXECUTION_METRICS, METRICS, known_metric

    if not known_metric(condition.metric):
        hint = did_you_mean(condition.metric, METRICS) or f"known: {', '.join(METRICS[:9])}, health.…"
        report.at((*path, "metric"), f"unknown metric `{condition.metric}`", hint)
        return False
    if isinstance(condition, RateCondition) and condition.metric not in EXECUTION_METRICS:
        message = f"a RATE counts executions, and none of them has a `{condition.metric}`"
        report.at((*path, "metric"), message, f"use {', '.join(sorted(EXECUTION_METRICS))}")
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
        _check_percent(metric, value, (*path, "value"), report)


def _check_percent(name: str, value: float, path: Path, report: Report) -> None:
    """A share of one where percent are wanted; what is written with a `%` is meant."""
    written = report.scalar(path)
    if 0 < value <= 1 and not (isinstance(written, str) and ("%" in written or OPEN in written)):
        report.at(path, f"`{name}` is percent, found {found(value)}", f"write {value * 100:g}%")


def _check_is_text(path: Path, metric: str, what: str, report: Report) -> None:
    from engine.rules.metrics import Kind, metric_kind

    if metric_kind(metric) is not Kind.TEXT:
        report.at((*path, "metric"), f"`{metric}` is a number: {what} looks into text", "use workflow.error")
