"""A message as the documented JSON that webhooks, commands and files are given (docs/channels.md)."""

from __future__ import annotations

import json
from typing import Any

from engine.model import AlertEventKind, Notification, Severity
from engine.notify.delivery import Message

VERSION = 1
"""Grows when a key changes its meaning or goes; new keys may appear at any time."""


def idempotency(message: Message) -> str:
    """What tells the message from all others, those of other databases included; the same at each try."""
    since = message.rows[0].created_at if message.rows else 0.0
    return f"{message.key}@{since:.3f}"


def payload(channel: str, message: Message) -> dict[str, Any]:
    """The message with all that is known of each alert it tells of; plain data."""
    return {
        "version": VERSION,
        "key": idempotency(message),
        "channel": channel,
        "severity": str(severity(message)),
        "title": message.title,
        "body": message.body,
        "alerts": [_alert(row) for row in message.rows],
    }


def encoded(channel: str, message: Message) -> bytes:
    """The same as UTF-8, one line without an end; the same bytes each time a message is tried."""
    return json.dumps(payload(channel, message), ensure_ascii=False, separators=(",", ":")).encode()


def facts(row: Notification) -> dict[str, Any]:
    """What was known of the alert when the row was made; empty when nothing was noted."""
    found = json.loads(row.facts) if row.facts else {}
    return found if isinstance(found, dict) else {}


def severity(message: Message) -> Severity:
    """The highest of what a message tells of."""
    return max((row.severity for row in message.rows), key=lambda each: each.rank, default=Severity.INFO)


def is_end(row: Notification) -> bool:
    """Whether the row says that an alert is over."""
    return row.transition is AlertEventKind.RESOLVED


def _alert(row: Notification) -> dict[str, Any]:
    return {
        "id": row.alert_id,
        "key": row.key,
        "kind": str(row.transition),
        "severity": str(row.severity),
        "at": row.created_at,
        "title": row.title,
        "body": row.body,
        **facts(row),
    }
