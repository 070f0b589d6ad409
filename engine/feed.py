"""Rows to those who listen inside the engine's process, and word of what changed to its clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.model import Alert, HealthCheck, LogRecord, Notification, Recording, Span, Topic
from engine.publisher import Publisher
from engine.store.writer import Row

RowListener = Callable[[Sequence[Row]], None]

_TOPICS: dict[type[Any], tuple[Topic, ...]] = {
    Recording: (Topic.EXECUTIONS, Topic.LOGS),
    Span: (Topic.EXECUTIONS,),
    Alert: (Topic.ALERTS,),
    Notification: (Topic.NOTIFICATIONS,),
    HealthCheck: (Topic.HEALTH,),
    LogRecord: (Topic.LOGS,),
}


class Feed:
    """Tells listeners of rows when they have been committed.

    Health checks are told as they are found instead: that nothing can be stored is what they may have to say.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._listeners: list[RowListener] = []

    def add(self, listener: RowListener) -> None:
        """Call `listener` in the engine's loop from now on."""
        self._listeners.append(listener)

    def committed(self, rows: Sequence[Row]) -> None:
        """These rows have been stored."""
        self._publisher.changed(*{topic for row in rows for topic in _TOPICS.get(type(row), ())})
        self._tell([row for row in rows if not isinstance(row, HealthCheck)])

    def found(self, check: HealthCheck) -> None:
        """This was found, whether or not it can be stored."""
        self._tell([check])

    def _tell(self, rows: Sequence[Row]) -> None:
        for listener in self._listeners:
            listener(rows)
