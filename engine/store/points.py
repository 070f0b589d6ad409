"""Series by their labels, and what their points came to over time."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from engine.model import Point, PointBucket, Series, SeriesKind
from engine.store.encode import text, to_json
from engine.store.gists import Gist, growth
from engine.store.periods import POINT_SLACK, numbers
from engine.store.point_rollups import gists, plan
from engine.store.series import is_counter
from engine.store.tally import Spread, percentile

SERIES = 1_000
"""As many series are looked at together."""
_DURATIONS = (".duration", "_duration", "_seconds", ".latency")

_NAMED = "SELECT id, name, labels FROM series WHERE name = :name"
_ANY = "SELECT id, name, labels FROM series WHERE TRUE"
_POINTS = """
SELECT l.series, s.at, CASE l.place
  WHEN 0 THEN v0 WHEN 1 THEN v1 WHEN 2 THEN v2 WHEN 3 THEN v3
  WHEN 4 THEN v4 WHEN 5 THEN v5 WHEN 6 THEN v6 ELSE v7 END AS value
FROM samples s CROSS JOIN layouts l ON l.id = s.layout
WHERE s.id >= :first AND s.id < :end AND s.at >= :since AND s.at < :until
  AND s.layout IN (SELECT id FROM layouts WHERE series IN (SELECT value FROM json_each(:series)))
  AND +l.series IN (SELECT value FROM json_each(:series)) AND value IS NOT NULL
ORDER BY s.at
"""
"""Places of a sample are found by its layout: without the sign `+`, by trying all the series asked for."""


_SAMPLES = """
SELECT s.id, r.name, r.labels, s.at, CASE l.place
  WHEN 0 THEN v0 WHEN 1 THEN v1 WHEN 2 THEN v2 WHEN 3 THEN v3
  WHEN 4 THEN v4 WHEN 5 THEN v5 WHEN 6 THEN v6 ELSE v7 END
FROM (SELECT * FROM samples WHERE id < :before AND id >= :first ORDER BY id DESC LIMIT :limit) s
CROSS JOIN layouts l ON l.id = s.layout JOIN series r ON r.id = l.series
ORDER BY s.id DESC, l.place
"""


@dataclass(frozen=True, slots=True)
class PointPage:
    """Points, newest first; older ones begin before the sample `before`, None when there are none."""

    points: tuple[Point, ...]
    before: int | None


def page(before: int | None, since: float, limit: int, connection: sqlite3.Connection) -> PointPage:
    """The points of at most `limit` samples, of `since` (seconds since the epoch) or later."""
    first, end = numbers(connection, "samples", "at", since, math.inf, POINT_SLACK)
    scope = {"before": end if before is None else before, "first": first, "limit": limit}
    rows = connection.execute(_SAMPLES, scope).fetchall()
    found = tuple(
        Point(name, _pairs(labels), at, value)
        for _, name, labels, at, value in rows
        if at >= since and value is not None
    )
    return PointPage(found, rows[-1][0] if rows else None)


def kind_of(name: str) -> SeriesKind:
    """What the values of a series are, by its name."""
    if is_counter(name):
        return SeriesKind.COUNTER
    is_duration = name.endswith(_DURATIONS) or name.startswith("http.")
    return SeriesKind.DURATION if is_duration else SeriesKind.GAUGE


def find(name: str | None, labels: Mapping[str, str], connection: sqlite3.Connection) -> tuple[Series, ...]:
    """Series of a name, or of any, that have all of `labels`; at most SERIES, by name and labels."""
    found = (Series(each, pairs, kind_of(each)) for _, each, pairs in _matching(name, labels, connection))
    return tuple(sorted(found, key=lambda series: (series.name, series.labels)))


def buckets(
    name: str,
    labels: Mapping[str, str],
    since: float,
    until: float,
    count: int,
    connection: sqlite3.Connection,
) -> tuple[PointBucket, ...]:
    """The points of all series of a name that have `labels`, in `count` (1–500) equal parts of the range.

    Parts shorter than 4 minutes are exact. Longer ones are put together from roll-ups where there are some:
    their percentiles are within 1 %, other values within a ten-millionth, and a minute counts in the part in
    which it begins, or a whole hour once its minutes are not kept any more.
    """
    count = min(max(count, 1), 500)
    width = max(until - since, 0.001) / count
    series = [number for number, _, _ in _matching(name, labels, connection)]
    parts = plan(connection, since, until, width)
    found: list[tuple[float, int, float | Gist]] = list(gists(connection, series, parts.widths))
    for start, end in parts.raw:
        found += [(at, number, value) for number, at, value in _points(connection, series, start, end)]
    found.sort(key=itemgetter(0))
    heaps = [_Heap() for _ in range(count)]
    before: dict[int, float] = {}
    for at, number, what in found:
        if since <= at < until:
            heap = heaps[min(int((at - since) / width), count - 1)]
            before[number] = heap.add(what, before.get(number))
    rated = kind_of(name) is SeriesKind.COUNTER
    return tuple(heap.bucket(since + place * width, width, rated) for place, heap in enumerate(heaps))


def _points(
    connection: sqlite3.Connection, series: Sequence[int], since: float, until: float
) -> list[tuple[int, float, float]]:
    """Series, time and value of the points of [since, until), in the order of time."""
    first, end = numbers(connection, "samples", "at", since, until, POINT_SLACK)
    bounds = {"first": first, "end": end, "since": since, "until": until, "series": json.dumps(series)}
    return connection.execute(_POINTS, bounds).fetchall()


class _Heap:
    """The points of one bucket, while they come in the order of time."""

    __slots__ = ("_gists", "_growth", "_values")

    def __init__(self) -> None:
        self._values: list[float] = []
        self._gists: list[Gist] = []
        self._growth = 0.0

    def add(self, what: float | Gist, before: float | None) -> float:
        """Count a point or a gist of a series whose last value was `before`; returns the last one now."""
        if isinstance(what, Gist):
            self._gists.append(what)
            self._growth += what.growth + (0.0 if before is None else growth(before, what.first))
            return what.last
        self._values.append(what)
        self._growth += 0.0 if before is None else growth(before, what)
        return what

    def bucket(self, at: float, width: float, rated: bool) -> PointBucket:
        values, merged = self._values, self._gists
        values.sort()
        count = len(values) + sum(gist.count for gist in merged)
        least = [*values[:1], *(gist.least for gist in merged)]
        greatest = [*values[-1:], *(gist.greatest for gist in merged)]
        total = sum(values) + sum(gist.total for gist in merged)
        p50, p90, p95, p99 = self._quantiles(0.5, 0.9, 0.95, 0.99)
        return PointBucket(
            at,
            width,
            count,
            mean=total / count if count else None,
            minimum=min(least, default=None),
            maximum=max(greatest, default=None),
            p50=p50,
            p90=p90,
            p95=p95,
            p99=p99,
            rate=self._growth / width if rated else None,
        )

    def _quantiles(self, *shares: float) -> tuple[float | None, ...]:
        if not self._gists:
            return tuple(percentile(self._values, share) for share in shares)
        spread = Spread()
        spread.add(self._values)
        for gist in self._gists:
            gist.spread_into(spread)
        return spread.quantiles(*shares)


def _matching(
    name: str | None, labels: Mapping[str, str], connection: sqlite3.Connection
) -> Sequence[tuple[int, str, tuple[tuple[str, str], ...]]]:
    # Labels are kept as compact JSON, in which a pair is found as it is written.
    pairs = [to_json((text(label), text(value))) for label, value in labels.items()]
    conditions = "".join(f" AND instr(labels, :p{place})" for place in range(len(pairs)))
    values = {f"p{place}": pair for place, pair in enumerate(pairs)}
    rows = connection.execute(
        f"{_ANY if name is None else _NAMED}{conditions} ORDER BY name, labels LIMIT {SERIES}",
        values if name is None else values | {"name": text(name)},
    )
    return [(number, each, _pairs(written)) for number, each, written in rows]


def _pairs(labels: str) -> tuple[tuple[str, str], ...]:
    pairs: Iterable[tuple[str, str]] = json.loads(labels)
    return tuple((name, value) for name, value in pairs)
