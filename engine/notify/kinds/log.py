"""Channels that write a record into the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.model import LogLevel, LogRecord, Severity
from engine.notify.delivery import Message
from engine.notify.kinds.console import NoticeBoard
from engine.notify.payload import is_end, severity

if TYPE_CHECKING:
    from engine.config.routing import LogSpec

_LEVELS = {
    Severity.INFO: LogLevel.INFO,
    Severity.WARNING: LogLevel.WARNING,
    Severity.ERROR: LogLevel.ERROR,
    Severity.CRITICAL: LogLevel.FATAL,
}


class LogKind:
    """Writes messages as records: at the level of their severity, the end of an alert at info."""

    def __init__(self, clock: Clock, log: Callable[[LogRecord], None]) -> None:
        self._clock = clock
        self._log = log

    async def send(self, channel: str, spec: LogSpec, message: Message) -> None:
        """Taken at once."""
        level = LogLevel.INFO if all(map(is_end, message.rows)) else _LEVELS[severity(message)]
        self._log(LogRecord(at=self._clock.now(), level=level, message=f"{message.title}\n{message.body}"))


def kind(clock: Clock, log: Callable[[LogRecord], None], board: NoticeBoard) -> LogKind:
    """The kind `log`."""
    return LogKind(clock, log)
