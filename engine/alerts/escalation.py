"""What time alone does to a firing alert: an acknowledgement runs out, nobody came, nobody was told yet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from engine.lines import lasted, spelled
from engine.model import Alert, AlertEventKind, AlertState

if TYPE_CHECKING:
    from engine.config.schema import Rule


UNANSWERED = "nobody acknowledged it for"
"""What the note of a step says, after the change of severity if there is one."""


class Due(NamedTuple):
    """What has come about: the alert as it is then, and why."""

    alert: Alert
    kind: AlertEventKind
    note: str


def due(alert: Alert, rule: Rule, now: float, *, is_muted: bool) -> Due | None:
    """What is due for an active alert at `now`: the first of

    - the end of its acknowledgement, after which it is firing again;
    - the next step of its escalation, counted from when it fired;
    - its announcement, if that was muted and no longer is;
    - a reminder, `remind` after it was last told. What is muted waits until it no longer is.
    """
    if alert.state is AlertState.ACKNOWLEDGED:
        return _lapsed(alert, now)
    if alert.state is not AlertState.FIRING:
        return None
    return _escalated(alert, rule, now) or (None if is_muted else _told_again(alert, rule, now))


def channels_reached(alert: Alert, rule: Rule) -> tuple[str, ...]:
    """The channels of the steps that an alert has taken."""
    return tuple(name for step in rule.escalation[: alert.escalations] for name in step.channels)


def step_channels(alert: Alert, rule: Rule) -> tuple[str, ...]:
    """The channels of the step that it took last, none when that names none, or it took none."""
    return rule.escalation[alert.escalations - 1].channels if alert.escalations else ()


def _lapsed(alert: Alert, now: float) -> Due | None:
    if alert.ack_until is None or now < alert.ack_until:
        return None
    firing = replace(
        alert,
        state=AlertState.FIRING,
        acked_at=None,
        acked_by="",
        ack_note="",
        ack_until=None,
        reminders=alert.reminders + 1,
    )
    return Due(firing, AlertEventKind.LAPSED, f"the acknowledgement by {alert.acked_by} ran out")


def _escalated(alert: Alert, rule: Rule, now: float) -> Due | None:
    if alert.escalations >= len(rule.escalation) or alert.fired_at is None:
        return None
    step = rule.escalation[alert.escalations]
    if now - alert.fired_at < step.after:
        return None
    severity = max(alert.severity, step.severity, key=lambda severity: severity.rank)
    note = f"{UNANSWERED} {spelled(step.after)}"
    if severity is not alert.severity:
        note = f"{alert.severity} → {severity}: {note}"
    raised = replace(alert, severity=severity, escalated_at=now, escalations=alert.escalations + 1)
    return Due(raised, AlertEventKind.ESCALATED, note)


def _told_again(alert: Alert, rule: Rule, now: float) -> Due | None:
    reminded = replace(alert, reminders=alert.reminders + 1)
    if alert.owed:
        return Due(reminded, AlertEventKind.REMINDED, "it is no longer muted")
    if rule.remind is None or alert.told_at is None or now - alert.told_at < rule.remind:
        return None
    return Due(reminded, AlertEventKind.REMINDED, f"firing for {lasted(_whole(now, alert))}")


def _whole(now: float, alert: Alert) -> float:
    return float(max(round(now - (alert.fired_at or now)), 1))
