"""Which channels an alert goes to, and with whom it leaves: pure functions of alert, rule, routes and time.

A rule's own `channels:` come first. Then the routes are looked at in the order of the file: the first that
fits adds its channels and ends the search, unless it says `continue: true`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.model import Alert, Gate
from engine.notify.grouping import Pace, group_text
from engine.rules.scope import fits

if TYPE_CHECKING:
    from engine.config.routing import Route
    from engine.config.schema import Config, Rule

MAX_GATES = 50


@dataclass(frozen=True, slots=True)
class Routing:
    """Where an alert goes: channels in order, and a `route:<channel>` gate for each that a route names.

    `groups` has, by channel, what rows about the alert are gathered under; those of others leave at once.
    """

    channels: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """What routes can know of an alert beside its severity."""

    rule_id: str
    rule_name: str
    names: tuple[str, ...]
    tags: tuple[str, ...]


class Router:
    """The routes of one configuration."""

    def __init__(self, config: Config) -> None:
        self._routes = config.routes
        self._workflows = {each.id: (each.name, each.tags) for each in config.workflows}
        self._rules = {each.id: each for each in config.rules}
        self._channels = tuple(config.channels)
        self._gathers = any(each.group_by for each in config.routes) or any(
            rule.group_by for rule in config.rules
        )

    def route(self, alert: Alert, rule: Rule | None, now: float) -> Routing:
        """The channels that the rule and the routes name for `alert` at `now`."""
        rule = rule or self._rules.get(alert.rule_id)
        named = rule.channels if rule is not None else ()
        subject = self._subject(alert, rule)
        routed = route(alert, subject, self._routes, now)
        groups = {}
        if self._gathers:
            found = ((name, self._group(name, alert, rule, subject)) for name in self._channels)
            groups = {name: group for name, group in found if group}
        return Routing(tuple(dict.fromkeys((*named, *routed.channels))), routed.gates, groups)

    def _group(self, channel: str, alert: Alert, rule: Rule | None, subject: Subject) -> str:
        """What `channel` gathers rows about `alert` under; empty: they leave at once.

        The times and severities of routes do not count, so that the end of an alert is in its fire's group.
        """
        if rule is not None and rule.group_by:
            return group_text(group_key("rule", rule.group_by, alert, subject), Pace())
        for number, each in enumerate(self._routes, 1):
            if channel in each.channels and not _misfit(each, subject):
                if not each.group_by:
                    return ""
                key = group_key(f"route {number}", each.group_by, alert, subject)
                return group_text(key, Pace(each.group_wait, each.group_interval, each.repeat or None))
        return ""

    def _subject(self, alert: Alert, rule: Rule | None) -> Subject:
        name, tags = self._workflows.get(alert.subject, ("", ()))
        names = (alert.subject, name) if name else (alert.subject,)
        all_tags = dict.fromkeys((*(rule.tags if rule is not None else ()), *tags))
        return Subject(alert.rule_id, alert.rule_name, names, tuple(all_tags))


def route(alert: Alert, subject: Subject, routes: Sequence[Route], now: float) -> Routing:
    """The channels that routes name, in order, and why others that they name are not among them."""
    passed: dict[str, Gate] = {}
    stopped: dict[str, Gate] = {}
    ended_by = 0
    for number, each in enumerate(routes, 1):
        if ended_by:
            misfit = f"route {ended_by} came first"
        else:
            misfit = _misfit(each, subject) or _wrong_moment(each, alert, now)
        for channel in each.channels:
            name = f"route:{channel}"
            if misfit:
                stopped.setdefault(channel, Gate(name, False, f"route {number}: {misfit}"))
            else:
                passed.setdefault(channel, Gate(name, True, f"route {number}"))
        if not misfit and not each.continue_:
            ended_by = number
    gates = (*passed.values(), *(gate for channel, gate in stopped.items() if channel not in passed))
    return Routing(tuple(passed), gates[:MAX_GATES])


def group_key(source: str, labels: Iterable[str], alert: Alert, subject: Subject) -> str:
    """The name of a group: where it is said, and what its alerts agree in."""
    values: Mapping[str, str] = {
        "rule": subject.rule_id,
        "subject": alert.subject,
        "severity": str(alert.severity),
        "tags": ",".join(sorted(subject.tags)),
    }
    return "; ".join([source, *(f"{label}={values[label]}" for label in labels)])


def _misfit(each: Route, subject: Subject) -> str:
    """Why the route is not about the alert, whatever the time; empty when it is."""
    if each.tags and not set(each.tags) & set(subject.tags):
        return f"takes tags {', '.join(each.tags)}"
    if each.rules and not _any_fits(each.rules, (subject.rule_id, subject.rule_name)):
        return f"takes rules {', '.join(each.rules)}"
    if each.workflows and not _any_fits(each.workflows, subject.names):
        return f"takes workflows {', '.join(each.workflows)}"
    return ""


def _wrong_moment(each: Route, alert: Alert, now: float) -> str:
    """Why the route does not take the alert as it is now; empty when it does."""
    rank = alert.severity.rank
    if not each.min_severity.rank <= rank <= each.max_severity.rank:
        return f"takes {each.min_severity} to {each.max_severity}, this is {alert.severity}"
    if each.times and not any(period.holds(now) for period in each.times):
        return f"takes alerts at {'; '.join(map(str, each.times))}"
    return ""


def _any_fits(patterns: Iterable[str], names: Sequence[str]) -> bool:
    return any(fits(pattern, name) for pattern in patterns for name in names)
