"""Leaving in good order when told by a signal, and leaving at all when the terminal is gone or stuck."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from engine.client import EngineClient

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_TERMINAL_GRACE = 2.0
_ENGINE_GRACE = 6.0


class SignalGuard:
    """While entered, SIGTERM ends the console as `q` does, and so does SIGHUP when the terminal is gone.

    A terminal that has stopped reading blocks the console's loop for good; then, after 2 s, the engine is
    stopped from a thread of its own and the process ends without the terminal.

    Args:
        leave: ends the console; must be safe to call from a signal handler.
        client: the engine to stop when the console cannot.
        reload: what SIGHUP asks for while the terminal is there; safe as `leave`. Without it, that leaves.
    """

    _had_terminal = False

    def __init__(
        self, leave: Callable[[], None], client: EngineClient, reload: Callable[[], None] | None = None
    ) -> None:
        self._leave = leave
        self._reload = reload
        self._client = client
        self._left = threading.Event()
        self._signalled = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> SignalGuard:
        SignalGuard._had_terminal = _is_terminal()
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        SignalGuard._had_terminal = False
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @classmethod
    def terminal_present(cls) -> bool:
        """False once the terminal the console was started in has hung up."""
        return not cls._had_terminal or _is_terminal()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and self._reload is not None and self.terminal_present():
            self._reload()
            return
        if self._signalled:
            return
        self._signalled = True
        threading.Thread(target=self._reap, args=(number,), name="tocsin-reaper", daemon=True).start()
        self._leave()

    def _reap(self, number: int) -> None:
        if not self._left.wait(_TERMINAL_GRACE):
            self._client.close(_ENGINE_GRACE)
            os._exit(128 + number)


def _is_terminal() -> bool:
    stream = sys.__stdin__
    try:
        return stream is not None and os.isatty(stream.fileno())
    except (OSError, ValueError):
        return False
