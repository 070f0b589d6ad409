"""The life of an alert as a pure state machine: `pending → firing → acknowledged → resolved`.

A pending alert that comes to nothing is cancelled: it ends as `resolved` without ever having fired
(`fired_at` is None) and nobody is told. The manager, restarts and commands on a file all use these functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.config.types import format_duration
from engine.errors import ConflictError
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


@record(frozen=True, slots=True)
class Circumstances:
    """What besides the rule's result decides a transition.

    `quiet_since` is when the fingerprint last fired or was resolved by a person; `room` is whether one more
    alert may be active; `confirmed_from` is the earliest time auto-resolve may count from.
    """

    now: float
    room: bool = True
    quiet_since: float | None = None
    confirmed_from: float = float("-inf")


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
        severity=rule.severity,
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
    if result is False:
        return close(alert, RECOVERY, "", at.now)
    if result is None and _lapsed(alert, rule, at):
        return close(alert, AUTO, f"not confirmed for {format_duration(rule.auto_resolve)}", at.now)
    if result:
        alert = replace(alert, last_true_at=at.now, started_at=min(alert.started_at, at.now))
    if alert.state is AlertState.PENDING:
        return _pending(alert, rule, evaluation, at, new) if result else None
    if _escalates(alert, rule, at.now):
        return _escalated(alert, rule, at.now)
    return Transition(alert, gates=(Gate("dedup", False, f"alert {alert.id} is open"),)) if result else None


def acknowledge(alert: Alert, author: str, note: str, now: float) -> Transition:
    """A person takes care of a firing alert. Raises ConflictError in any other state."""
    if alert.state is not AlertState.FIRING:
        by = f" by {alert.acked_by}" if alert.state is AlertState.ACKNOWLEDGED and alert.acked_by else ""
        raise ConflictError(
            f"alert {alert.id} is {alert.state.value}{by}", "only a firing alert can be acknowledged"
        )
    author, note = plain(author, AUTHOR_LIMIT), plain(note, NOTE_LIMIT)
    acknowledged = replace(alert, state=AlertState.ACKNOWLEDGED, acked_at=now, acked_by=author, ack_note=note)
    return Transition(acknowledged, AlertEventKind.ACKNOWLEDGED, author, note)


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
            message=evaluation.explanation,
            value=evaluation.value,
        )
        return Transition(firing, AlertEventKind.FIRED, gates=gates)
    return Transition(alert, AlertEventKind.PENDING if new else None, gates=gates)


def _gates(alert: Alert, rule: Rule, at: Circumstances) -> tuple[Gate, ...]:
    """The gates in their order, up to the first that stops."""
    held = at.now - alert.started_at
    quiet = None if at.quiet_since is None else at.now - min(at.quiet_since, at.now)
    gates = (
        Gate("for", held >= rule.for_, _held(held, rule.for_)),
        Gate(
            "cooldown",
            quiet is None or quiet >= rule.cooldown,
            "quiet until now" if quiet is None else f"{_words(quiet)} of {format_duration(rule.cooldown)}",
        ),
        Gate("limit", at.room, "" if at.room else "as many alerts are active as settings allow"),
    )
    stop = next((index for index, gate in enumerate(gates) if not gate.passed), len(gates))
    return gates[: stop + 1]


def _held(held: float, wanted: float) -> str:
    return f"true for {_words(held)} of {format_duration(wanted)}" if wanted else "no waiting is asked for"


def _lapsed(alert: Alert, rule: Rule, at: Circumstances) -> bool:
    return at.now - max(alert.last_true_at, at.confirmed_from) >= rule.auto_resolve


def _escalates(alert: Alert, rule: Rule, now: float) -> bool:
    if rule.escalation is None or alert.state is not AlertState.FIRING or alert.escalated_at is not None:
        return False
    return alert.fired_at is not None and now - alert.fired_at >= rule.escalation.after


def _escalated(alert: Alert, rule: Rule, now: float) -> Transition:
    assert rule.escalation is not None
    severity = max(alert.severity, rule.escalation.severity, key=lambda severity: severity.rank)
    note = f"nobody acknowledged it for {format_duration(rule.escalation.after)}"
    if severity is not alert.severity:
        note = f"{alert.severity} → {severity}: {note}"
    return Transition(
        replace(alert, severity=severity, escalated_at=now), AlertEventKind.ESCALATED, RULE, note
    )


def _words(seconds: float) -> str:
    return format_duration(round(max(seconds, 0.0), 3))
