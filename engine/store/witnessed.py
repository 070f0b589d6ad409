"""Points and log lines in the order of their times, for rules to see them again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TypeVar

from engine.model import LogLevel, LogRecord, Point
from engine.store.periods import EXECUTION_SLACK, POINT_SLACK, numbers

CHUNK = 2_048
_PLACES = """
SELECT l.id, l.place, s.name, s.labels FROM layouts l JOIN series s ON s.id = l.series
WHERE s.name IN (SELECT value FROM json_each(?))
"""
_SAMPLES = """
SELECT id, at, layout, v0, v1, v2, v3, v4, v5, v6, v7 FROM samples
WHERE id >= :first AND id < :end AND layout IN (SELECT value FROM json_each(:layouts))
ORDER BY id LIMIT :limit
"""
_LINES = """
SELECT id, at, level, message, workflow_id, source, CASE WHEN fields LIKE '%"signal"%' THEN fields END
FROM logs WHERE id >= :first AND id < :end ORDER BY id LIMIT :limit
"""
_FIRST_SAMPLE = """
SELECT at FROM samples WHERE layout IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT 1
"""
_FIRST_LINE = "SELECT at FROM logs ORDER BY id LIMIT 1"

T = TypeVar("T", bound=Point | LogRecord)
Places = dict[int, list[tuple[int, str, tuple[tuple[str, str], ...]]]]
"""By layout, where in a sample the points of series stand that are asked for."""


def points(
    connection: sqlite3.Connection, since: float, until: float, names: Iterable[str]
) -> Iterator[Point]:
    """Those of the series `names` in [since, until), oldest first."""
    places = _places(connection, names)
    first, end = numbers(connection, "samples", "at", since, until, POINT_SLACK)
    scope = {"end": end, "layouts": json.dumps(list(places)), "limit": CHUNK}

    def read(first: int) -> tuple[list[Point], int, float] | None:
        rows = connection.execute(_SAMPLES, {**scope, "first": first}).fetchall() if places else []
        found = [
            Point(name, labels, at, values[place])
            for _, at, layout, *values in rows
            for place, name, labels in places[layout]
            if values[place] is not None and since <= at < until
        ]
        return (found, rows[-1][0] + 1, rows[-1][1] - POINT_SLACK) if rows else None

    yield from _in_order(read, first)


def lines(connection: sqlite3.Connection, since: float, until: float) -> Iterator[LogRecord]:
    """Those of [since, until), about in the order of their times: one that came late counts when it came."""
    first, end = numbers(connection, "logs", "at", since, until, EXECUTION_SLACK)
    scope = {"end": end, "limit": CHUNK}

    def read(first: int) -> tuple[list[LogRecord], int, float] | None:
        rows = connection.execute(_LINES, {**scope, "first": first}).fetchall()
        found = [
            LogRecord(
                at, LogLevel(level), message, workflow, fields=json.loads(fields or "{}"), source=source
            )
            for _, at, level, message, workflow, source, fields in rows
            if since <= at < until
        ]
        return (found, rows[-1][0] + 1, rows[-1][1] - EXECUTION_SLACK) if rows else None

    yield from _in_order(read, first)


def oldest_point(connection: sqlite3.Connection, names: Iterable[str]) -> float | None:
    """When the first that is left of some series was; None when there is none."""
    places = _places(connection, names)
    found = connection.execute(_FIRST_SAMPLE, (json.dumps(list(places)),)).fetchone() if places else None
    return found[0] if found else None


def oldest_line(connection: sqlite3.Connection) -> float | None:
    """When the first that is left was written; None when there is none."""
    found = connection.execute(_FIRST_LINE).fetchone()
    return found[0] if found else None


def _places(connection: sqlite3.Connection, names: Iterable[str]) -> Places:
    places: Places = {}
    for layout, place, name, labels in connection.execute(_PLACES, (json.dumps(list(names)),)):
        pairs = tuple((key, text) for key, text in json.loads(labels))
        places.setdefault(layout, []).append((place, name, pairs))
    return places


def _in_order(read: Callable[[int], tuple[list[T], int, float] | None], first: int) -> Iterator[T]:
    """What chunks hold, sorted by time as far as no later chunk can have anything older."""
    held: list[T] = []
    while (chunk := read(first)) is not None:
        held = sorted([*held, *chunk[0]], key=attrgetter("at"))
        _, first, settled = chunk
        ready = next((place for place, one in enumerate(held) if one.at > settled), len(held))
        yield from held[:ready]
        del held[:ready]
    yield from held
