"""How the rules that are in force now stood at an earlier moment: by the alerts and decisions of then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from engine.model import Alert, AlertState, Decision
from engine.model.rules import RuleDetail, RuleState, RuleStatus, SubjectState
from engine.past import Past
from engine.rules_client import DECISIONS_TOLD
from engine.store.alerting import decisions, last_decisions
from engine.store.reader import Reader
from engine.store.where import MAX_ROWS

_OPEN = frozenset(AlertState) - {AlertState.RESOLVED}


async def statuses_at(reader: Reader, rules: Sequence[RuleStatus], at: float) -> tuple[RuleStatus, ...]:
    """The rules with their states, counts and newest decisions of then.

    Nobody wrote down which rules failed or slept: of that, nothing is told.
    """
    active = await _active(reader, at)
    last = await last_decisions(reader.pool, at)
    return tuple(_status(rule, active, last.get(rule.id)) for rule in rules)


async def detail_at(reader: Reader, detail: RuleDetail, at: float) -> RuleDetail:
    """A rule with the decisions of then, and the subjects that had an open alert or were decided about.

    What the conditions said is not stored; their definition is that of now.
    """
    rule_id = detail.status.id
    active = [alert for alert in await _active(reader, at) if alert.rule_id == rule_id]
    decided = await decisions(reader.pool, rule_id, DECISIONS_TOLD, at)
    subjects = _subjects(active, decided)
    return replace(
        detail,
        status=_status(detail.status, active, next(iter(decided), None)),
        subjects=subjects,
        subject_count=len(subjects),
        decisions=decided,
    )


async def _active(reader: Reader, at: float) -> tuple[Alert, ...]:
    # None that ended before counts, so that nothing before needs to be looked at.
    return await Past(reader).alerts(at, states=_OPEN, since=at, limit=MAX_ROWS)


def _status(rule: RuleStatus, active: Sequence[Alert], last: Decision | None) -> RuleStatus:
    counts = Counter(alert.state is AlertState.PENDING for alert in active if alert.rule_id == rule.id)
    idle = RuleState.DISABLED if rule.state is RuleState.DISABLED else RuleState.QUIET
    state = RuleState.FIRING if counts[False] else RuleState.PENDING if counts[True] else idle
    return replace(
        rule, state=state, firing=counts[False], pending=counts[True], strikes=0, asleep="", last=last
    )


def _subjects(active: Sequence[Alert], decided: Sequence[Decision]) -> tuple[SubjectState, ...]:
    """Those with an open alert first, then those of the newest decisions, with what was found."""
    found: dict[str, SubjectState] = {}
    newest: dict[str, Decision] = {}
    for decision in decided:
        newest.setdefault(decision.subject, decision)
    for alert in active:
        known = newest.get(alert.subject)
        result = known.result if known is not None else None
        found[alert.subject] = SubjectState(alert.subject, result, (), alert.state, alert.id)
    for subject, decision in newest.items():
        found.setdefault(subject, SubjectState(subject, decision.result))
    return tuple(found.values())
