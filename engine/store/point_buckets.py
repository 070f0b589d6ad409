"""Points of series over equal parts of a range, without reading again what has not changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from engine.model import PointBucket, SeriesKind
from engine.store.periods import MINUTE
from engine.store.point_rollups import FINE
from engine.store.points import buckets, kind_of
from engine.store.pool import ReadPool

MOST = 500
_ENDS = "SELECT COALESCE((SELECT min(id) FROM samples), 0), COALESCE((SELECT max(id) FROM samples), 0)"
_FIRST_NEW = "SELECT min(at) FROM samples WHERE id > ? AND at >= ?"


class _Question(NamedTuple):
    """Which points, in what `number` of parts of [since, until)."""

    name: str
    labels: tuple[tuple[str, str], ...]
    since: float
    until: float
    number: int

    @property
    def width(self) -> float:
        return (self.until - self.since) / self.number

    def steps_from(self, before: _Question) -> int:
        """By how many whole parts it is later than another question; -1: it asks for something else."""
        steps = (self.since - before.since) / self.width
        is_other = (self.name, self.labels, self.width) != (before.name, before.labels, before.width)
        return -1 if is_other or self.until < before.until or not steps.is_integer() else int(steps)


class _Answer(NamedTuple):
    """What was found among the samples from number `oldest` to `newest`."""

    question: _Question
    oldest: int
    newest: int
    parts: tuple[PointBucket, ...]


class PointBuckets:
    """Equal parts of a range; remembers the last answer.

    Who asks for whole steps of the clock has what lies behind read once. Not so the parts that are put
    together from roll-ups, which are read fast, nor counters, whose growth goes on from part to part.
    """

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool
        self._answer: _Answer | None = None

    async def over(
        self, name: str, labels: Mapping[str, str], since: float, until: float, count: int
    ) -> tuple[PointBucket, ...]:
        """As `engine.store.points.buckets`. Raises StoreError."""
        question = _Question(name, tuple(labels.items()), since, until, count)
        is_fine = 1 <= count <= MOST and 0 < question.width < FINE * MINUTE
        if not is_fine or kind_of(name) is SeriesKind.COUNTER:
            return await self._pool.run(partial(buckets, name, labels, since, until, count))
        self._answer = answer = await self._pool.run(partial(_answered, self._answer, question))
        return answer.parts


def _answered(before: _Answer | None, question: _Question, connection: sqlite3.Connection) -> _Answer:
    oldest, newest = connection.execute(_ENDS).fetchone()
    kept: tuple[PointBucket, ...] = ()
    if before is not None and before.oldest == oldest and before.newest <= newest:
        steps = question.steps_from(before.question)
        kept = before.parts[steps:] if steps >= 0 else ()
        (first,) = connection.execute(_FIRST_NEW, (before.newest, question.since)).fetchone()
        if first is not None:
            kept = kept[: int((first - question.since) / question.width)]
    name, labels, since, until, count = question
    start = since + len(kept) * question.width
    rest = count - len(kept)
    fresh = buckets(name, dict(labels), start, until, rest, connection) if rest else ()
    return _Answer(question, oldest, newest, kept + fresh)
