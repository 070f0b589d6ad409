"""Tells clients what has changed, at most four times a second per client, whatever the engine does."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from engine.client import Listener
from engine.model import Topic

INTERVAL = 0.25
_log = logging.getLogger(__name__)


class Publisher:
    """Gathers changed topics and hands them to the listeners in one call per interval.

    `changed()` and delivery happen in the engine's loop; `subscribe()` may come from any thread.
    """

    def __init__(self) -> None:
        self._listeners: dict[int, Listener] = {}
        self._next_key = 0
        self._guard = threading.Lock()
        self._pending: set[Topic] = set()
        self._timer: asyncio.TimerHandle | None = None

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; returns the function that removes it."""
        with self._guard:
            key = self._next_key
            self._next_key += 1
            self._listeners[key] = listener

        def unsubscribe() -> None:
            with self._guard:
                self._listeners.pop(key, None)

        return unsubscribe

    def changed(self, *topics: Topic) -> None:
        """Note a change; it is told within the interval."""
        self._pending.update(topics)
        if self._pending and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._deliver)

    def close(self) -> None:
        """Tell nobody anything any more."""
        if self._timer is not None:
            self._timer.cancel()
        with self._guard:
            self._listeners.clear()

    def _deliver(self) -> None:
        self._timer = None
        topics, self._pending = frozenset(self._pending), set()
        with self._guard:
            listeners = list(self._listeners.values())
        for listener in listeners:
            try:
                listener(topics)
            except Exception:  # noqa: BLE001 - border: a client's fault is not the engine's
                _log.warning("a listener failed", exc_info=True)
