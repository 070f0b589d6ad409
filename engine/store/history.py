"""What happened, in the order in which it ended: executions and health checks, for rules to see them again.

Plain reads in the caller's thread, two thousand rows at a time: between them the file is free for the
engine, and nobody else's turn at the interpreter is waited for, as each row would with a thread of its own.
"""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from engine.model import (
    ErrorCategory,
    ErrorType,
    Execution,
    Failure,
    HealthCheck,
    HealthStatus,
    LogRecord,
    Outcome,
    Point,
    Priority,
)
from engine.store import witnessed
from engine.store.connection import READ_PRAGMAS, explain
from engine.store.migrations import check_version, inspect
from engine.store.periods import EXECUTION_SLACK, first_number, numbers

CHUNK = 2_048
LONGEST = 3_600.0
"""No execution that is read takes longer, seconds: the limit of what a range begins with."""
SILENCE = 150.0
"""Seconds without a health check, of which there is one a minute, after which no engine ran."""

_EXECUTIONS = """
SELECT id, workflow_id, workflow_name, priority, scheduled_at, started_at, duration,
  outcome, reason, attempt_count, error, error_type, error_category
FROM executions
WHERE id >= :first AND id < :end AND outcome <> 'interrupted'
  AND (outcome <> 'skipped' OR reason NOT IN ('overlap', 'overload', 'misfire'))
  AND started_at + duration >= :since AND started_at + duration < :until {only}
ORDER BY id LIMIT :limit
"""
_CHECKS = """
SELECT id, at, component, status, score, detail FROM health_checks
WHERE id >= :first AND id < :end AND at >= :since AND at < :until {only}
ORDER BY id LIMIT :limit
"""
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_PRIORITIES = {priority.value: priority for priority in Priority}
_STATUSES = {status.value: status for status in HealthStatus}

Cells = tuple[Any, ...]
Ended = tuple[float, Execution]
"""When an execution ended, and the execution."""
ENDED = itemgetter(0)


class Stretch(NamedTuple):
    """A time, `since` ≤ t < `until`, through which one run of an engine, which began at `began`, looked."""

    began: float
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the range asked for, `since` to `until`, the file has: the stretches, oldest first."""

    since: float
    until: float
    stretches: tuple[Stretch, ...]

    @property
    def seconds(self) -> float:
        """Of the range, those that an engine looked."""
        return sum(stretch.until - stretch.since for stretch in self.stretches)

    @property
    def share(self) -> float:
        """0–1."""
        return min(self.seconds / (self.until - self.since), 1.0) if self.until > self.since else 0.0


class History:
    """One file, opened to be read from one thread; made by `opened()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def coverage(self, since: float, until: float) -> Coverage:
        """When engines looked, by their health checks; in a file without any, by executions."""
        table = ("health_checks", "at") if self._has("health_checks") else ("executions", "started_at")
        alive = self._alive(*table, since, until)
        began = [at for (at,) in self._connection.execute("SELECT started_at FROM runs ORDER BY started_at")]
        return Coverage(since, until, tuple(_by_run(alive, began)))

    def count(self, since: float, until: float) -> int:
        """About how many executions there are; cheap."""
        first, end = numbers(self._connection, "executions", "started_at", since, until, 0.0)
        return max(end - first, 0)

    def executions(
        self, since: float, until: float, workflows: Collection[str] | None = None
    ) -> Iterator[list[Ended]]:
        """Those that ended in [since, until), in the order in which they ended, without attempts and trace.

        What rules never saw is left out: interrupted ones, and slots that the scheduler skipped.

        Args:
            workflows: only theirs.
        """
        held: list[Ended] = []
        for chunk in self._chunks(since, until, workflows):
            held += chunk
            held.sort(key=ENDED)
            # What comes in later chunks started after this, but for small errors of order.
            settled = bisect_left(held, chunk[-1][1].started_at - EXECUTION_SLACK, key=ENDED)
            yield held[:settled]
            del held[:settled]
        yield held

    def health(
        self, since: float, until: float, components: Collection[str] | None = None
    ) -> Iterator[HealthCheck]:
        """Checks made in [since, until), oldest first; only of `components` when given."""
        first, end = numbers(self._connection, "health_checks", "at", since, until, EXECUTION_SLACK)
        only = "" if components is None else "AND component IN (SELECT value FROM json_each(:components))"
        scope: dict[str, Any] = {"end": end, "since": since, "until": until, "limit": CHUNK}
        scope["components"] = json.dumps(list(components or ()))
        sql = _CHECKS.format(only=only)
        while rows := self._connection.execute(sql, {**scope, "first": first}).fetchall():
            for _, at, component, status, score, detail in rows:
                yield HealthCheck(at, component, _STATUSES[status], score, detail)
            first = rows[-1][0] + 1

    def points(self, since: float, until: float, names: Collection[str]) -> Iterator[Point]:
        """Those of the series `names` in [since, until), oldest first."""
        return witnessed.points(self._connection, since, until, names)

    def lines(self, since: float, until: float) -> Iterator[LogRecord]:
        """Log lines of [since, until), in the order of their times."""
        return witnessed.lines(self._connection, since, until)

    def oldest(self, names: Collection[str]) -> tuple[float | None, float | None]:
        """When the first point of the series `names` was, and the first line, of those that are left."""
        return witnessed.oldest_point(self._connection, names), witnessed.oldest_line(self._connection)

    def silences(self, since: float, until: float) -> list[tuple[list[str], float, float]]:
        """Those made by hand that held within the range: matchers, beginning and end."""
        rows = self._connection.execute(
            "SELECT matchers, starts_at, min(ends_at, COALESCE(expired_at, ends_at)) FROM silences"
            " WHERE starts_at < ? AND ends_at > ? ORDER BY id LIMIT 10000",
            (until, since),
        )
        return [(json.loads(matchers), begins, ends) for matchers, begins, ends in rows if ends > begins]

    def maintenance(self, since: float, until: float) -> list[tuple[list[str], list[str], float, float]]:
        """Windows made by hand that held within the range: workflows, tags, beginning and end."""
        rows = self._connection.execute(
            "SELECT workflows, tags, starts_at, min(ends_at, COALESCE(ended_at, ends_at)) FROM maintenance"
            " WHERE starts_at < ? AND ends_at > ? ORDER BY id LIMIT 10000",
            (until, since),
        )
        return [
            (json.loads(workflows), json.loads(tags), begins, ends)
            for workflows, tags, begins, ends in rows
            if ends > begins
        ]

    def _chunks(self, since: float, until: float, workflows: Collection[str] | None) -> Iterator[list[Ended]]:
        first, end = numbers(
            self._connection, "executions", "started_at", since - LONGEST, until, EXECUTION_SLACK
        )
        # The plus keeps SQLite from walking an index of workflows instead of the rows in their order.
        only = "" if workflows is None else "AND +workflow_id IN (SELECT value FROM json_each(:workflows))"
        sql = _EXECUTIONS.format(only=only)
        scope: dict[str, Any] = {"end": end, "limit": CHUNK, "since": since, "until": until}
        scope["workflows"] = json.dumps(list(workflows or ()))
        while chunk := _executions(self._connection.execute(sql, {**scope, "first": first})):
            yield chunk
            first = chunk[-1][1].id + 1

    def _has(self, table: str) -> bool:
        return self._connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None

    def _alive(self, table: str, column: str, since: float, until: float) -> list[tuple[float, float]]:
        """The times between which no two neighbouring rows lie further apart than SILENCE."""
        ask = self._connection.execute
        first = ask(first_number(table, column), {"since": since - SILENCE}).fetchone()[0]
        end = ask(first_number(table, column), {"since": until + SILENCE}).fetchone()[0]
        edge = f"SELECT id, {column} FROM {table} WHERE id >= ? AND id < ? ORDER BY id"
        low = ask(f"{edge} LIMIT 1", (first, end)).fetchone()
        high = ask(f"{edge} DESC LIMIT 1", (first, end)).fetchone()
        if low is None:
            return []
        alive, at = [], low[1]
        for before, after in self._gaps(f"{edge} LIMIT 1", low, high):
            alive.append((at, before))
            at = after
        alive.append((at, high[1]))
        clipped = ((max(start, since), min(stop, until)) for start, stop in alive)
        return [(start, stop) for start, stop in clipped if stop > start]

    def _gaps(
        self, sql: str, low: tuple[int, float], high: tuple[int, float]
    ) -> Iterator[tuple[float, float]]:
        """By halving: what lies between two rows that are close in time need not be looked at."""
        waiting = [(low, high)]
        while waiting:
            low, high = waiting.pop()
            if high[1] - low[1] < SILENCE:
                continue
            middle = (low[0] + high[0] + 1) // 2
            found = self._connection.execute(sql, (middle, high[0])).fetchone()
            if found is not None:
                waiting += [(found, high), (low, found)]
            elif middle > low[0] + 1:
                # No row from the middle on: the one before `high` is in the first half.
                waiting.append((low, (middle, high[1])))
            else:
                yield low[1], high[1]


@contextmanager
def opened(path: Path) -> Iterator[History]:
    """A history to read in this thread alone.

    Raises:
        StoreError: the file is missing, not ours, of another version, or unreadable; also while it is read.
    """
    inspect(path)
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, timeout=2.0, isolation_level=None
        )
        try:
            for pragma in READ_PRAGMAS:
                connection.execute(pragma)
            check_version(connection.execute("PRAGMA user_version").fetchone()[0], path)
            yield History(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise explain(error, path) from error


def _executions(rows: Iterable[Cells]) -> list[Ended]:
    return [
        (
            started_at + duration,
            Execution(
                number,
                workflow_id,
                name or workflow_id,
                _PRIORITIES[priority],
                "",
                scheduled_at,
                started_at,
                duration,
                _OUTCOMES[outcome],
                reason or "",
                None if error is None else Failure(error, ErrorType(kind), ErrorCategory(category)),
                attempts,
            ),
        )
        for (
            number, workflow_id, name, priority, scheduled_at, started_at, duration, outcome, reason,
            attempts, error, kind, category,
        ) in rows
    ]  # fmt: skip


def _by_run(alive: Iterable[tuple[float, float]], began: Sequence[float]) -> Iterator[Stretch]:
    """The times cut where runs began; a run that is not remembered began with its first sign of life."""
    for since, until in alive:
        place = bisect_right(began, since)
        known = [began[place - 1]] if place else [since]
        inside = [at for at in began[place:] if at < until]
        starts = [since, *inside]
        for run, start, end in zip([*known, *inside], starts, [*inside, until], strict=True):
            yield Stretch(run, start, end)
