"""What a notification says: one short title and a few plain lines, made from what is known alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from engine.model import Alert, AlertEventKind, Notification, Severity
from engine.notify.facts import Occasion, as_text, facts, span
from engine.text import clean, counted, plain

TITLE_LIMIT = 160
MESSAGE_LIMIT = 1_500
DIGEST_LINES = 30
_ENDED_BY_ITSELF = {
    "recovery": "the condition no longer holds",
    "auto": "not confirmed any more",
    "rule": "its rule was removed",
}
_CALLS = frozenset(
    {
        AlertEventKind.PENDING,
        AlertEventKind.FIRED,
        AlertEventKind.ESCALATED,
        AlertEventKind.REMINDED,
        AlertEventKind.REOPENED,
        AlertEventKind.LAPSED,
    }
)
"""Kinds after which somebody should do something."""
_MARKS = {
    AlertEventKind.PENDING: "",
    AlertEventKind.FIRED: "",
    AlertEventKind.ESCALATED: " ESCALATED",
    AlertEventKind.REMINDED: " STILL FIRING",
    AlertEventKind.REOPENED: " AGAIN",
    AlertEventKind.LAPSED: " UNACKNOWLEDGED",
}


class Words(NamedTuple):
    """A message ready to be queued; `facts` is JSON."""

    title: str
    body: str
    facts: str


def compose(occasion: Occasion, channel: str = "") -> Words:
    """The title and body that tell of an occasion, the same for every channel."""
    title, body = wording(occasion)
    return Words(title, body, as_text(facts(occasion)))


def wording(occasion: Occasion) -> tuple[str, str]:
    """Title and body alone."""
    alert = occasion.alert
    title = plain(f"[{_mark(alert, occasion.kind)}] {alert.rule_name} · {alert.subject}", TITLE_LIMIT)
    lines = [
        clean(alert.message, MESSAGE_LIMIT, multiline=True),
        _since(alert),
        *_told(occasion),
        *_advice(occasion),
        f"Alert {alert.id}, rule {plain(alert.rule_id)}",
    ]
    return title, "\n".join(line for line in lines if line)


def digest(rows: Sequence[Notification]) -> tuple[str, str]:
    """The title and body of one message about several; of one alone, its own.

    Args:
        rows: at least one, oldest first.
    """
    if len(rows) == 1:
        return rows[0].title, rows[0].body
    worst = max((row.severity for row in rows), key=lambda severity: severity.rank, default=Severity.INFO)
    alerts = len({row.alert_id for row in rows})
    kinds = Counter(row.transition for row in rows)
    title = f"[{worst}] {counted(alerts, 'alert')}: {', '.join(f'{n} {kind}' for kind, n in kinds.items())}"
    lines = [_line(row) for row in rows[:DIGEST_LINES]]
    if len(rows) > DIGEST_LINES:
        lines.append(f"… and {len(rows) - DIGEST_LINES} more: tocsin alerts lists them")
    return plain(title, TITLE_LIMIT), "\n".join(lines)


def utc(at: float) -> str:
    """A moment as messages write it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _line(row: Notification) -> str:
    """One line of a digest: when, what, and the first line of the body."""
    at = datetime.fromtimestamp(row.created_at, UTC).strftime("%H:%M:%S")
    return f"{at} {plain(row.title, TITLE_LIMIT)}: {plain(row.body.partition(chr(10))[0], TITLE_LIMIT)}"


def _mark(alert: Alert, kind: AlertEventKind) -> str:
    """What the eye should meet first: the severity, or how it ended."""
    return f"{alert.severity}{_MARKS[kind]}" if kind in _MARKS else kind.upper()


def _since(alert: Alert) -> str:
    started = f"Since {utc(alert.started_at)}"
    if alert.fired_at is None or alert.fired_at - alert.started_at < 1:
        return started
    return f"{started}, fired {span(alert.started_at, alert.fired_at)} later"


def _advice(occasion: Occasion) -> list[str]:
    """What to do, where the rule says it."""
    rule = occasion.rule
    if rule is None or occasion.kind not in _CALLS:
        return []
    description = clean(rule.description, MESSAGE_LIMIT, multiline=True).strip()
    return [description, f"Runbook: {plain(rule.runbook)}" if rule.runbook else ""]


def _told(occasion: Occasion) -> list[str]:
    """The lines that belong to one kind of occasion."""
    alert, note = occasion.alert, occasion.note
    began = alert.fired_at or alert.started_at
    match occasion.kind:
        case AlertEventKind.ESCALATED if alert.escalated_at is not None:
            waited = f"nobody acknowledged it for {span(began, alert.escalated_at)}"
            return [f"Escalated: {plain(note) or waited}"]
        case AlertEventKind.REMINDED:
            return [f"Still firing after {span(began, occasion.now)}", _note(note)]
        case AlertEventKind.REOPENED:
            return [f"Fires again, for the {_nth(alert.reopened + 1)} time", _note(note)]
        case AlertEventKind.LAPSED:
            return [f"The acknowledgement by {plain(alert.acked_by) or 'somebody'} ran out", _note(note)]
        case AlertEventKind.FLAPPING:
            how = f" ({plain(note)})" if note else ""
            return [f"It changes too often{how}: no more is told until it is steady"]
        case AlertEventKind.STEADY:
            return [f"It is steady again, and {alert.state}", _note(note)]
        case AlertEventKind.ACKNOWLEDGED if alert.acked_at is not None:
            who = plain(occasion.author or alert.acked_by) or "somebody"
            after = span(began, alert.acked_at)
            return [f"Acknowledged by {who} after {after}", _note(note or alert.ack_note)]
        case AlertEventKind.RESOLVED if alert.resolved_at is not None:
            lasted = f"Lasted {span(alert.started_at, alert.resolved_at)}, until {utc(alert.resolved_at)}"
            acked = f"Acknowledged by {plain(alert.acked_by)}" if alert.acked_by else ""
            ended = _ended(occasion.author or alert.resolved_by, note or alert.resolve_note)
            return [lasted, acked, *ended]
    return [_note(note)]


def _ended(author: str, note: str) -> list[str]:
    if author in _ENDED_BY_ITSELF:
        return [f"Resolved by itself: {plain(note) or _ENDED_BY_ITSELF[author]}"]
    return [f"Resolved by {plain(author) or 'somebody'}", _note(note)]


def _note(note: str) -> str:
    return f"Note: {clean(note, MESSAGE_LIMIT, multiline=True)}" if note else ""


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
