"""Whether the parts of a configuration fit together: names that must exist, and languages inside texts.

The languages belong to other rooms (expectations and templates to workflows, expressions and metrics to
rules); their own parsers judge them here, so that a fault is found when the file is read, not when the check
runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from engine.config.messages import did_you_mean
from engine.config.report import Path, Report
from engine.config.schema import (
    Condition,
    CustomCondition,
    Group,
    PatternCondition,
    RateCondition,
    Rule,
    Workflow,
)
from engine.config.validation import Checked
from engine.text import own_words
from engine.workflows.steps import STEP_KINDS, StepSpec

if TYPE_CHECKING:
    from engine.workflows.assertions import Expectation
    from engine.workflows.fieldpath import FieldPath

T = TypeVar("T")

STRATEGIES = ("default", "aggressive", "fast")


def check_references(checked: Checked, data: Mapping[str, Any], environment: str, report: Report) -> None:
    """Report every reference of the accepted parts that leads nowhere, and every text that does not parse.

    Args:
        checked: the parts that have the right shape.
        data: the whole file as plain data; names of broken parts count as known.
        environment: the chosen one, whose keys `{{ env.… }}` may use.
        report: takes the problems.
    """
    variables = _names(_names(data.get("environments")).get(environment))
    strategies = [*STRATEGIES, *_names(data.get("retries"))]
    _unique("workflow", _ids(data.get("workflows"), "workflows"), report)
    _unique("rule", _ids(data.get("rules"), "rules"), report)
    for path, workflow in checked.workflows:
        _check_workflow(path, workflow, strategies, variables, report)
    channels = list(_names(data.get("channels")))
    workflows = [str(name) for _, name in _ids(data.get("workflows"), "workflows")]
    workflows += [workflow.name for _, workflow in checked.workflows]
    for path, rule in checked.rules:
        _check_rule(path, rule, channels, workflows, report)


def _check_workflow(
    path: Path, workflow: Workflow, strategies: Sequence[str], variables: Mapping[str, Any], report: Report
) -> None:
    if isinstance(workflow.retry, str):
        _known("retry strategy", workflow.retry, strategies, (*path, "retry"), report)
    _check_schedule(path, workflow, report)
    _unique("step", [((*path, "steps", i, "id"), step.id) for i, step in enumerate(workflow.steps)], report)
    known: dict[str, Mapping[str, Any]] = {"env": variables}
    later = {step.id for step in workflow.steps}
    for index, step in enumerate(workflow.steps):
        _check_step((*path, "steps", index), step, known, later, report)
        known.setdefault(step.id, step.extract)


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


def _check_step(
    path: Path, step: StepSpec, known: Mapping[str, Mapping[str, Any]], all_steps: set[str], report: Report
) -> None:
    from engine.workflows.assertions import parse_expectation
    from engine.workflows.fieldpath import parse_path

    for index, text in enumerate(step.expect):
        _check_field(parse_expectation, text, step.kind, (*path, "expect", index), report)
    for name, text in step.extract.items():
        _check_field(parse_path, text, step.kind, (*path, "extract", name), report)
    spec = step.spec.model_dump(by_alias=True, exclude_unset=True)
    for place, text in _texts(spec, (*path, step.kind)):
        _check_placeholders(place, text, known, all_steps, report)


def _check_field(
    parser: Callable[[str], Expectation | FieldPath], text: str, kind: str, path: Path, report: Report
) -> None:
    """A text about a step's reply begins with one of the fields that replies of its kind have."""
    parsed = _parses(parser, text, path, report)
    fields = STEP_KINDS[kind].fields
    if parsed is not None and parsed.root not in fields:
        hint = did_you_mean(parsed.root, fields) or f"there are {', '.join(sorted(fields))}"
        report.at(path, f"a reply to {kind} has no `{parsed.root}`", hint)


def _check_placeholders(
    path: Path, text: str, known: Mapping[str, Mapping[str, Any]], all_steps: set[str], report: Report
) -> None:
    from engine.workflows.templates import names

    for source, name in sorted(names(text)):
        written = f"`{{{{ {source}.{name} }}}}`"
        values = known.get(source)
        if not name:
            hint = "write {{ env.name }} or {{ step.name }}"
            report.at(path, f"`{{{{ {source} }}}}` is not a reference", hint)
        elif values is not None and name not in values:
            where = "the environment" if source == "env" else f"`extract` of the step `{source}`"
            hint = did_you_mean(name, values) or f"add `{name}` to {where}"
            report.at(path, f"{written} refers to nothing", hint)
        elif values is None and source in all_steps:
            report.at(path, f"{written} refers to a step that has not run yet", "use values of earlier steps")
        elif values is None:
            hint = did_you_mean(source, known) or "write {{ env.name }} or {{ step.name }}"
            report.at(path, f"{written}: there is no step `{source}`", hint)


def _check_rule(
    path: Path, rule: Rule, channels: Sequence[str], workflows: Sequence[str], report: Report
) -> None:
    for index, name in enumerate(rule.channels):
        _known("channel", name, channels, (*path, "channels", index), report)
    if rule.escalation is not None:
        for index, name in enumerate(rule.escalation.channels):
            _known("channel", name, channels, (*path, "escalation", "channels", index), report)
    for index, name in enumerate(rule.workflows):
        if not set(name) & set("*?"):
            _known("workflow", name, workflows, (*path, "workflows", index), report)
    for index, condition in enumerate(rule.conditions):
        _check_condition((*path, "conditions", index), condition, report)


def _check_condition(path: Path, condition: Condition, report: Report) -> None:
    from engine.rules.expression import parse
    from engine.rules.patterns import compile_pattern

    if isinstance(condition, Group):
        _check_group(path, condition, report)
    elif isinstance(condition, CustomCondition):
        _parses(parse, condition.expression, (*path, "expression"), report)
    elif isinstance(condition, PatternCondition):
        if _check_metric(path, condition, report):
            _check_is_text(path, condition.metric, "a pattern", report)
        _parses(compile_pattern, condition.pattern, (*path, "pattern"), report)
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


def _known(kind: str, name: str, known: Sequence[str], path: Path, report: Report) -> None:
    if name not in known:
        hint = did_you_mean(name, known) or (f"there is {', '.join(known[:10])}" if known else "")
        report.at(path, f"there is no {kind} `{name}`", hint)


def _unique(kind: str, named: Sequence[tuple[Path, Any]], report: Report) -> None:
    first: dict[str, int] = {}
    for path, name in named:
        line = report.node(path).line
        if name in first:
            report.at(
                path, f"the {kind} `{name}` is already defined on line {first[name]}", "give it another id"
            )
        first.setdefault(name, line)


def _parses(parser: Callable[[str], T], text: str, path: Path, report: Report) -> T | None:
    try:
        return parser(text)
    except ValueError as error:
        report.at(path, own_words(error))
        return None


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text below `value` that could hold a placeholder."""
    if isinstance(value, str):
        if "{{" in value:
            yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))


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
