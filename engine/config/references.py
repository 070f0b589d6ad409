"""Whether the parts of a configuration fit together: names that must exist, and languages inside texts.

The languages belong to other rooms (expectations and templates to workflows, expressions and metrics to
rules); their own parsers judge them here, so that a fault is found when the file is read, not when the check
runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from engine.config.checks import exists, one_waiter, parses, unique
from engine.config.composition import Aside
from engine.config.flow import check_flow, heartbeat_tokens
from engine.config.messages import did_you_mean
from engine.config.nodes import plain_data
from engine.config.report import Path, Report
from engine.config.schema import (
    Condition,
    CustomCondition,
    Group,
    PatternCondition,
    RateCondition,
    Rule,
    Settings,
    Workflow,
)
from engine.config.validation import Checked, validate
from engine.text import own_words

STRATEGIES = ("default", "aggressive", "fast")


def check_references(
    checked: Checked,
    data: Mapping[str, Any],
    environment: str,
    report: Report,
    asides: Sequence[Aside] = (),
) -> None:
    """Report every reference of the accepted parts that leads nowhere, and every text that does not parse.

    Args:
        checked: the parts that have the right shape.
        data: the whole file as plain data; names of broken parts count as known.
        environment: the chosen one, whose keys `{{ env.… }}` may use.
        report: takes the problems.
        asides: parts that the chosen environment does not use; of these everything is checked, shapes too.
    """
    unique("workflow", _ids(data.get("workflows"), "workflows"), report)
    unique("rule", _ids(data.get("rules"), "rules"), report)
    unique("source", _ids(data.get("sources"), "sources"), report)
    ids = [str(name) for _, name in _ids(data.get("workflows"), "workflows")]
    known = _Known(
        variables=_variables(data, environment),
        strategies=[*STRATEGIES, *_names(data.get("retries"))],
        channels=list(_names(data.get("channels"))),
        workflows=ids,
        called=[*ids, *(workflow.name for _, workflow in checked.workflows)],
    )
    _check_parts(checked, known, report)
    one_waiter(heartbeat_tokens(checked.workflows), report)
    for aside in asides:
        place = report.aside(aside.root)
        part = {section: plain_data(node) for section, node in aside.root.value.items()}
        around = known.around(part, _variables(data, aside.environment))
        _check_parts(validate(part, place), around, place, is_part=aside.environment is None)


@dataclass(frozen=True, slots=True)
class _Known:
    """The names that parts of a file may use; `called` are ids and names of workflows."""

    variables: Mapping[str, Any]
    strategies: Sequence[str]
    channels: Sequence[str]
    workflows: Sequence[str]
    called: Sequence[str]

    def around(self, part: Mapping[str, Any], variables: Mapping[str, Any]) -> _Known:
        """What a part may use that brings names of its own."""
        return replace(
            self,
            variables=variables,
            strategies=[*self.strategies, *_names(part.get("retries"))],
            channels=[*self.channels, *_names(part.get("channels"))],
        )


def _variables(data: Mapping[str, Any], environment: str | None) -> Mapping[str, Any]:
    """Those of an environment; of all of them when none is said."""
    environments = _names(data.get("environments"))
    if environment is not None:
        return _names(environments.get(environment))
    return {name: value for variables in environments.values() for name, value in _names(variables).items()}


def _check_parts(checked: Checked, known: _Known, report: Report, *, is_part: bool = False) -> None:
    """Report what is wrong with accepted parts; `is_part`: more stands around their steps."""
    for path, workflow in checked.workflows:
        _check_schedule(path, workflow, report)
    check_flow(checked.workflows, known.workflows, known.strategies, known.variables, report, is_part=is_part)
    for path, rule in checked.rules:
        _check_rule(path, rule, known.channels, known.called, report)
    if checked.settings is not None:
        _check_settings(checked.settings, report)


def _check_settings(settings: Settings, report: Report) -> None:
    from engine.patterns import compile_pattern

    for index, entry in enumerate(settings.classify):
        if entry.match is not None:
            parses(compile_pattern, entry.match, ("settings", "classify", index, "match"), report)


def _check_schedule(path: Path, workflow: Workflow, report: Report) -> None:
    if workflow.timezone is not None:
        _check_timezone(workflow.timezone, (*path, "timezone"), report)
    if workflow.cron is None:
        return
    from cronsim import CronSim, CronSimError

    try:
        next(CronSim(workflow.cron, datetime.now(UTC)))
    except CronSimError as error:
        hint = "minute hour day month weekday, such as */5 * * * *"
        report.at((*path, "cron"), f"`cron` cannot be used: {own_words(error)}", hint)
    except StopIteration:
        report.at((*path, "cron"), "`cron` names a time that never comes")


def _check_timezone(name: str, path: Path, report: Report) -> None:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        hint = did_you_mean(name, available_timezones()) or "such as Europe/Berlin or UTC"
        report.at(path, f"there is no time zone `{name}`", hint)


def _check_rule(
    path: Path, rule: Rule, channels: Sequence[str], workflows: Sequence[str], report: Report
) -> None:
    for index, name in enumerate(rule.channels):
        exists("channel", name, channels, (*path, "channels", index), report)
    if rule.escalation is not None:
        for index, name in enumerate(rule.escalation.channels):
            exists("channel", name, channels, (*path, "escalation", "channels", index), report)
    for index, name in enumerate(rule.workflows):
        if not set(name) & set("*?"):
            exists("workflow", name, workflows, (*path, "workflows", index), report)
    for index, condition in enumerate(rule.conditions):
        _check_condition((*path, "conditions", index), condition, report)


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
    from engine.rules.metrics import Kind, metric_kind

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


def _check_is_text(path: Path, metric: str, what: str, report: Report) -> None:
    from engine.rules.metrics import Kind, metric_kind

    if metric_kind(metric) is not Kind.TEXT:
        report.at((*path, "metric"), f"`{metric}` is a number: {what} looks into text", "use workflow.error")


def _names(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _ids(items: object, key: str) -> list[tuple[Path, Any]]:
    if not isinstance(items, list):
        return []
    return [
        ((key, index, "id"), str(item["id"]))
        for index, item in enumerate(items)
        if isinstance(item, dict) and isinstance(item.get("id"), (str, int, float))
    ]
