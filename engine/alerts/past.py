"""What alerts, and what belongs to them, were at an earlier moment: from what they are now, and events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.alerts.escalation import UNANSWERED
from engine.model import (
    Alert,
    AlertEvent,
    AlertEventKind,
    AlertState,
    Maintenance,
    Notification,
    NotificationState,
    Severity,
    Silence,
)

_LEVELS = "|".join(Severity)
_CHANGE = re.compile(rf"({_LEVELS}) → ({_LEVELS}): (.*)", re.DOTALL)
_CHANGING = (AlertEventKind.ESCALATED, AlertEventKind.EASED)
_ENDS = (AlertEventKind.RESOLVED, AlertEventKind.CANCELLED)


def alert_at(alert: Alert, events: Sequence[AlertEvent], at: float) -> Alert | None:
    """The alert as it was at `at`, seconds since the epoch; None when it had not begun.

    State, times, people, notes, severity and counts are those of then. What events do not tell is as it is
    now: message, value and execution, and the level of what waited to fire, or has come back since. When an
    acknowledgement was to run out is known if it did, or if nothing has happened since.

    Args:
        alert: as it is now.
        events: all of its events, in the order in which they were stored.
    """
    happened = [event for event in events if event.at <= at]
    if not happened:
        return None if events or alert.started_at > at else alert
    seen = min(alert.last_true_at, at)
    if len(happened) == len(events):
        return replace(alert, last_true_at=seen)
    then = _blank(alert, happened[0].at)
    for event in happened:
        then = _after(then, event)
    lives = _lives(events)
    begun = [life for life in lives if life[0].at <= at]
    if len(begun) == len(lives):
        then = replace(then, started_at=min(alert.started_at, then.started_at))
    return replace(
        then,
        last_true_at=seen,
        severity=_severity(lives[len(begun) - 1 :], at, alert.severity),
        ack_until=_ack_until(then, begun[-1], at),
    )


def events_at(events: Iterable[AlertEvent], at: float) -> tuple[AlertEvent, ...]:
    """Those that had happened."""
    return tuple(event for event in events if event.at <= at)


def notification_at(row: Notification, at: float) -> Notification | None:
    """What one channel is told, as it stood then; None when it had not been made.

    What was sent later waited; of what was given up or needless nobody wrote down when that was found, so it
    was so from the beginning.
    """
    if row.created_at > at:
        return None
    if row.sent_at is None or row.sent_at <= at:
        return row
    return replace(row, state=NotificationState.QUEUED, tries=0, sent_at=None, latency=None, message="")


def maintenance_at(window: Maintenance, at: float) -> Maintenance | None:
    """A window that had been made and had not ended; None for any other."""
    if window.created_at > at or window.end <= at:
        return None
    is_later = window.ended_at is not None and window.ended_at > at
    return replace(window, ended_at=None, ended_by="") if is_later else window


def silence_at(silence: Silence, at: float) -> Silence | None:
    """A silence that had been made and had not ended; None for any other."""
    if silence.created_at > at or silence.end <= at:
        return None
    is_later = silence.expired_at is not None and silence.expired_at > at
    return replace(silence, expired_at=None, expired_by="") if is_later else silence


def _blank(alert: Alert, began: float) -> Alert:
    """The alert when nothing had happened to it yet."""
    return replace(
        alert,
        state=AlertState.PENDING,
        started_at=began,
        fired_at=None,
        acked_at=None,
        acked_by="",
        ack_note="",
        ack_until=None,
        resolved_at=None,
        resolved_by="",
        resolve_note="",
        escalated_at=None,
        reopened=0,
        escalations=0,
        reminders=0,
        told_at=None,
        cleared_at=None,
        owed=False,
    )


def _after(alert: Alert, event: AlertEvent) -> Alert:
    """The alert once an event has happened to it."""
    if alert.state is AlertState.RESOLVED:
        # It comes back under its number, and lives anew.
        reborn = _blank(alert, event.at)
        alert = replace(reborn, fired_at=alert.fired_at, reopened=alert.reopened + 1)
    match event.kind:
        case AlertEventKind.FIRED | AlertEventKind.REOPENED:
            return replace(alert, state=AlertState.FIRING, fired_at=event.at)
        case AlertEventKind.ACKNOWLEDGED:
            alert = replace(alert, state=AlertState.ACKNOWLEDGED, acked_at=event.at)
            return replace(alert, acked_by=event.author, ack_note=event.note)
        case AlertEventKind.LAPSED:
            alert = replace(alert, state=AlertState.FIRING, reminders=alert.reminders + 1)
            return replace(alert, acked_at=None, acked_by="", ack_note="")
        case AlertEventKind.ESCALATED if _is_step(event):
            return replace(alert, escalated_at=event.at, escalations=alert.escalations + 1)
        case AlertEventKind.ESCALATED | AlertEventKind.REMINDED:
            return replace(alert, reminders=alert.reminders + 1)
        case AlertEventKind.RESOLVED | AlertEventKind.CANCELLED:
            alert = replace(alert, state=AlertState.RESOLVED, resolved_at=event.at)
            return replace(alert, resolved_by=event.author, resolve_note=event.note)
        case _:
            return alert


def _lives(events: Sequence[AlertEvent]) -> list[list[AlertEvent]]:
    """The events from a beginning to an end, of an alert that came back of each of its lives."""
    lives: list[list[AlertEvent]] = []
    for place, event in enumerate(events):
        if place == 0 or events[place - 1].kind in _ENDS:
            lives.append([])
        lives[-1].append(event)
    return lives


def _severity(lives: Sequence[Sequence[AlertEvent]], at: float, now: Severity) -> Severity:
    """What the next change of it began with, or the last one ended with; without any, as it is now.

    Args:
        lives: the one that `at` is in, and those after it.
    """
    changes = _changes(lives[0])
    for event, before, _ in changes:
        if event.at > at:
            return before
    if changes:
        return changes[-1][2]
    return next((before for life in lives[1:] for _, before, _ in _changes(life)), now)


def _changes(life: Sequence[AlertEvent]) -> list[tuple[AlertEvent, Severity, Severity]]:
    """The changes of severity: from what, to what."""
    found = ((event, _CHANGE.fullmatch(event.note)) for event in life if event.kind in _CHANGING)
    return [(event, Severity(change[1]), Severity(change[2])) for event, change in found if change]


def _is_step(event: AlertEvent) -> bool:
    """Whether it was a step of the escalation rather than a higher level of the value."""
    change = _CHANGE.fullmatch(event.note)
    return (change[3] if change else event.note).startswith(UNANSWERED)


def _ack_until(alert: Alert, life: Sequence[AlertEvent], at: float) -> float | None:
    """When an acknowledgement that has run out since did so."""
    if alert.state is not AlertState.ACKNOWLEDGED:
        return None
    ends = (AlertEventKind.LAPSED, *_ENDS)
    end = next((event for event in life if event.at > at and event.kind in ends), None)
    return end.at if end is not None and end.kind is AlertEventKind.LAPSED else None
