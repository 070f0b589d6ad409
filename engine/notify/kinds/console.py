"""Channels that tell whoever looks at the console: a toast and the bell, or a line where there is none."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.model import LogRecord, Notice, Severity
from engine.notify.delivery import Message
from engine.notify.payload import severity

if TYPE_CHECKING:
    from engine.config.routing import ConsoleSpec

KEPT = 50


class NoticeBoard:
    """The last 50 notices, and who is to be told of each new one."""

    def __init__(self) -> None:
        self._notices: deque[Notice] = deque(maxlen=KEPT)
        self._numbers = count(1)
        self._listeners: list[Callable[[Notice], None]] = []

    def pin(self, grade: Severity, title: str, body: str, bell: bool) -> None:
        """Add a notice and tell the listeners, in this thread."""
        notice = Notice(next(self._numbers), grade, title, body, bell)
        self._notices.append(notice)
        for listener in tuple(self._listeners):
            listener(notice)

    def after(self, number: int) -> tuple[Notice, ...]:
        """The notices with higher numbers, oldest first."""
        return tuple(notice for notice in self._notices if notice.number > number)

    def listen(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        """Call `listener` for each new notice; returns the function that ends it."""
        self._listeners.append(listener)

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return end


class ConsoleKind:
    """Pins messages to the board."""

    def __init__(self, board: NoticeBoard) -> None:
        self._board = board

    async def send(self, channel: str, spec: ConsoleSpec, message: Message) -> None:
        """Taken at once, whether or not somebody looks."""
        self._board.pin(severity(message), message.title, message.body, spec.bell)


def kind(clock: Clock, log: Callable[[LogRecord], None], board: NoticeBoard) -> ConsoleKind:
    """The kind `console`."""
    return ConsoleKind(board)
