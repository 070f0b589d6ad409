"""Channels that POST the documented JSON to a web address, signed when there is a secret.

The signature is HMAC-SHA256 over `TIMESTAMP.BODY` with the secret as key, in hex, in the header
`X-Tocsin-Signature: t=TIMESTAMP,v1=HEX`; the timestamp (seconds since the epoch) lets the receiver refuse
what is old. `Idempotency-Key` is the same each time a message is tried.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.model import LogRecord
from engine.notify.delivery import Message
from engine.notify.kinds.console import NoticeBoard
from engine.notify.kinds.posting import Poster
from engine.notify.payload import VERSION, encoded, idempotency
from engine.version import __version__

if TYPE_CHECKING:
    from engine.config.routing import WebhookSpec


class WebhookKind:
    """Serves all webhooks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._poster = Poster(clock)

    async def send(self, channel: str, spec: WebhookSpec, message: Message) -> None:
        """Return when the receiver answered 2xx. Raises DeliveryError."""
        body = encoded(channel, message)
        headers = {
            "user-agent": f"tocsin/{__version__}",
            "idempotency-key": ascii_key(idempotency(message)),
            "x-tocsin-version": str(VERSION),
            **{name.lower(): value for name, value in spec.headers.items()},
        }
        if spec.secret is not None:
            headers["x-tocsin-signature"] = signature(spec.secret, int(self._clock.now()), body)
        await self._poster.post(spec.url, body.decode(), headers, spec.timeout, verify=spec.verify)


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of `X-Tocsin-Signature`."""
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def ascii_key(key: str) -> str:
    """A message's key as a header may carry it; the digest of one that does not fit there."""
    if key.isascii() and key.isprintable() and len(key) <= 200 and key == key.strip():
        return key
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def kind(clock: Clock, log: Callable[[LogRecord], None], board: NoticeBoard) -> WebhookKind:
    """The kind `webhook`."""
    return WebhookKind(clock)
