"""The life of an alert as a pure state machine: `pending → firing → acknowledged → resolved`.

A pending alert that comes to nothing is cancelled: it ends as `resolved` without ever having fired
(`fired_at` is None) and nobody is told. The manager, restarts and commands on a file all use these functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.alerts.escalation import due
from engine.errors import ConflictError
from engine.lines import lasted, spelled
from engine.model import Alert, AlertEventKind, AlertState, Execution, Gate
from engine.model.record import record
from engine.text import plain

if TYPE_CHECKING:
    from engine.config.schema import Rule
    from engine.rules.evaluator import Evaluation

RECOVERY = "recovery"
AUTO = "auto"
RULE = "rule"
MACHINES = frozenset({RECOVERY, AUTO, RULE})
"""Authors that are no person."""

AUTHOR_LIMIT = 120
NOTE_LIMIT = 1_000

LEVEL = "level"
"""The gate of a transition to a higher severity because of the value."""

CREATION_GATES = frozenset({"inhibited"})
"""Of the gates that mute, those that stop an alert from being made, too."""


@record(frozen=True, slots=True)
class Circumstances:
    """What besides the rule's result decides a transition.

    `quiet_since` is when the fingerprint last fired or was resolved by a person; `room` is whether one more
    alert may be active; `confirmed_from` is the earliest time auto-resolve may count from; `mute` are the
    gates that stop it from being made or told.
    """

    now: float
    room: bool = True
    quiet_since: float | None = None
    confirmed_from: float = float("-inf")
    mute: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """What one look did to an alert: `alert` as it is now, and `kind`, None when only a gate stopped it."""

    alert: Alert
    kind: AlertEventKind | None = None
    author: str = ""
    note: str = ""
    gates: tuple[Gate, ...] = ()

    @property
    def stopped_at(self) -> str:
        """The name of the gate that stopped it, empty when none did."""
        return next((gate.name for gate in self.gates if not gate.passed), "")


def fingerprint(rule_id: str, subject: str) -> str:
    """What alerts that deduplicate into one have in common."""
    return f"{rule_id}|{subject}"


def draft(
    alert_id: int, rule: Rule, subject: str, evaluation: Evaluation, execution: Execution | None, now: float
) -> Alert:
    """A pending alert for a condition just found true; `observe(…, new=True)` decides how it begins."""
    return Alert(
        id=alert_id,
        fingerprint=fingerprint(rule.id, subject),
        rule_id=rule.id,
        rule_name=rule.name,
        subject=subject,
        severity=evaluation.severity or rule.severity,
        state=AlertState.PENDING,
        message=evaluation.explanation,
        started_at=now,
        last_true_at=now,
        value=evaluation.value,
        execution_id=execution.id if execution else None,
        trace_id=execution.trace_id if execution else None,
    )


def observe(
    alert: Alert, rule: Rule, evaluation: Evaluation, at: Circumstances, *, new: bool = False
) -> Transition | None:
    """What one evaluation does to an open alert; None when it stays as it is.

    Unknown (None) neither fires nor resolves; it only lets time pass for auto-resolve and escalation.

    Args:
        new: the alert is a draft that is not stored yet.
    """
    result = evaluation.result
    if result is False and not _is_kept(alert, rule, at.now):
        return close(alert, RECOVERY, "", at.now)
    if result is None and _lapsed(alert, rule, at):
        return close(alert, AUTO, f"not confirmed for {spelled(rule.auto_resolve)}", at.now)
    if result is False:
        alert = replace(alert, cleared_at=_cleared(alert, at.now))
    elif result:
        alert = replace(alert, last_true_at=at.now, started_at=min(alert.started_at, at.now), cleared_at=None)
    if alert.state is AlertState.PENDING:
        return _pending(alert, rule, evaluation, at, new) if result else None
    levelled = _levelled(alert, rule, evaluation, at) if result else None
    if levelled is not None:
        return levelled
    later = due(alert, rule, at.now, is_muted=bool(at.mute))
    if later is not None:
        return _announced(Transition(later.alert, later.kind, RULE, later.note), at)
    if result is None:
        return None
    return Transition(alert, gates=(_open(alert, rule, at.now),))


def reopened(closed: Alert, new: Alert) -> Alert:
    """A draft for an alert that has ended and comes back under its own number."""
    return replace(new, id=closed.id, fired_at=closed.fired_at, reopened=closed.reopened + 1)


def may_reopen(closed: Alert | None, rule: Rule, now: float) -> bool:
    """Whether an alert ended so lately that it comes back; not when a person ended it."""
    if closed is None or closed.resolved_at is None or closed.resolved_by not in MACHINES:
        return False
    return closed.fired_at is not None and now - closed.resolved_at < rule.reopen


def acknowledge(alert: Alert, author: str, note: str, now: float, until: float | None = None) -> Transition:
    """A person takes care of a firing alert, `until` then if it is given.

    Raises:
        ConflictError: it is in any other state, or `until` is past.
    """
    if until is not None and until <= now:
        raise ConflictError("an acknowledgement runs out after it was made")
    if alert.state is not AlertState.FIRING:
        by = f" by {alert.acked_by}" if alert.state is AlertState.ACKNOWLEDGED and alert.acked_by else ""
        raise ConflictError(
            f"alert {alert.id} is {alert.state.value}{by}", "only a firing alert can be acknowledged"
        )
    author, note = plain(author, AUTHOR_LIMIT), plain(note, NOTE_LIMIT)
    acknowledged = replace(
        alert, state=AlertState.ACKNOWLEDGED, acked_at=now, acked_by=author, ack_note=note, ack_until=until
    )
    return Transition(acknowledged, AlertEventKind.ACKNOWLEDGED, author, note)


def noted(alert: Alert, author: str, note: str) -> Transition:
    """A person writes something down about an open alert. Raises ConflictError for an empty note."""
    note = plain(note, NOTE_LIMIT).strip()
    if not note:
        raise ConflictError("the note is empty")
    return Transition(alert, AlertEventKind.NOTED, plain(author, AUTHOR_LIMIT), note)


def resolve(alert: Alert, author: str, note: str, now: float) -> Transition:
    """A person ends an active alert. Raises ConflictError when it is pending or resolved."""
    if not alert.state.is_active:
        raise ConflictError(
            f"alert {alert.id} is {alert.state.value}", "only a firing or acknowledged alert can be resolved"
        )
    return close(alert, plain(author, AUTHOR_LIMIT), plain(note, NOTE_LIMIT), now)


def close(alert: Alert, author: str, note: str, now: float) -> Transition:
    """End an open alert: a pending one is cancelled, an active one resolved."""
    kind = AlertEventKind.CANCELLED if alert.state is AlertState.PENDING else AlertEventKind.RESOLVED
    ended = replace(alert, state=AlertState.RESOLVED, resolved_at=now, resolved_by=author, resolve_note=note)
    return Transition(ended, kind, author, note)


def quiet_since(alert: Alert) -> float | None:
    """When the alert last did what its cooldown counts from: fired, or was resolved by a person."""
    by_hand = alert.resolved_at if alert.fired_at is not None and alert.resolved_by not in MACHINES else None
    times = [time for time in (alert.fired_at, by_hand) if time is not None]
    return max(times, default=None)


def _pending(alert: Alert, rule: Rule, evaluation: Evaluation, at: Circumstances, new: bool) -> Transition:
    gates = _gates(alert, rule, at)
    if gates[-1].passed:
        firing = replace(
            alert,
            state=AlertState.FIRING,
            fired_at=at.now,
            severity=evaluation.severity or alert.severity,
            message=evaluation.explanation,
            value=evaluation.value,
        )
        kind = AlertEventKind.REOPENED if alert.reopened else AlertEventKind.FIRED
        return _announced(Transition(firing, kind, gates=gates), at)
    return Transition(alert, AlertEventKind.PENDING if new else None, gates=gates)


def _is_kept(alert: Alert, rule: Rule, now: float) -> bool:
    """Whether a firing alert outlives its condition, as Prometheus' `keep_firing_for` has it."""
    return alert.state.is_active and now - _cleared(alert, now) < rule.keep_firing_for


def _cleared(alert: Alert, now: float) -> float:
    """Since when the condition has been false; a clock that was set back does not count."""
    return now if alert.cleared_at is None else min(alert.cleared_at, now)


def _open(alert: Alert, rule: Rule, now: float) -> Gate:
    """Why nothing comes of a look at an alert that is open."""
    if alert.cleared_at is None:
        return Gate("dedup", False, f"alert {alert.id} is open")
    kept = f"{lasted(now - alert.cleared_at)} of {spelled(rule.keep_firing_for)}"
    return Gate("keep_firing_for", False, f"no longer true for {kept}")


def _levelled(alert: Alert, rule: Rule, evaluation: Evaluation, at: Circumstances) -> Transition | None:
    """A higher level is told, a lower one is only recorded; never lower than the steps of its escalation."""
    if evaluation.severity is None:
        return None
    floors = [step.severity for step in rule.escalation[: alert.escalations]]
    severity = max([evaluation.severity, *floors], key=lambda severity: severity.rank)
    if severity is alert.severity:
        return None
    note = f"{alert.severity} → {severity}: {evaluation.explanation}"
    changed = replace(alert, severity=severity, message=evaluation.explanation, value=evaluation.value)
    if severity.rank < alert.severity.rank:
        return Transition(changed, AlertEventKind.EASED, RULE, note)
    raised = replace(changed, reminders=alert.reminders + 1)
    gate = Gate(LEVEL, True, f"{alert.severity} → {severity}")
    return _announced(Transition(raised, AlertEventKind.ESCALATED, RULE, note, (gate,)), at)


def _gates(alert: Alert, rule: Rule, at: Circumstances) -> tuple[Gate, ...]:
    """The gates in their order, up to the first that stops."""
    held = at.now - alert.started_at
    quiet = None if at.quiet_since is None else at.now - min(at.quiet_since, at.now)
    cooled = (
        "no earlier alert to wait for" if quiet is None else f"{lasted(quiet)} of {spelled(rule.cooldown)}"
    )
    room = "there is room for one more" if at.room else "as many alerts are active as settings allow"
    gates = (
        Gate("for", held >= rule.for_, _held(held, rule.for_)),
        Gate("cooldown", quiet is None or quiet >= rule.cooldown or alert.reopened > 0, cooled),
        Gate("limit", at.room, room),
        *(gate for gate in at.mute if gate.name in CREATION_GATES),
    )
    stop = next((index for index, gate in enumerate(gates) if not gate.passed), len(gates))
    return gates[: stop + 1]


def _held(held: float, wanted: float) -> str:
    return f"true for {lasted(held)} of {spelled(wanted)}" if wanted else "no waiting is asked for"


def _lapsed(alert: Alert, rule: Rule, at: Circumstances) -> bool:
    return at.now - max(alert.last_true_at, at.confirmed_from) >= rule.auto_resolve


def _announced(transition: Transition, at: Circumstances) -> Transition:
    """With the gates that mute it; while one does, its announcement is owed."""
    muted = bool(at.mute)
    told_at = transition.alert.told_at if muted else at.now
    alert = replace(transition.alert, owed=muted, told_at=told_at)
    return replace(transition, alert=alert, gates=(*transition.gates, *at.mute))
