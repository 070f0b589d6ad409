"""Whom a transition is told, and in which rows. Every announced fire gets one resolve, nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from engine.alerts.lifecycle import Transition
from engine.model import Alert, AlertEventKind, Gate, Notification

if TYPE_CHECKING:
    from engine.config.schema import Channel, Rule

Compose = Callable[[Alert, AlertEventKind, str, str], tuple[str, str]]
"""Makes title and body of a message from alert, transition, author and note."""

Notices = tuple[tuple[str, AlertEventKind], ...]
"""Channels, each with the transition it is told."""


def audience(
    transition: Transition, rule: Rule | None, channels: Mapping[str, Channel], told: frozenset[str]
) -> tuple[Notices, tuple[Gate, ...]]:
    """The channels to tell of a transition, and the severity gate of each.

    An escalation goes to its own channels, or to the rule's when it names none; a channel that has not heard
    of the alert is told that it fires, so that it hears of the end as well. The end goes to `told` alone.
    """
    match transition.kind:
        case AlertEventKind.FIRED if rule is not None:
            named: Iterable[str] = rule.channels
        case AlertEventKind.ESCALATED if rule is not None and rule.escalation is not None:
            named = rule.escalation.channels or rule.channels
        case AlertEventKind.RESOLVED:
            return tuple((name, AlertEventKind.RESOLVED) for name in sorted(told)), ()
        case _:
            return (), ()
    severity = transition.alert.severity
    gates = tuple(
        Gate(
            f"severity:{name}",
            severity.rank >= channels[name].min_severity.rank,
            f"{severity}, the channel takes {channels[name].min_severity} and above",
        )
        for name in dict.fromkeys(named)
        if name in channels
    )
    passed = [gate.name.removeprefix("severity:") for gate in gates if gate.passed]
    return tuple((name, transition.kind if name in told else AlertEventKind.FIRED) for name in passed), gates


def notifications(
    transition: Transition, notices: Notices, compose: Compose, now: float
) -> tuple[Notification, ...]:
    """The outbox rows for `notices`; they belong into the transition's own transaction."""
    if not notices or transition.kind is None:
        return ()
    alert = transition.alert
    title, body = compose(alert, transition.kind, transition.author, transition.note)
    return tuple(
        Notification(
            key=f"{alert.id}:{kind}:{channel}",
            alert_id=alert.id,
            channel=channel,
            transition=kind,
            severity=alert.severity,
            title=title,
            body=body,
            created_at=now,
        )
        for channel, kind in notices
    )
