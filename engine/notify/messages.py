"""What a notification says: one short title and a few plain lines, made from the alert alone."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.config.types import format_duration
from engine.model import Alert, AlertEventKind
from engine.text import clean, plain

TITLE_LIMIT = 160
MESSAGE_LIMIT = 1_500
_ENDED_BY_ITSELF = {
    "recovery": "the condition no longer holds",
    "auto": "not confirmed any more",
    "rule": "its rule was removed",
}


def compose(alert: Alert, kind: AlertEventKind, author: str = "", note: str = "") -> tuple[str, str]:
    """The title and body that tell of `kind` happening to `alert`.

    Args:
        alert: the alert as it is after the transition.
        author: who did it: a person's name, `recovery`, `auto` or `rule`; the alert's own when empty.
        note: what that person wrote; the alert's own when empty.
    """
    title = plain(f"[{_mark(alert, kind)}] {alert.rule_name} · {alert.subject}", TITLE_LIMIT)
    lines = [
        clean(alert.message, MESSAGE_LIMIT, multiline=True),
        _since(alert),
        *_told(alert, kind, author, note),
        f"Alert {alert.id}, rule {plain(alert.rule_id)}",
    ]
    return title, "\n".join(line for line in lines if line)


def _mark(alert: Alert, kind: AlertEventKind) -> str:
    """What the eye should meet first: the severity, or how it ended."""
    if kind is AlertEventKind.ESCALATED:
        return f"{alert.severity} ESCALATED"
    if kind in (AlertEventKind.PENDING, AlertEventKind.FIRED):
        return str(alert.severity)
    return kind.upper()


def _since(alert: Alert) -> str:
    started = f"Since {_utc(alert.started_at)}"
    if alert.fired_at is None or alert.fired_at - alert.started_at < 1:
        return started
    return f"{started}, fired {_span(alert.started_at, alert.fired_at)} later"


def _told(alert: Alert, kind: AlertEventKind, author: str, note: str) -> list[str]:
    """The lines that belong to one kind of transition."""
    if kind is AlertEventKind.ESCALATED and alert.escalated_at is not None:
        waited = _span(alert.fired_at or alert.started_at, alert.escalated_at)
        return [f"Escalated: {plain(note) or f'nobody acknowledged it for {waited}'}"]
    if kind is AlertEventKind.ACKNOWLEDGED and alert.acked_at is not None:
        who = plain(author or alert.acked_by) or "somebody"
        after = _span(alert.fired_at or alert.started_at, alert.acked_at)
        return [f"Acknowledged by {who} after {after}", _note(note or alert.ack_note)]
    if kind is AlertEventKind.RESOLVED and alert.resolved_at is not None:
        lasted = f"Lasted {_span(alert.started_at, alert.resolved_at)}, until {_utc(alert.resolved_at)}"
        acked = f"Acknowledged by {plain(alert.acked_by)}" if alert.acked_by else ""
        return [lasted, acked, *_ended(author or alert.resolved_by, note or alert.resolve_note)]
    return [_note(note)]


def _ended(author: str, note: str) -> list[str]:
    if author in _ENDED_BY_ITSELF:
        return [f"Resolved by itself: {plain(note) or _ENDED_BY_ITSELF[author]}"]
    return [f"Resolved by {plain(author) or 'somebody'}", _note(note)]


def _note(note: str) -> str:
    return f"Note: {clean(note, MESSAGE_LIMIT, multiline=True)}" if note else ""


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(start: float, end: float) -> str:
    """How long from `start` to `end`, in whole seconds."""
    return format_duration(float(max(round(end - start), 1)))
