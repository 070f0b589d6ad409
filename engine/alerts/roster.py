"""The rules of a configuration, and whom each of them is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from engine.alerts.inhibition import quieting
from engine.alerts.lifecycle import fingerprint
from engine.rules.composite import in_order
from engine.rules.metrics import SUBJECT_RULE, Facts
from engine.rules.quick import Quick, is_momentary, quick
from engine.rules.scope import covers, is_about_rules, own_subject, reach, series_of
from engine.rules.series import Pairs, Wanted
from engine.rules.window import WorkflowWindow
from engine.rules.witness import Witness

if TYPE_CHECKING:
    from engine.config.schema import Config, Rule


class Concern(NamedTuple):
    """A rule and one subject of it: the fingerprint of its alert, and a shortcut to its result.

    With `momentary`, the passing of time alone does not change that result.
    """

    rule: Rule
    known: str
    quick: Quick | None
    momentary: bool


class Glance(NamedTuple):
    """A workflow whose rules ask for nothing but its newest execution: the alert and the result of each."""

    window: WorkflowWindow
    facts: Facts
    checks: tuple[tuple[str, Quick], ...]


class Roster:
    """Who is concerned by what. Rules come after those that they look at.

    Args:
        is_active: whether a rule has a firing or acknowledged alert about a subject.
        strikes: how often rules have failed, those that did; it may change.
        before: the roster of the configuration so far, whose points and lines are kept.
    """

    def __init__(
        self,
        config: Config,
        is_active: Callable[[str, str], bool],
        strikes: Mapping[str, int],
        before: Roster | None = None,
    ) -> None:
        self.names = {workflow.id: workflow.name for workflow in config.workflows}
        self.rules = {rule.id: rule for rule in _ordered(config)}
        self.reach = reach(self.rules.values())
        self.witness = Witness(self.rules.values(), is_active, strikes)
        if before is not None:
            self.witness.take_over(before.witness)
        self._own = {rule.id: subject for rule in self.rules.values() if (subject := _own(rule)) is not None}
        self._series = {rule.id: wanted for rule in self.rules.values() if (wanted := _wanted(rule))}
        self._about_rules = {rule.id for rule in self.rules.values() if _is_about_rules(rule)}
        self._quick = {rule.id: self._shortcut(rule) for rule in self.rules.values()}
        self._matching: dict[str, tuple[Concern, ...]] = {}

    def of_workflow(self, workflow_id: str) -> tuple[Concern, ...]:
        """The rules about a workflow."""
        concerns = self._matching.get(workflow_id)
        if concerns is None:
            name = self.names.get(workflow_id, "")
            concerns = self._matching[workflow_id] = tuple(
                Concern(rule, fingerprint(rule.id, workflow_id), self._quick[rule.id], is_momentary(rule))
                for rule in self.rules.values()
                if rule.id not in self._own
                and rule.id not in self._series
                and rule.id not in self._about_rules
                and covers(rule, workflow_id, name)
            )
        return concerns

    def glance(self, workflow_id: str, window: WorkflowWindow) -> Glance:
        """The shortcuts of the rules about a workflow, which all of them have."""
        checks = ((each.known, each.quick) for each in self.of_workflow(workflow_id))
        known = tuple((known, quick) for known, quick in checks if quick is not None)
        return Glance(window, Facts(workflow_id, window), known)

    def about(self, workflow_id: str) -> Iterator[Rule]:
        """The rules about a workflow, without what goes with each."""
        return (concern.rule for concern in self.of_workflow(workflow_id))

    def of_others(self) -> Iterator[tuple[Rule, str, Pairs]]:
        """The rules about anything else, each with its subjects, and the labels that a subject stands for."""
        for rule in self.rules.values():
            if rule.id in self._own:
                yield rule, self._own[rule.id], ()
            elif rule.id in self._about_rules:
                yield from ((rule, f"{SUBJECT_RULE}{name}", ()) for name in tuple(self.witness.strikes))
            elif rule.id in self._series:
                yield from (
                    (rule, subject, labels)
                    for subject, labels in tuple(self.witness.series.subjects(self._series[rule.id]).items())
                )

    def subjects(self, rule: Rule) -> Iterator[tuple[str, Pairs, bool]]:
        """Those of one rule: what each is called, the labels it stands for, whether it is a workflow."""
        if rule.id in self._own or rule.id in self._series or rule.id in self._about_rules:
            yield from ((name, labels, False) for each, name, labels in self.of_others() if each is rule)
            return
        yield from ((id, (), True) for id, name in tuple(self.names.items()) if covers(rule, id, name))

    def concerns(self, rule_id: str, subject: str, is_workflow: bool) -> bool:
        """Whether a rule is there and still about the subject."""
        if rule_id in self._own:
            return self._own[rule_id] == subject
        if rule_id in self._series:
            return subject in self.witness.series.subjects(self._series[rule_id])
        if rule_id in self._about_rules:
            name = subject.removeprefix(SUBJECT_RULE)
            return name in self.rules and name in self.witness.strikes
        return is_workflow and any(each.rule.id == rule_id for each in self.of_workflow(subject))

    def _shortcut(self, rule: Rule) -> Quick | None:
        return None if rule.id in self.witness.referred or rule.flapping is not None else quick(rule)


def _ordered(config: Config) -> list[Rule]:
    """Those that are enabled, each after those that it looks at, and that keep it quiet.

    As far as that is possible: what goes in a circle is in the order of the file.
    """
    rules = {rule.id: rule for rule in config.rules if rule.enabled}
    for before in (quieting(rules.values()), {}):
        try:
            return in_order(rules, before)
        except ValueError:
            continue
    return list(rules.values())


def _own(rule: Rule) -> str | None:
    """One that cannot be read counts as about workflows, and fails when it is evaluated."""
    try:
        return own_subject(rule)
    except ValueError:
        return None


def _is_about_rules(rule: Rule) -> bool:
    try:
        return is_about_rules(rule)
    except ValueError:
        return False


def _wanted(rule: Rule) -> tuple[Wanted, ...]:
    try:
        return series_of(rule)
    except ValueError:
        return ()
