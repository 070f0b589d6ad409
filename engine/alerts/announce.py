"""Whom a transition is told, and in which rows. Every announced fire gets one resolve, nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engine.alerts.escalation import channels_reached, step_channels
from engine.alerts.lifecycle import LEVEL, Transition
from engine.model import Alert, AlertEventKind, Gate, Notification
from engine.notify.facts import Occasion
from engine.notify.messages import Words
from engine.notify.routes import Routing

if TYPE_CHECKING:
    from engine.config.schema import Channel, Rule

Compose = Callable[[Occasion, str], Words]
"""Words an occasion for a channel."""

NO_GROUPS: Mapping[str, str] = {}

Notices = tuple[tuple[str, AlertEventKind], ...]
"""Channels, each with the transition it is told."""


def audience(
    transition: Transition,
    rule: Rule | None,
    channels: Mapping[str, Channel],
    told: frozenset[str],
    routing: Routing,
) -> tuple[Notices, tuple[Gate, ...]]:
    """The channels to tell of a transition, and their gates: of routes, and of severity.

    An escalation goes to its step's channels, or to those of `routing` when it names none, a reminder to all
    that have been reached. A channel that has not heard of the alert is told that it fires, so that it hears
    of the end, too; that goes to `told` alone. Nobody is told of what a gate has stopped.
    """
    if transition.kind is AlertEventKind.RESOLVED:
        return _ends(channels, told)
    if rule is None or transition.stopped_at:
        return (), ()
    alert, routed = transition.alert, routing.gates
    match transition.kind:
        case AlertEventKind.FIRED | AlertEventKind.REOPENED | AlertEventKind.FLAPPING | AlertEventKind.STEADY:
            named = routing.channels
        case AlertEventKind.ESCALATED if any(gate.name == LEVEL for gate in transition.gates):
            named = (*routing.channels, *channels_reached(alert, rule))
        case AlertEventKind.ESCALATED:
            named, routed = step_channels(alert, rule) or routing.channels, ()
        case AlertEventKind.REMINDED | AlertEventKind.LAPSED:
            named = (*routing.channels, *channels_reached(alert, rule), *sorted(told))
        case _:
            return (), ()
    severity = alert.severity
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
    return tuple((name, _heard(transition, name in told)) for name in passed), (*routed, *gates)


def _heard(transition: Transition, has_heard: bool) -> AlertEventKind:
    """What a channel is told: who has not heard of an alert that fires hears just that."""
    match transition.kind:
        case AlertEventKind.FLAPPING | AlertEventKind.STEADY:
            return transition.kind
        case AlertEventKind.LAPSED if has_heard:
            return AlertEventKind.REMINDED
        case kind if has_heard and kind is not None:
            return kind
        case _:
            return AlertEventKind.FIRED


def key_of(alert: Alert, kind: AlertEventKind, channel: str, now: float) -> str:
    """What makes a message its own, also the second of its kind: `7:fired:ops`, `7:reminded:ops:2`."""
    marks: list[object] = [alert.id, kind, channel]
    if kind is AlertEventKind.ESCALATED:
        marks += [alert.escalations] if alert.escalations > 1 else []
        marks += [f"n{alert.reminders}"] if alert.reminders else []
    elif kind is AlertEventKind.REMINDED:
        marks.append(alert.reminders)
    elif kind in (AlertEventKind.FLAPPING, AlertEventKind.STEADY):
        marks.append(f"{now:.0f}")
    if alert.reopened:
        marks.append(f"r{alert.reopened}")
    return ":".join(map(str, marks))


def _ends(channels: Mapping[str, Channel], told: frozenset[str]) -> tuple[Notices, tuple[Gate, ...]]:
    """Of those that were told of the fire, all but the channels that do not want to hear of ends."""
    quiet = [name for name in sorted(told) if name in channels and not channels[name].send_resolved]
    gates = tuple(Gate(f"resolved:{name}", False, "the channel takes no ends of alerts") for name in quiet)
    return tuple((name, AlertEventKind.RESOLVED) for name in sorted(told - set(quiet))), gates


def notifications(
    transition: Transition,
    notices: Notices,
    compose: Compose,
    now: float,
    rule: Rule | None = None,
    threshold: str = "",
    groups: Mapping[str, str] = NO_GROUPS,
) -> tuple[Notification, ...]:
    """The outbox rows for `notices`; they belong into the transition's own transaction.

    Args:
        groups: what rows are gathered under, by channel; those of others leave at once.
    """
    if not notices or transition.kind is None:
        return ()
    alert = transition.alert
    author, note = transition.author, transition.note
    occasion = Occasion(alert, transition.kind, now, author, note, rule, threshold)
    rows = []
    for channel, kind in notices:
        words = compose(occasion, channel)
        rows.append(
            Notification(
                key=key_of(alert, kind, channel, now),
                alert_id=alert.id,
                channel=channel,
                transition=kind,
                severity=alert.severity,
                title=words.title,
                body=words.body,
                created_at=now,
                facts=words.facts,
                group=groups.get(channel, ""),
            )
        )
    return tuple(rows)
