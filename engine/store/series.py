"""Numbers for time series: a point is stored with a number, its name and labels only once."""

from __future__ import annotations

import json

import aiosqlite

from engine.model import Point
from engine.store.encode import INSERT_SERIES, text, to_json

SERIES_LIMIT = 100_000

Key = tuple[str, tuple[tuple[str, str], ...]]


class SeriesIndex:
    """Series known to the file, by name and labels; at most `SERIES_LIMIT` of them.

    Numbers given inside a transaction are kept by `keep()` and taken back by `forget()`.
    """

    def __init__(self) -> None:
        self._known: dict[Key, int] = {}
        self._fresh: dict[Key, int] = {}
        self._next = 1

    async def load(self, connection: aiosqlite.Connection) -> None:
        """Read what the file has."""
        rows = await connection.execute_fetchall("SELECT id, name, labels FROM series")
        for number, name, labels in rows:
            self._known[(name, _pairs(labels))] = number
            self._next = max(self._next, number + 1)

    async def number(self, connection: aiosqlite.Connection, points: list[Point]) -> list[tuple[Point, int]]:
        """Each point with the number of its series; points beyond the limit are left out."""
        numbered = [(point, self._number((point.name, point.labels))) for point in points]
        if self._fresh:
            fresh = (
                (number, name, to_json(labels) or "[]") for (name, labels), number in self._fresh.items()
            )
            await connection.executemany(INSERT_SERIES, fresh)
        return [(point, number) for point, number in numbered if number is not None]

    def keep(self) -> None:
        """The transaction was committed."""
        self._known |= self._fresh
        self._fresh = {}

    def forget(self) -> None:
        """The transaction was rolled back."""
        self._next -= len(self._fresh)
        self._fresh = {}

    def _number(self, key: Key) -> int | None:
        number = self._known.get(key) or self._fresh.get(key)
        if number is None:
            name, labels = key
            key = text(name), tuple((text(label), text(value)) for label, value in labels)
            number = self._known.get(key) or self._fresh.get(key)
        if number is None and self._next <= SERIES_LIMIT:
            number = self._fresh[key] = self._next
            self._next += 1
        return number


def _pairs(labels: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in json.loads(labels))
