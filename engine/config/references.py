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

from engine.config.addresses import check_variables
from engine.config.aiming import check_aims
from engine.config.checks import one_waiter, parses, unique
from engine.config.composition import Aside
from engine.config.delivery import check_delivery
from engine.config.depending import check_dependencies
from engine.config.flow import check_apart, check_flow, heartbeat_tokens
from engine.config.messages import did_you_mean
from engine.config.nodes import plain_data
from engine.config.report import Path, Report
from engine.config.ruling import check_rule, check_rules_on_rules
from engine.config.schema import Settings, Workflow
from engine.config.validation import Checked, validate
from engine.own_rules import OWN_RULES
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
    unique("maintenance window", _ids(data.get("maintenance"), "maintenance"), report)
    ids = [str(name) for _, name in _ids(data.get("workflows"), "workflows")]
    known = _Known(
        variables=_variables(data, environment),
        strategies=[*STRATEGIES, *_names(data.get("retries"))],
        channels=list(_names(data.get("channels"))),
        workflows=ids,
        called=[*ids, *_called(data), *(workflow.name for _, workflow in checked.workflows)],
    )
    check_variables(_names(data.get("environments")), report)
    _check_parts(checked, known, report)
    rules = [*(str(name) for _, name in _ids(data.get("rules"), "rules")), *OWN_RULES]
    check_rules_on_rules(checked.rules, rules, report)
    check_dependencies("workflow", checked.workflows, ids, report)
    check_dependencies("rule", checked.rules, rules, report)
    sources = [str(name) for _, name in _ids(data.get("sources"), "sources")]
    check_aims(checked, data, rules, sources, report)
    rules += [rule.name for _, rule in checked.rules]
    check_delivery(checked, data, known.channels, known.called, rules, report)
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
    """Those of an environment; of all of them when none is said, or one that is not there."""
    environments = _names(data.get("environments"))
    if environment is not None and environment in environments:
        return _names(environments.get(environment))
    return {name: value for variables in environments.values() for name, value in _names(variables).items()}


def _check_parts(checked: Checked, known: _Known, report: Report, *, is_part: bool = False) -> None:
    """Report what is wrong with accepted parts; `is_part`: more stands around their steps."""
    for path, workflow in checked.workflows:
        _check_schedule(path, workflow, report)
    check_flow(checked.workflows, known.workflows, known.strategies, known.variables, report, is_part=is_part)
    for path, part in checked.broken:
        if isinstance(part, Workflow):
            _check_schedule(path, part, report)
            check_apart(path, part, known.strategies, report)
        else:
            check_rule(path, part, known.channels, known.called, report)
    for path, rule in checked.rules:
        check_rule(path, rule, known.channels, known.called, report)
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


def _names(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _called(data: Mapping[str, Any]) -> list[str]:
    """The names of workflows, those of broken ones included."""
    items = data.get("workflows")
    entries = items if isinstance(items, list) else ()
    return [str(item["name"]) for item in entries if isinstance(item, dict) and "name" in item]


def _ids(items: object, key: str) -> list[tuple[Path, Any]]:
    if not isinstance(items, list):
        return []
    return [
        ((key, index, "id"), str(item["id"]))
        for index, item in enumerate(items)
        if isinstance(item, dict) and isinstance(item.get("id"), (str, int, float))
    ]
