"""Series by their labels, and what their points came to over time."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.model import Point, PointBucket, Series, SeriesKind
from engine.store.encode import text, to_json
from engine.store.periods import numbers
from engine.store.tally import percentile

SERIES = 1_000
"""As many series are looked at together."""
# A point may carry the time of a step that began this long before it was written.
_SLACK = 900.0
_COUNTERS = ("_total", ".total")
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
  AND l.series IN (SELECT value FROM json_each(:series)) AND value IS NOT NULL
ORDER BY s.at
"""


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
    first, end = numbers(connection, "samples", "at", since, math.inf, _SLACK)
    scope = {"before": end if before is None else before, "first": first, "limit": limit}
    rows = connection.execute(_SAMPLES, scope).fetchall()
    found = tuple(
        Point(name, _pairs(labels), at, value)
        for _, name, labels, at, value in rows
        if at >= since and value is not None
    )
    return PointPage(found, rows[-1][0] if rows else None)


def kind_of(name: str) -> SeriesKind:
    """What the values of a series are, by its name: as in OpenMetrics, `_total` ends that of a counter."""
    if name.endswith(_COUNTERS):
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
    """The points of all series of a name that have `labels`, in `count` (1–500) equal parts of the range."""
    count = min(max(count, 1), 500)
    width = max(until - since, 0.001) / count
    series = json.dumps([number for number, _, _ in _matching(name, labels, connection)])
    first, end = numbers(connection, "samples", "at", since, until, _SLACK)
    bounds = {"first": first, "end": end, "since": since, "until": until, "series": series}
    values: defaultdict[int, list[float]] = defaultdict(list)
    increases: defaultdict[int, float] = defaultdict(float)
    before: dict[int, float] = {}
    for number, at, value in connection.execute(_POINTS, bounds):
        place = min(int((at - since) / width), count - 1)
        values[place].append(value)
        # A counter that is below what it was began anew.
        last = before.get(number, value)
        increases[place] += value - last if value >= last else value
        before[number] = value
    is_counter = kind_of(name) is SeriesKind.COUNTER
    return tuple(
        _bucket(since + place * width, width, values[place], increases[place] / width if is_counter else None)
        for place in range(count)
    )


def _bucket(at: float, width: float, values: list[float], rate: float | None) -> PointBucket:
    values.sort()
    p50, p90, p95, p99 = (percentile(values, share) for share in (0.5, 0.9, 0.95, 0.99))
    return PointBucket(
        at,
        width,
        len(values),
        mean=sum(values) / len(values) if values else None,
        minimum=values[0] if values else None,
        maximum=values[-1] if values else None,
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        rate=rate,
    )


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
