"""A test message to one channel, sent now and by nobody's alert."""

from __future__ import annotations

import json
import secrets
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.clock import Clock, SystemClock
from engine.lines import seconds
from engine.model import AlertEventKind, LogRecord, Notice, Notification, Severity
from engine.notify.channels import Deliverer
from engine.notify.delivery import DeliveryError, Message
from engine.notify.kinds.console import NoticeBoard
from engine.text import plain

if TYPE_CHECKING:
    from engine.config.routing import Channel

TITLE = "[TEST] Tocsin"
BODY = "A test message: whoever reads this will hear of alerts. Nothing is wrong."


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message; `latency` in seconds, `error` empty when it was taken."""

    channel: str
    kind: str
    latency: float
    error: str = ""
    permanent: bool = False

    def __str__(self) -> str:
        if not self.error:
            return f"taken in {seconds(self.latency)}"
        end = "; trying again cannot help" if self.permanent else ""
        return f"not taken after {seconds(self.latency)}: {self.error}{end}"


async def try_channel(
    name: str, channel: Channel, clock: Clock | None = None, deliverer: Deliverer | None = None
) -> Receipt:
    """Send a test message through `channel`, and its end where something would be left open.

    Without a `deliverer`, what channels of the kinds `console` and `log` say goes to standard error.
    """
    clock = clock or SystemClock()
    if deliverer is None:
        board = NoticeBoard()
        board.listen(print_notice)
        deliverer = Deliverer(clock, _print_record, board)
    number = secrets.randbelow(1_000_000_000)
    kinds = [AlertEventKind.FIRED]
    if channel.kind == "pagerduty":
        kinds.append(AlertEventKind.RESOLVED)
    started = clock.monotonic()
    try:
        for kind in kinds:
            await deliverer.send(name, channel, Message.of(_row(name, kind, number, clock.now())))
    except DeliveryError as error:
        return Receipt(name, channel.kind, clock.monotonic() - started, str(error), error.permanent)
    return Receipt(name, channel.kind, clock.monotonic() - started)


def print_notice(notice: Notice) -> None:
    """A line on standard error where there is no console; the bell where that is a terminal."""
    bell = "\a" if notice.bell and sys.stderr.isatty() else ""
    print(f"{bell}{plain(notice.title)}: {plain(notice.body, 2_000)}", file=sys.stderr)


def _print_record(record: LogRecord) -> None:
    print(f"{record.level.label}: {plain(record.message, 2_000)}", file=sys.stderr)


def _row(channel: str, kind: AlertEventKind, number: int, now: float) -> Notification:
    known = {"fingerprint": "test|tocsin", "rule_id": "test", "rule": "Test", "subject": "tocsin"}
    return Notification(
        key=f"test-{number}:{kind}:{channel}",
        alert_id=-number,
        channel=channel,
        transition=kind,
        severity=Severity.INFO,
        title=TITLE,
        body=BODY,
        created_at=now,
        facts=json.dumps(known),
    )
