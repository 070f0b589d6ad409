"""Channels that record alerts as events in Sentry, over its envelope endpoint.

https://develop.sentry.dev/sdk/data-model/envelopes/: an envelope is lines of JSON; events with the same
`fingerprint` are one issue, and an `event_id` that came before is not counted again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from engine.clock import Clock
from engine.model import LogRecord, Notification, Severity
from engine.notify.delivery import Message
from engine.notify.kinds.console import NoticeBoard
from engine.notify.kinds.posting import Poster
from engine.notify.payload import facts, is_end
from engine.version import __version__

if TYPE_CHECKING:
    from engine.config.routing import SentrySpec

_LEVELS = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
    Severity.CRITICAL: "fatal",
}


class SentryKind:
    """Serves all Sentry channels; an event for each alert of a message."""

    def __init__(self, clock: Clock) -> None:
        self._poster = Poster(clock)

    async def send(self, channel: str, spec: SentrySpec, message: Message) -> None:
        """Return when all events were accepted. Raises DeliveryError."""
        url, key = endpoint(spec.dsn)
        auth = f"Sentry sentry_version=7, sentry_key={key}, sentry_client=tocsin/{__version__}"
        headers = {"content-type": "application/x-sentry-envelope", "x-sentry-auth": auth}
        for row in message.rows:
            await self._poster.post(url, _envelope(spec, channel, row), headers, spec.timeout)


def endpoint(dsn: str) -> tuple[str, str]:
    """The address of a DSN's envelopes, and its public key."""
    parts = urlsplit(dsn)
    path, _, project = parts.path.rpartition("/")
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{path}/api/{project}/envelope/", parts.username or ""


def _envelope(spec: SentrySpec, channel: str, row: Notification) -> str:
    name = f"{row.key}@{row.created_at:.3f}"
    event_id = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:32]
    known = facts(row)
    event: dict[str, Any] = {
        "event_id": event_id,
        "timestamp": datetime.fromtimestamp(row.created_at, UTC).isoformat(),
        "platform": "other",
        "logger": "tocsin",
        "level": "info" if is_end(row) else _LEVELS[row.severity],
        "message": {"formatted": f"{row.title}\n{row.body}"},
        "fingerprint": ["tocsin", str(known.get("fingerprint") or row.alert_id)],
        "tags": {"kind": str(row.transition), "alert": str(row.alert_id), "channel": channel}
        | {name: str(known[name])[:200] for name in ("rule_id", "subject") if known.get(name)},
        "extra": known,
    }
    if spec.environment:
        event["environment"] = spec.environment
    header = {"event_id": event_id, "sent_at": event["timestamp"]}
    return "\n".join(json.dumps(line) for line in (header, {"type": "event"}, event)) + "\n"


def kind(clock: Clock, log: Callable[[LogRecord], None], board: NoticeBoard) -> SentryKind:
    """The kind `sentry`."""
    return SentryKind(clock)
