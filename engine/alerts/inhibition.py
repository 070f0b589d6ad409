"""Alerts that others make superfluous: of what depends on something broken, nothing is made or told.

Checks go on and ends are told whatever inhibits. An alert never inhibits itself, and one that is on both
sides of a sentence is not inhibited by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from engine.alerts.matchers import Labels, met, parse_all
from engine.model import Alert

if TYPE_CHECKING:
    from engine.config.muting import InhibitSpec
    from engine.config.schema import Rule

Active = Iterable[tuple[Alert, Labels]]
"""The alerts that are firing or acknowledged, with what matchers may ask of them."""


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


def broken_rule(alert: Alert, rule: Rule, active: Active, is_workflow: Callable[[str], bool]) -> str:
    """Which of the rules that this one depends on has an active alert about the same, or about health."""
    for other, _ in active if rule.depends_on else ():
        if other.rule_id in rule.depends_on and (
            other.subject == alert.subject or not is_workflow(other.subject)
        ):
            return f"it depends on rule {other.rule_id}, whose alert {other.id} is active"
    return ""


def _agree(spec: InhibitSpec, left: Labels, right: Labels) -> bool:
    return all(set(left.get(name, ())) == set(right.get(name, ())) for name in spec.equal)
