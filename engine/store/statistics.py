"""Figures over executions of a time range: buckets, summaries, what each workflow has done.

Counts are exact. Percentiles are within 1 % where roll-ups are read, and exact over few executions; those of
buckets shorter than an hour come from about 50,000 durations at most, taken evenly.
Executions that were skipped or interrupted have no result and count nowhere but in `outcomes`.
"""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import math
import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from typing import Any, TypeAlias

from engine.client import Bucket
from engine.model import Execution, MetricsSummary, Outcome
from engine.store import decode, periods, summaries
from engine.store.periods import EXECUTION_SLACK, HOUR
from engine.store.pool import ReadPool
from engine.store.tally import COUNTED, GOOD, percentile

SAMPLES = 50_000
RECENT = 60
WORKFLOWS = 10_000
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_Totals = tuple[int, float | None, float | None, float | None]
_NOTHING: _Totals = (0, None, None, None)
_Newest: TypeAlias = "tuple[list[Outcome], array[float]]"
_KNOWN = (
    "WITH RECURSIVE known (workflow) AS (SELECT min(workflow_id) FROM executions UNION ALL"
    " SELECT (SELECT min(workflow_id) FROM executions WHERE workflow_id > workflow) FROM known"
    f" WHERE workflow IS NOT NULL LIMIT {WORKFLOWS})"
)
_LAST = (
    f"{_KNOWN} SELECT {decode.EXECUTION} FROM known CROSS JOIN executions ON id ="
    " (SELECT id FROM executions WHERE workflow_id = workflow AND id < ?1 AND started_at < ?2"
    " ORDER BY id DESC LIMIT 1)"
)
_NEWEST = (
    f"{_KNOWN} SELECT workflow_id, outcome, duration FROM known CROSS JOIN executions ON id IN"
    " (SELECT id FROM executions WHERE workflow_id = workflow AND id >= ?1 AND id < ?2"
    f" AND started_at >= ?3 AND started_at < ?4 ORDER BY id DESC LIMIT {RECENT})"
    f" ORDER BY workflow_id, id LIMIT {WORKFLOWS * RECENT}"
)
RANGE = "id >= :first AND started_at >= :since AND started_at < :until"


@dataclass(frozen=True, slots=True)
class Activity:
    """What a workflow has done: its `last` execution before the end of the range, and figures of the range.

    `recent` and `durations` (seconds) tell of the same newest executions, at most 60, oldest first.
    """

    last: Execution | None = None
    recent: tuple[Outcome, ...] = ()
    durations: tuple[float, ...] = ()
    executions: int = 0
    success_rate: float | None = None
    p50: float | None = None
    p95: float | None = None


async def first_number(pool: ReadPool, table: str, column: str, since: float) -> int:
    """The number at which rows of `since` or later begin, by halving: numbers grow with time."""
    rows = await pool.fetch(periods.first_number(table, column), {"since": since})
    return int(rows[0][0])


async def first_execution(pool: ReadPool, since: float) -> int:
    """No execution that started at `since` or later has a smaller number."""
    return await first_number(pool, "executions", "started_at", since - EXECUTION_SLACK)


async def end_of_executions(pool: ReadPool, until: float) -> int:
    """No execution that started at `until` or earlier has this number or a greater one."""
    return await first_number(pool, "executions", "started_at", until + EXECUTION_SLACK)


async def buckets(
    pool: ReadPool, since: float, until: float, count: int, workflow_id: str | None
) -> tuple[Bucket, ...]:
    """`count` (1–500) equal buckets over [since, until)."""
    count = min(max(count, 1), 500)
    width = max(until - since, 0.001) / count
    if width >= HOUR:
        return await pool.run(partial(summaries.wide_buckets, since, width, count, workflow_id))
    scope = await _scope(pool, since, until, width=width, last=count - 1, workflow=workflow_id)
    where = f"{RANGE} AND {COUNTED}" + (" AND workflow_id = :workflow" if workflow_id else "")
    place = "min(CAST((started_at - :since) / :width AS INTEGER), :last)"
    totals = await pool.fetch(
        f"SELECT {place}, count(*), sum({GOOD}), max(duration) FROM executions"
        f" WHERE {where} GROUP BY 1 LIMIT 500",
        scope,
    )
    scope["step"] = _step(sum(row[1] for row in totals))
    durations = await pool.run(
        partial(
            _by_key,
            f"SELECT {place}, duration FROM executions WHERE {where} AND id % :step = 0 LIMIT {SAMPLES * 2}",
            scope,
        )
    )
    found = {place: (total, good, longest) for place, total, good, longest in totals}
    result = []
    for index in range(count):
        total, good, longest = found.get(index, (0, 0, None))
        values = sorted(durations.get(index, ()))
        result.append(
            Bucket(
                since + index * width,
                width,
                total,
                good,
                percentile(values, 0.5) if values else longest,
                percentile(values, 0.95) if values else longest,
                longest,
            )
        )
    return tuple(result)


async def summary(pool: ReadPool, since: float, until: float, zone: tzinfo | None = None) -> MetricsSummary:
    """Totals over [since, until); `zone` is that of the hours of the day, the machine's when None."""
    return await pool.run(partial(summaries.summary, since, until, zone))


async def activity(pool: ReadPool, since: float, until: float) -> dict[str, Activity]:
    """Each workflow that ever ran, by identifier."""
    found = await pool.run(partial(_totals, since, until))
    end = await end_of_executions(pool, until)
    recent = await _recent(pool, since, until, end)
    result = {}
    for cells in await pool.fetch(_LAST, (end, until)):
        last = decode.execution(cells)
        workflow_id = last.workflow_id
        outcomes, durations = recent.get(workflow_id, ((), ()))
        totals = found.get(workflow_id, _NOTHING)
        result[workflow_id] = Activity(last, tuple(outcomes), tuple(durations), *totals)
    return result


async def _scope(pool: ReadPool, since: float, until: float, **more: object) -> dict[str, object]:
    return {"since": since, "until": until, "first": await first_execution(pool, since), **more}


def _totals(since: float, until: float, connection: sqlite3.Connection) -> dict[str, _Totals]:
    """Executions, share of successes, p50 and p95 of each workflow over [since, until)."""
    result: dict[str, _Totals] = {}
    for workflow_id, tally in summaries.tallies_between(since, until, connection).items():
        p50, p95 = tally.spread.quantiles(0.5, 0.95)
        result[workflow_id] = tally.executions, tally.success_rate, p50, p95
    return result


async def _recent(pool: ReadPool, since: float, until: float, end: int) -> dict[str, _Newest]:
    """Outcome and duration of the newest executions of each workflow over [since, until), oldest first."""
    first = await first_execution(pool, since)

    def newest(connection: sqlite3.Connection) -> dict[str, _Newest]:
        # Row by row: all at once are ten times as large as what is kept of them.
        result: defaultdict[str, _Newest] = defaultdict(lambda: ([], array("d")))
        for workflow_id, outcome, duration in connection.execute(_NEWEST, (first, end, since, until)):
            outcomes, durations = result[workflow_id]
            outcomes.append(_OUTCOMES[outcome])
            durations.append(duration)
        return dict(result)

    return await pool.run(newest)


def _step(count: int) -> int:
    """Of `count` executions every how-manieth is looked at."""
    return max(1, math.ceil(count / SAMPLES))


def _by_key(
    sql: str, scope: Mapping[str, object], connection: sqlite3.Connection
) -> dict[Any, Sequence[float]]:
    """Values by their key, in no order."""
    # Row by row, as there are many: a row takes ten times what is kept of it.
    result: defaultdict[Any, array[float]] = defaultdict(lambda: array("d"))
    for key, value in connection.execute(sql, scope):
        result[key].append(value)
    return dict(result)
