"""Alerts that others make superfluous: of what depends on something broken, nothing is made or told.

Checks go on and ends are told whatever inhibits. An alert never inhibits itself, and one that is on both
sides of a sentence is not inhibited by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from engine.alerts.matchers import Labels, met, parse_all
from engine.model import Alert
from engine.rules.metrics import SUBJECT_RULE

if TYPE_CHECKING:
    from engine.config.muting import InhibitSpec
    from engine.config.schema import Rule

Active = Iterable[tuple[Alert, Labels]]
"""The alerts that are firing or acknowledged, with what matchers may ask of them."""

Quieting = Mapping[str, Mapping[str, str]]
"""For each rule those that keep it quiet, with words for it that lack the number of their alert."""


def inhibitor(alert: Alert, labels: Labels, specs: Iterable[InhibitSpec], active: Active) -> str:
    """Which active alert makes this one superfluous, in words; empty when none does.

    Labels that neither has agree, as in Alertmanager; one that matches source and target is not inhibited.
    """
    aimed = [
        spec
        for spec in specs
        if met(parse_all(spec.target), labels) and not met(parse_all(spec.source), labels)
    ]
    for other, of_other in active if aimed else ():
        if other.fingerprint == alert.fingerprint:
            continue
        for spec in aimed:
            if met(parse_all(spec.source), of_other) and _agree(spec, labels, of_other):
                return f"alert {other.id} ({other.rule_id} of {other.subject}) is active"
    return ""


def quieting(rules: Iterable[Rule]) -> Quieting:
    """Which rules' active alerts keep each rule quiet: what it depends on, and what inhibits it."""
    found: dict[str, dict[str, str]] = {}
    for rule in rules:
        for name in rule.inhibits:
            found.setdefault(name, {})[rule.id] = f"rule {rule.id} inhibits it, and its alert {{}} is active"
        for name in rule.depends_on:
            words = f"it depends on rule {name}, whose alert {{}} is active"
            found.setdefault(rule.id, {})[name] = words
    return found


def quieter(alert: Alert, by: Mapping[str, str], active: Active, is_workflow: Callable[[str], bool]) -> str:
    """Which active alert of the rules `by` keeps this one quiet, in words; empty when none does."""
    for other, _ in active if by else ():
        if other.rule_id in by and _reaches(other.subject, alert.subject, is_workflow):
            return by[other.rule_id].format(other.id)
    return ""


def _reaches(subject: str, other: str, is_workflow: Callable[[str], bool]) -> bool:
    """Whether both are the same, the other has all its labels, or there is one of it only, as of health."""
    if subject == other:
        return True
    if is_workflow(subject) or subject.startswith(SUBJECT_RULE):
        return False
    labels = set(subject.split(", "))
    if not all("=" in label for label in labels):
        return True
    return labels <= {*other.split(", "), f"workflow={other}"}


def _agree(spec: InhibitSpec, left: Labels, right: Labels) -> bool:
    return all(set(left.get(name, ())) == set(right.get(name, ())) for name in spec.equal)
