"""Channels that open, acknowledge and resolve incidents in PagerDuty (Events API v2).

https://developer.pagerduty.com/docs/events-api-v2/overview/: `dedup_key` makes all events about one alert one
incident; a summary has at most 1,024 characters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.clock import Clock
from engine.model import AlertEventKind, LogRecord, Notification, Severity
from engine.notify.delivery import Message
from engine.notify.kinds.console import NoticeBoard
from engine.notify.kinds.posting import Poster
from engine.notify.payload import facts

if TYPE_CHECKING:
    from engine.config.routing import PagerdutySpec

_SUMMARY = 1_024
_ACTIONS = {AlertEventKind.ACKNOWLEDGED: "acknowledge", AlertEventKind.RESOLVED: "resolve"}
_SEVERITIES = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
    Severity.CRITICAL: "critical",
}


class PagerdutyKind:
    """Serves all PagerDuty channels. A message about several alerts is one event for each of them."""

    def __init__(self, clock: Clock) -> None:
        self._poster = Poster(clock)

    async def send(self, channel: str, spec: PagerdutySpec, message: Message) -> None:
        """Return when all events were accepted. Raises DeliveryError; events sent twice do no harm."""
        for row in message.rows:
            body = json.dumps(_event(spec, row), separators=(",", ":"))
            await self._poster.post(spec.endpoint, body, {}, spec.timeout)


def dedup_key(row: Notification) -> str:
    """What events about one alert share: its number, and what tells it from that number elsewhere."""
    known = facts(row)
    digest = hashlib.sha256(f"{known.get('fingerprint')}@{known.get('started_at')}".encode()).hexdigest()
    return f"tocsin-{row.alert_id}-{digest[:16]}"


def _event(spec: PagerdutySpec, row: Notification) -> dict[str, Any]:
    action = _ACTIONS.get(row.transition, "trigger")
    event: dict[str, Any] = {
        "routing_key": spec.routing_key,
        "event_action": action,
        "dedup_key": dedup_key(row),
    }
    if action == "trigger":
        known = facts(row)
        event["client"] = "tocsin"
        event["payload"] = {
            "summary": row.title[:_SUMMARY],
            "source": str(known.get("subject") or "tocsin"),
            "severity": _SEVERITIES[row.severity],
            "timestamp": datetime.fromtimestamp(row.created_at, UTC).isoformat(),
            "custom_details": {"body": row.body, **known},
        }
    return event


def kind(clock: Clock, log: Callable[[LogRecord], None], board: NoticeBoard) -> PagerdutyKind:
    """The kind `pagerduty`."""
    return PagerdutyKind(clock)
