"""What rules are doing, for who looks at them: how each is, and what it says of its subjects now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from engine.alerts.judge import MAX_STRIKES, Judge
from engine.alerts.lifecycle import fingerprint
from engine.config.conditions import AbsenceCondition, Condition, RateCondition
from engine.config.types import format_duration
from engine.model import Alert, AlertState, Decision, Scalar
from engine.model.rules import ConditionState, RuleState, RuleStatus, SubjectState
from engine.rules.explain import joined, threshold
from engine.rules.findings import Finding
from engine.rules.metrics import show, show_percent
from engine.rules.wording import looks_for

if TYPE_CHECKING:
    from engine.config.schema import Rule

SUBJECTS_ASKED = 500
SUBJECTS_TOLD = 50
_URGENCY = {True: 0, None: 1, False: 2}


def statuses(
    rules: Iterable[Rule],
    open_alerts: Iterable[Alert],
    strikes: Mapping[str, int],
    last: Mapping[str, Decision],
    now: float,
) -> tuple[RuleStatus, ...]:
    """How each rule is.

    Args:
        strikes: how often rules have failed.
        last: the newest decision of each.
    """
    counts = Counter((alert.rule_id, alert.state.is_active) for alert in open_alerts)
    return tuple(
        _status(
            rule,
            counts[rule.id, True],
            counts[rule.id, False],
            strikes.get(rule.id, 0),
            last.get(rule.id),
            now,
        )
        for rule in rules
    )


def subjects(judge: Judge, rule_id: str, now: float) -> tuple[tuple[SubjectState, ...], int]:
    """What a rule says of its subjects now, of at most 50, those with alerts first; and how many there are.

    Of more than 500 subjects, only the first 500 are asked.
    """
    found, count = [], 0
    for subject, evaluation in judge.peek(rule_id, now):
        count += 1
        if count > SUBJECTS_ASKED:
            continue
        alert = judge.book.get(fingerprint(rule_id, subject))
        conditions = tuple(_condition(finding) for finding in evaluation.findings)
        state, number = (alert.state, alert.id) if alert is not None else (None, None)
        found.append(SubjectState(subject, evaluation.result, conditions, state, number))
    found.sort(key=lambda one: (one.alert is None, one.alert is AlertState.PENDING, _URGENCY[one.result]))
    return tuple(found[:SUBJECTS_TOLD]), count


def _status(
    rule: Rule, firing: int, pending: int, strikes: int, last: Decision | None, now: float
) -> RuleStatus:
    awake = not rule.active or any(period.holds(now) for period in rule.active)
    asleep = "" if awake else " or ".join(map(str, rule.active))
    return RuleStatus(
        id=rule.id,
        name=rule.name,
        severity=rule.severity,
        state=_state(rule, firing, pending, strikes, asleep),
        looks_for=looks_for(rule),
        channels=rule.channels,
        firing=firing,
        pending=pending,
        strikes=strikes,
        asleep=asleep,
        last=last,
    )


def _state(rule: Rule, firing: int, pending: int, strikes: int, asleep: str) -> RuleState:
    if not rule.enabled:
        return RuleState.DISABLED
    if strikes >= MAX_STRIKES:
        return RuleState.FAILED
    if firing:
        return RuleState.FIRING
    if asleep:
        return RuleState.ASLEEP
    return RuleState.PENDING if pending else RuleState.QUIET


def _condition(finding: Finding) -> ConditionState:
    value = "" if finding.parts else _value(finding.condition, finding.value)
    return ConditionState(joined((finding,), ""), value, threshold(finding), finding.result)


def _value(condition: Condition, value: Scalar) -> str:
    """What was compared, in its unit."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if isinstance(condition, RateCondition):
            return show_percent(value)
        if isinstance(condition, AbsenceCondition):
            return format_duration(round(value))
    return show(getattr(condition, "metric", None) or "", value)
