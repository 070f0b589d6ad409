"""Whether routes, silences, maintenance, inhibitions and rules can ever be about anything.

What fits nothing is a slip of the pen that nobody notices before the night in which it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.config.checks import exists
from engine.config.conditions import AbsenceCondition, BurnRateCondition, PatternCondition
from engine.config.flow import heartbeat_tokens
from engine.config.messages import did_you_mean
from engine.config.report import Path, Report
from engine.config.routing import Route
from engine.config.ruling import check_whom, places
from engine.config.validation import Checked
from engine.model import Severity

if TYPE_CHECKING:
    from engine.config.muting import InhibitSpec, SilenceSpec
    from engine.config.schema import Rule

_PACE = ("group_wait", "group_interval", "repeat")
_ELSEWHERE = frozenset({"routes", "maintenance"})
"""Sections that ask for tags, and give none."""


def check_aims(
    checked: Checked, data: Mapping[str, Any], rules: Sequence[str], sources: Sequence[str], report: Report
) -> None:
    """Report what can never fit.

    Args:
        checked: the parts that have the right shape.
        data: the whole file as plain data: the tags of broken parts and of other environments count, too.
        rules: the ids of all rules, broken ones and those about the monitor included.
        sources: the ids of all log files.
        report: takes the problems.
    """
    given = [tag for _, workflow in checked.workflows for tag in workflow.tags]
    written = _tags({key: part for key, part in data.items() if key not in _ELSEWHERE})
    tags = list(dict.fromkeys((*given, *written)))
    _check_routes(checked.routes, tags, report)
    if checked.config is not None:
        for place, text in _matchers(checked.config.silences, checked.config.inhibit):
            _check_matcher(text, rules, tags, place, report)
        for window, spec in enumerate(checked.config.maintenance):
            for index, tag in enumerate(spec.tags):
                _check_tag(tag, tags, ("maintenance", window, "tags", index), report)
    _check_rules(checked, sources, report)


def _tags(value: object) -> Iterator[str]:
    """Every tag that is given somewhere below."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "tags":
                yield from map(str, inner if isinstance(inner, list) else [inner])
            else:
                yield from _tags(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _tags(inner)


def _check_routes(routes: Sequence[tuple[Path, Route]], tags: Sequence[str], report: Report) -> None:
    ended_on = 0
    for path, route in routes:
        if ended_on:
            message = f"this route is never looked at: the one on line {ended_on} takes every alert"
            report.at(path, message, "give that one `continue: true`, or put it last")
        elif _takes_all(route):
            ended_on = report.node(path).line
        for index, tag in enumerate(route.tags):
            _check_tag(tag, tags, (*path, "tags", index), report)
        if route.min_severity.rank > route.max_severity.rank:
            message = f"no alert is at least {route.min_severity} and at most {route.max_severity}"
            report.at((*path, "min_severity"), message, "swap them")
        paced = [key for key in _PACE if key in route.model_fields_set]
        if paced and not route.group_by:
            message = f"`{paced[0]}` is about groups, and the route makes none"
            report.at((*path, paced[0]), message, "say what they agree in, such as group_by: [rule]")


def _check_tag(wanted: str, tags: Sequence[str], path: Path, report: Report) -> None:
    from engine.rules.scope import fits

    if not any(fits(wanted, tag) for tag in tags):
        hint = did_you_mean(wanted, tags) or (f"there is {', '.join(tags[:10])}" if tags else "")
        report.at(path, f"no rule and no workflow has the tag `{wanted}`", hint or "give it to one of them")


def _takes_all(route: Route) -> bool:
    """Whether nothing is left for the routes below."""
    severities = (route.min_severity, route.max_severity) == (Severity.INFO, Severity.CRITICAL)
    asks = route.continue_ or route.tags or route.times
    return severities and not asks and all(not each or "*" in each for each in (route.rules, route.workflows))


def _matchers(
    silences: Sequence[SilenceSpec], inhibitions: Sequence[InhibitSpec]
) -> Iterator[tuple[Path, str]]:
    """All matchers and where they stand."""
    found: list[tuple[Path, Sequence[str]]] = [
        (("silences", index, "matchers"), spec.matchers) for index, spec in enumerate(silences)
    ]
    for index, spec in enumerate(inhibitions):
        found += [(("inhibit", index, "source"), spec.source), (("inhibit", index, "target"), spec.target)]
    for path, texts in found:
        for number, text in enumerate(texts):
            yield (*path, number), text


def _check_matcher(text: str, rules: Sequence[str], tags: Sequence[str], path: Path, report: Report) -> None:
    from engine.alerts.matchers import parse

    matcher = parse(text)
    if matcher.sign.endswith("~"):
        return
    if matcher.label == "rule":
        check_whom("rule", matcher.wanted, rules, path, report)
    elif matcher.label == "tag" and matcher.wanted:
        _check_tag(matcher.wanted, tags, path, report)


def _check_rules(checked: Checked, sources: Sequence[str], report: Report) -> None:
    waiting = {path[1] for path, _ in heartbeat_tokens(checked.workflows)}
    jobs = [name for path, each in checked.workflows if path[1] in waiting for name in (each.id, each.name)]
    for path, rule in checked.rules:
        for place, condition in places((*path, "conditions"), rule.conditions):
            match condition:
                case PatternCondition(search=str(search)) | AbsenceCondition(search=str(search)):
                    _check_source(search, sources, (*place, "search"), report)
                case AbsenceCondition(of="heartbeat") if not checked.broken:
                    _check_waiting(rule, jobs, (*place, "of"), report)
                case BurnRateCondition():
                    _check_burning(condition, place, report)
                case _:
                    pass


def _check_source(search: str, sources: Sequence[str], path: Path, report: Report) -> None:
    from engine.rules.lines import parse_search

    try:
        source = parse_search(search).source
    except ValueError:  # what is wrong with it has been said
        return
    if source is not None:
        exists("source", source, sources, path, report)


def _check_waiting(rule: Rule, jobs: Sequence[str], path: Path, report: Report) -> None:
    from engine.rules.scope import fits

    if not any(fits(pattern, name) for pattern in rule.workflows for name in jobs):
        message = "no workflow of this rule waits for a heartbeat"
        report.at(path, message, "give one a step such as heartbeat: {token: …}")


def _check_burning(condition: BurnRateCondition, path: Path, report: Report) -> None:
    """When everything fails, an error budget burns 1 / (1 - objective) times as fast as it lasts."""
    most = 100.0 / (100.0 - condition.objective)
    for index, window in enumerate(condition.windows if "windows" in condition.model_fields_set else ()):
        if window.factor >= most:
            message = f"an objective of {condition.objective:g}% burns at most {most:.3g} times too fast"
            report.at((*path, "windows", index, "factor"), message, f"write a factor below {most:.3g}")
