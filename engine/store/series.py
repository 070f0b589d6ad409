"""Numbers for time series and for the samples that hold their points.

A sample is up to eight points of one moment. Its layout, the series in their order, recurs: it is kept once.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter

from engine.model import Point
from engine.store.encode import INSERT_LAYOUT, INSERT_SERIES, Values, text, to_json

SERIES_LIMIT = 100_000
LAYOUT_LIMIT = 50_000
"""Layouts of several series; beyond it each point is a sample of its own."""
WIDTH = 8

_COUNTERS = ("_total", ".total")

Key = tuple[str, tuple[tuple[str, str], ...]]
_REMEMBERED = 50_000
_parts = attrgetter("name", "labels", "at", "value")
_PADDING = tuple((None,) * count for count in range(WIDTH))


class SeriesIndex:
    """Series known to the file, at most `SERIES_LIMIT` of them, and layouts of samples.

    Numbers given inside a transaction are kept by `keep()` and taken back by `forget()`; `left_out` counts
    the points of the transaction that found no series. Nothing is asked of it before `load()`.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self.is_loaded = False
        self._series: dict[Key, int] = {}
        self._layouts: dict[tuple[int, ...], int] = {}
        # What points look like, and the layout of such: they recur, and are found at once.
        self._seen: dict[tuple[object, ...], int] = {}
        self._new_series: dict[Key, int] = {}
        self._new_layouts: dict[tuple[int, ...], int] = {}
        self._next_series = self._next_layout = 1

    def load(self, connection: sqlite3.Connection) -> None:
        """Read what the file has."""
        # Few names and labels, each of them time and again: read once and kept once.
        pairs, once = cache(_pairs), dict[str, str]()
        for number, name, labels in connection.execute("SELECT id, name, labels FROM series"):
            self._series[(once.setdefault(name, name), pairs(labels))] = number
            self._next_series = max(self._next_series, number + 1)
        members: dict[int, list[int]] = defaultdict(list)
        for layout, series in connection.execute("SELECT id, series FROM layouts ORDER BY id, place"):
            members[layout].append(series)
        for layout, found in members.items():
            self._layouts[tuple(found)] = layout
            self._next_layout = max(self._next_layout, layout + 1)
        self.is_loaded = True

    def samples(self, points: Sequence[Point]) -> Iterable[Values]:
        """The points as rows of samples; those of series beyond the limit are left out.

        Points that follow each other and are of the same moment share samples.
        """
        if not points:
            return ()
        sample = self._sample(points)
        return self._in_parts(points) if sample is None else (sample,)

    def layout(self, series: tuple[int, ...]) -> int | None:
        """The number of a layout; None when there are too many to make another of several series."""
        number = self._layouts.get(series)
        if number is None and (len(series) == 1 or len(self._layouts) < LAYOUT_LIMIT):
            number = self._layouts[series] = self._new_layouts[series] = self._next_layout
            self._next_layout += 1
        return number

    def store(self, connection: sqlite3.Connection) -> None:
        """Write the series and layouts that are new; the samples may follow or precede."""
        if self._new_series:
            fresh = (
                (number, name, to_json(labels) or "[]") for (name, labels), number in self._new_series.items()
            )
            connection.executemany(INSERT_SERIES, fresh)
        if self._new_layouts:
            rows = (
                (layout, place, number)
                for series, layout in self._new_layouts.items()
                for place, number in enumerate(series)
            )
            connection.executemany(INSERT_LAYOUT, rows)

    def keep(self) -> None:
        """The transaction was committed."""
        self.left_out = 0
        self._new_series = {}
        self._new_layouts = {}
        if len(self._seen) > _REMEMBERED:
            self._seen.clear()

    def forget(self) -> None:
        """The transaction was rolled back."""
        self.left_out = 0
        if self._new_layouts:
            self._seen.clear()
        for key in self._new_series:
            del self._series[key]
        for layout in self._new_layouts:
            del self._layouts[layout]
        self._next_series -= len(self._new_series)
        self._next_layout -= len(self._new_layouts)
        self._new_series = {}
        self._new_layouts = {}

    def _sample(self, points: Sequence[Point]) -> Values | None:
        """The row of points that have been seen together before and are of one moment; None for others."""
        names, labels, ats, values = zip(*map(_parts, points), strict=True)
        layout = self._seen.get((names, labels))
        if layout is None or ats.count(ats[0]) != len(ats):
            return None
        return layout, ats[0], *values, *_PADDING[WIDTH - len(values)]

    def _in_parts(self, points: Sequence[Point]) -> Iterator[Values]:
        for at, group in groupby(points, attrgetter("at")):
            same = list(group)
            for start in range(0, len(same), WIDTH):
                part = same[start : start + WIDTH]
                sample = self._sample(part)
                if sample is None:
                    yield from self._unseen(part, at)
                else:
                    yield sample

    def _unseen(self, points: Sequence[Point], at: float) -> Iterator[Values]:
        numbered = [(number, point) for point in points if (number := self._number(point)) is not None]
        self.left_out += len(points) - len(numbered)
        numbers = tuple(number for number, _ in numbered)
        layout = self.layout(numbers) if numbers else None
        if layout is not None:
            if len(numbered) == len(points):
                names, labels = zip(*((point.name, point.labels) for point in points), strict=True)
                self._seen[(names, labels)] = layout
            values = [point.value for _, point in numbered]
            yield layout, at, *values, *_PADDING[WIDTH - len(values)]
            return
        for number, point in numbered:
            yield self.layout((number,)), at, point.value, *_PADDING[WIDTH - 1]

    def _number(self, point: Point) -> int | None:
        number = self._series.get((point.name, point.labels))
        if number is None:
            key = text(point.name), tuple((text(label), text(value)) for label, value in point.labels)
            number = self._series.get(key)
            if number is None and self._next_series <= SERIES_LIMIT:
                number = self._series[key] = self._new_series[key] = self._next_series
                self._next_series += 1
        return number


def is_counter(name: str) -> bool:
    """Whether a series counts, by its name: as in OpenMetrics, `_total` ends that of a counter."""
    return name.endswith(_COUNTERS)


def _pairs(labels: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in json.loads(labels))
