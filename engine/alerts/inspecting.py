"""What rules are doing, for who looks at them: how each is, and what it says of its subjects now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from engine.alerts.judge import Judge
from engine.alerts.lifecycle import fingerprint
from engine.config.conditions import AbsenceCondition, Condition, RateCondition
from engine.lines import lasted
from engine.model import Alert, Decision, Scalar
from engine.model.rules import MAX_STRIKES, ConditionState, RuleState, RuleStatus, SubjectState
from engine.rules.evaluator import Evaluation
from engine.rules.explain import joined, threshold
from engine.rules.findings import Finding
from engine.rules.metrics import show, show_percent
from engine.rules.wording import looks_for

if TYPE_CHECKING:
    from engine.config.schema import Rule

SUBJECTS_ASKED = 2_000
SUBJECTS_TOLD = 20
_URGENCY = {True: 0, False: 1, None: 2}


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
    """What a rule says of its subjects now, of at most 20, those with alerts first; and how many were asked.

    Of more than 2,000 subjects, only the first 2,000 are asked.
    """
    found = [
        (subject, evaluation, judge.book.get(fingerprint(rule_id, subject)))
        for subject, evaluation in islice(judge.peek(rule_id, now), SUBJECTS_ASKED)
    ]
    found.sort(key=lambda one: _urgency(one[1], one[2]))
    return tuple(_subject(*one) for one in found[:SUBJECTS_TOLD]), len(found)


def _urgency(evaluation: Evaluation, alert: Alert | None) -> tuple[bool, bool, int]:
    """Active alerts first, then pending ones, then what is true, false and unknown."""
    return alert is None, alert is None or not alert.state.is_active, _URGENCY[evaluation.result]


def _subject(subject: str, evaluation: Evaluation, alert: Alert | None) -> SubjectState:
    conditions = tuple(_condition(finding) for finding in evaluation.findings)
    state, number = (alert.state, alert.id) if alert is not None else (None, None)
    return SubjectState(subject, evaluation.result, conditions, state, number)


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
            return lasted(round(value))
    return show(getattr(condition, "metric", None) or "", value)
