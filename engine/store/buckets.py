"""How executions came out over equal parts of a range, without summing up again what has not changed."""

from __future__ import annotations

import math
import sqlite3
from array import array
from collections import defaultdict
from functools import partial
from typing import NamedTuple

from engine.client import Bucket
from engine.store.periods import EXECUTION_SLACK, HOUR, numbers
from engine.store.pool import ReadPool
from engine.store.seen import Seen
from engine.store.summaries import wide_buckets
from engine.store.tally import COUNTED, GOOD, percentile

SAMPLES = 50_000
MOST = 500
_RANGE = (
    "FROM executions WHERE id >= :first AND id < :end AND started_at >= :since AND started_at < :until"
    f" AND {COUNTED}"
)
_OF_WORKFLOW = "AND workflow_id = :workflow"
_PLACE = "min(CAST((started_at - :since) / :width AS INTEGER), :last)"


class _Question(NamedTuple):
    """Buckets of `width` seconds over [since, until), of one workflow or of all."""

    since: float
    until: float
    width: float
    workflow_id: str | None

    def steps_from(self, before: _Question) -> int | None:
        """By how many whole buckets it is later than another question, which is otherwise the same."""
        steps = (self.since - before.since) / self.width
        same = (self.width, self.workflow_id) == (before.width, before.workflow_id)
        return round(steps) if same and steps >= 0 and steps.is_integer() else None


class _Answer(NamedTuple):
    question: _Question
    seen: Seen
    buckets: tuple[Bucket, ...]


class Buckets:
    """Equal parts of a range; remembers the last answer.

    Who asks for whole steps of the clock has what lies behind summed up once.
    """

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool
        self._answer: _Answer | None = None

    async def over(
        self, since: float, until: float, count: int, workflow_id: str | None
    ) -> tuple[Bucket, ...]:
        """`count` (1–500) equal buckets over [since, until). Raises StoreError."""
        count = min(max(count, 1), MOST)
        width = max(until - since, 0.001) / count
        if width >= HOUR:
            return await self._pool.run(partial(wide_buckets, since, width, count, workflow_id))
        question = _Question(since, until, width, workflow_id)
        self._answer = answer = await self._pool.run(partial(_answered, self._answer, question, count))
        return answer.buckets


def _answered(
    before: _Answer | None, question: _Question, count: int, connection: sqlite3.Connection
) -> _Answer:
    steps = question.steps_from(before.question) if before is not None else None
    news = before.seen.news(connection, question.until) if before is not None and steps is not None else None
    if before is None or steps is None or news is None:
        seen = Seen.now(connection, question.until)
        return _Answer(question, seen, _summed(connection, question, count))
    seen, written = news
    kept = before.buckets[steps:]
    # All from the first in which something new has started; what started earlier is out of the range.
    began = (one.started_at for one in written if one.started_at >= question.since)
    first = min((int((at - question.since) / question.width) for at in began), default=count)
    kept = kept[: min(first, count)]
    rest = question._replace(since=question.since + len(kept) * question.width)
    return _Answer(question, seen, kept + _summed(connection, rest, count - len(kept)))


def _summed(connection: sqlite3.Connection, question: _Question, count: int) -> tuple[Bucket, ...]:
    """`count` buckets; their percentiles come from about 50,000 durations at most, taken evenly."""
    since, until, width, workflow_id = question
    if not count:
        return ()
    first, end = numbers(connection, "executions", "started_at", since, until, EXECUTION_SLACK)
    where = f"{_RANGE} {_OF_WORKFLOW if workflow_id else ''}"
    scope: dict[str, object] = {
        "since": since, "until": until, "first": first, "end": end, "width": width, "last": count - 1,
        "workflow": workflow_id,
    }  # fmt: skip
    totals = connection.execute(
        f"SELECT {_PLACE}, count(*), sum({GOOD}), max(duration) {where} GROUP BY 1 LIMIT {MOST}", scope
    ).fetchall()
    scope["step"] = max(1, math.ceil(sum(row[1] for row in totals) / SAMPLES))
    durations: defaultdict[int, array[float]] = defaultdict(lambda: array("d"))
    # Row by row, as there are many: a row takes ten times what is kept of it.
    for place, duration in connection.execute(
        f"SELECT {_PLACE}, duration {where} AND id % :step = 0 LIMIT {SAMPLES * 2}", scope
    ):
        durations[place].append(duration)
    found = {place: (total, good, longest) for place, total, good, longest in totals}
    result = []
    for index in range(count):
        total, good, longest = found.get(index, (0, 0, None))
        values = sorted(durations[index])
        p50 = percentile(values, 0.5) if values else longest
        p95 = percentile(values, 0.95) if values else longest
        result.append(Bucket(since + index * width, width, total, good, p50, p95, longest))
    return tuple(result)
