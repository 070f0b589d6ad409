"""What is still kept while there is too little room, and what records are called when they are lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.model import (
    Alert,
    AlertEvent,
    BreakerMemory,
    Decision,
    Execution,
    HealthCheck,
    Heartbeat,
    LogRecord,
    Maintenance,
    Notification,
    Point,
    Recording,
    ScheduleCursor,
    Silence,
    SourceFile,
    Span,
    StoredResponse,
)
from engine.store.encode import Row

_KINDS: dict[type[Any], str] = {
    Execution: "executions",
    Span: "spans",
    Point: "points",
    LogRecord: "log lines",
    Alert: "alerts",
    AlertEvent: "alert events",
    Decision: "decisions",
    Notification: "notifications",
    HealthCheck: "health checks",
    StoredResponse: "answers",
}
_TELEMETRY = (Recording, Span, Point, LogRecord, StoredResponse)
_ESSENTIAL = (
    Alert,
    AlertEvent,
    Notification,
    Silence,
    Maintenance,
    ScheduleCursor,
    Heartbeat,
    BreakerMemory,
    SourceFile,
)


@dataclass(frozen=True, slots=True)
class Thrift:
    """Why little is kept of what is offered: outcomes of executions and what is not telemetry.

    With `only_alerts` it is alerts and what a restart needs. What somebody waits for is always kept.
    """

    reason: str
    only_alerts: bool = False

    def spare(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """What is kept of `rows`."""
        if self.only_alerts:
            return tuple(row for row in rows if isinstance(row, _ESSENTIAL))
        bare = (replace(row.execution, attempts=()) for row in rows if isinstance(row, Recording))
        return *bare, *(row for row in rows if not isinstance(row, _TELEMETRY))


def tally(rows: Iterable[Row]) -> Counter[str]:
    """How many records of each kind `rows` come to, recordings taken apart."""
    counts: Counter[str] = Counter()
    for row in rows:
        if isinstance(row, Recording):
            counts["executions"] += 1
            counts["attempts"] += len(row.execution.attempts)
            counts["spans"] += len(row.spans)
            counts["points"] += len(row.points)
            counts["log lines"] += len(row.logs)
        else:
            counts[_KINDS.get(type(row), "others")] += 1
    return +counts
