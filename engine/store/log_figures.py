"""How many lines a search finds and what they are, within a time that a person waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from engine.clock import Clock
from engine.model import LogCount, LogFacet, LogFacets, LogLevel
from engine.store.log_search import Selection, select
from engine.store.pool import Cells, ReadPool

BUDGET = 0.5
"""Seconds after which no further lines are counted."""
_WINDOW = 50_000
_PATTERN_WINDOW = 2_000
_MOST_BUCKETS = 500
_MOST_NAMES = 100

_Counts = dict[Any, list[int]]

_ENDS = "SELECT COALESCE(min(id), 1), COALESCE(max(id), 0) + 1 FROM logs"
_OLDEST = "SELECT at FROM logs ORDER BY id LIMIT 1"


class _Tally:
    """Lines by what they are and by bucket."""

    def __init__(self, since: float, until: float, buckets: int) -> None:
        self.since, self.until = since, until
        self.width = (until - since) / buckets
        self._buckets = buckets
        self._counts: tuple[_Counts, _Counts, _Counts, _Counts] = ({}, {}, {}, {})

    def bucket(self, at: float) -> int:
        return int((at - self.since) / self.width)

    def add(self, level: int, workflow_id: str | None, source: str | None, bucket: int, lines: int) -> None:
        # A line may be a little older than its range by now, or of a moment ago.
        place = min(max(bucket, 0), self._buckets - 1)
        for counts, key in zip(self._counts, (level, workflow_id, source, ""), strict=True):
            if key is not None:
                counts.setdefault(key, [0] * self._buckets)[place] += lines

    def facets(self, exact: bool) -> LogFacets:
        levels, workflows, sources, total = self._counts
        by_level = sorted(levels.items(), reverse=True)
        return LogFacets(
            self.since,
            self.until,
            _facet("", total.get("", [0] * self._buckets)),
            exact,
            tuple(_facet(LogLevel(level).label, places) for level, places in by_level),
            _most(workflows),
            _most(sources),
        )


def _facet(name: str, places: list[int]) -> LogFacet:
    return LogFacet(name, sum(places), tuple(places))


def _most(counts: _Counts) -> tuple[LogFacet, ...]:
    found = [_facet(str(name), places) for name, places in counts.items()]
    return tuple(sorted(found, key=lambda facet: (-facet.lines, facet.name))[:_MOST_NAMES])


async def count(
    pool: ReadPool, query: str, clock: Clock, *, since: float | None = None, until: float | None = None
) -> LogCount:
    """The number of lines, the newest first until the time is up. Raises QueryError."""
    selection = await select(pool, query, clock.now(), since, until)
    lines, exact = 0, True
    columns = "l.message" if selection.asked.has_patterns else "count(*)"
    async for rows, is_last in _windows(pool, selection, clock, columns):
        exact = is_last
        if selection.asked.has_patterns:
            lines += sum(selection.asked.accepts(message) for (message,) in rows)
        else:
            lines += rows[0][0]
    return LogCount(lines, exact)


async def facets(
    pool: ReadPool,
    query: str,
    clock: Clock,
    *,
    since: float | None = None,
    until: float | None = None,
    buckets: int = 24,
) -> LogFacets:
    """Lines by level, workflow and source over `buckets` (1–500) equal spans of time. Raises QueryError."""
    now = clock.now() if until is None else until
    selection = await select(pool, query, now, since, until)
    asked = selection.asked
    starts = [start for start in (since, asked.since) if start is not None]
    oldest = await pool.fetch(_OLDEST)
    start = max(starts) if starts else oldest[0][0] if oldest else now
    end = max(now if asked.until is None else min(asked.until, now), start + 1.0)
    tally = _Tally(start, end, min(max(buckets, 1), _MOST_BUCKETS))
    kinds = "l.level, l.workflow_id, l.source"
    exact = True
    if asked.has_patterns:
        async for rows, is_last in _windows(pool, selection, clock, f"{kinds}, l.at, l.message"):
            exact = is_last
            for level, workflow_id, source, at, message in rows:
                if asked.accepts(message):
                    tally.add(level, workflow_id, source, tally.bucket(at), 1)
    else:
        bucket = f"CAST((l.at - {tally.since!r}) / {tally.width!r} AS INTEGER)"
        columns, rest = f"{kinds}, {bucket}, count(*)", "GROUP BY 1, 2, 3, 4"
        async for rows, is_last in _windows(pool, selection, clock, columns, rest):
            exact = is_last
            for row in rows:
                tally.add(*row)
    return tally.facets(exact)


async def _windows(
    pool: ReadPool, selection: Selection, clock: Clock, columns: str, rest: str = ""
) -> AsyncIterator[tuple[list[Cells], bool]]:
    """Rows of one span of numbers after the other, newest first, and whether none are left.

    Cost is bounded by the lines of a span, however few of them a search finds.
    """
    until = clock.monotonic() + BUDGET
    size = _PATTERN_WINDOW if selection.asked.has_patterns else _WINDOW
    first, end = (await pool.fetch(_ENDS))[0]
    first, end = max(first, selection.first), min(end, selection.end)
    for stop in range(end, first, -size):
        start = max(first, stop - size)
        rows = await selection.window(columns, start, stop, rest)
        yield rows, start == first
        if clock.monotonic() > until:
            return
