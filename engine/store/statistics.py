"""Figures over executions of a time range: buckets, summaries, what each workflow has done.

Counts are exact. Percentiles come from about 50,000 durations at most, taken evenly over the range.
Executions that were skipped or interrupted have no result and count nowhere but in `outcomes`.
"""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.client import Bucket, MetricsSummary, WorkflowSummary
from engine.model import Execution, Outcome, Severity
from engine.store import decode
from engine.store.pool import Cells, ReadPool

SAMPLES = 50_000
RECENT = 60
WORKFLOWS = 10_000
_COUNTED = "outcome IN ('ok', 'degraded', 'failed', 'error')"
_GOOD = "outcome IN ('ok', 'degraded')"
# Numbers grow with time but for executions that start side by side, and small steps of the clock.
_EXECUTION_SLACK = 60.0

_FIRST = """
WITH RECURSIVE span (low, high) AS (
  SELECT COALESCE(min(id), 1), COALESCE(max(id), 0) + 1 FROM {table}
  UNION ALL
  SELECT
    CASE WHEN (SELECT {column} FROM {table} WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1) < :since
         THEN (low + high) / 2 + 1 ELSE low END,
    CASE WHEN (SELECT {column} FROM {table} WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1) < :since
         THEN high ELSE (low + high) / 2 END
  FROM span WHERE low < high
)
SELECT low FROM span WHERE low >= high LIMIT 1
"""
_RANGE = "id >= :first AND started_at >= :since AND started_at < :until"


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


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which `share` (0–1) of the ascending values lie, interpolated; None without values."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


async def first_number(pool: ReadPool, table: str, column: str, since: float) -> int:
    """The number at which rows of `since` or later begin, by halving: numbers grow with time."""
    rows = await pool.fetch(_FIRST.format(table=table, column=column), {"since": since})
    return int(rows[0][0])


async def first_execution(pool: ReadPool, since: float) -> int:
    """No execution that started at `since` or later has a smaller number."""
    return await first_number(pool, "executions", "started_at", since - _EXECUTION_SLACK)


async def buckets(
    pool: ReadPool, since: float, until: float, count: int, workflow_id: str | None
) -> tuple[Bucket, ...]:
    """`count` (1–500) equal buckets over [since, until)."""
    count = min(max(count, 1), 500)
    width = max(until - since, 0.001) / count
    scope = await _scope(pool, since, until, width=width, last=count - 1, workflow=workflow_id)
    where = f"{_RANGE} AND {_COUNTED}" + (" AND workflow_id = :workflow" if workflow_id else "")
    place = "min(CAST((started_at - :since) / :width AS INTEGER), :last)"
    totals = await pool.fetch(
        f"SELECT {place}, count(*), sum({_GOOD}), max(duration) FROM executions"
        f" WHERE {where} GROUP BY 1 LIMIT 500",
        scope,
    )
    scope["step"] = _step(sum(row[1] for row in totals))
    durations = _by_key(
        await pool.fetch(
            f"SELECT {place}, duration FROM executions WHERE {where} AND id % :step = 0 LIMIT {SAMPLES * 2}",
            scope,
        )
    )
    found = {place: (total, good, longest) for place, total, good, longest in totals}
    result = []
    for index in range(count):
        total, good, longest = found.get(index, (0, 0, None))
        values = durations[index]
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


async def summary(pool: ReadPool, since: float, until: float) -> MetricsSummary:
    """Totals over [since, until)."""
    scope = await _scope(pool, since, until)
    counts = await pool.fetch(
        "SELECT workflow_id, outcome, count(*), sum(duration) FROM executions"
        f" WHERE {_RANGE} GROUP BY 1, 2 LIMIT {WORKFLOWS}",
        scope,
    )
    outcomes: dict[Outcome, int] = defaultdict(int)
    for _, outcome, count, _ in counts:
        outcomes[Outcome(outcome)] += count
    durations = await _durations(pool, scope, sum(row[2] for row in counts))
    everything = sorted(value for values in durations.values() for value in values)
    alerts = await pool.fetch(
        "SELECT severity, count(*) FROM alerts WHERE fired_at >= :since AND fired_at < :until"
        " GROUP BY 1 LIMIT 10",
        scope,
    )
    total, good = _totals(counts)
    return MetricsSummary(
        since=since,
        until=until,
        executions=total,
        outcomes=dict(outcomes),
        success_rate=good / total if total else None,
        p50=percentile(everything, 0.5),
        p95=percentile(everything, 0.95),
        p99=percentile(everything, 0.99),
        alerts={Severity(severity): count for severity, count in alerts},
        workflows=tuple(
            _workflow(workflow_id, [row for row in counts if row[0] == workflow_id], durations[workflow_id])
            for workflow_id in sorted({row[0] for row in counts})
        ),
    )


async def activity(pool: ReadPool, since: float, until: float) -> dict[str, Activity]:
    """Each workflow that ever ran, by identifier."""
    scope = await _scope(pool, since, until)
    counts = await pool.fetch(
        "SELECT workflow_id, outcome, count(*), sum(duration) FROM executions"
        f" WHERE {_RANGE} GROUP BY 1, 2 LIMIT {WORKFLOWS}",
        scope,
    )
    durations = await _durations(pool, scope, sum(row[2] for row in counts))
    by_workflow: dict[str, list[Cells]] = defaultdict(list)
    for row in counts:
        by_workflow[row[0]].append(row)
    recent = await _recent(pool, until, RECENT)
    result = {}
    for workflow_id, cells in recent.items():
        shown = [row for row in reversed(cells) if row[6] >= since]
        total, good = _totals(by_workflow[workflow_id])
        result[workflow_id] = Activity(
            last=decode.execution(cells[0]),
            recent=tuple(Outcome(row[8]) for row in shown),
            durations=tuple(row[7] for row in shown),
            executions=total,
            success_rate=good / total if total else None,
            p50=percentile(durations[workflow_id], 0.5),
            p95=percentile(durations[workflow_id], 0.95),
        )
    return result


async def _scope(pool: ReadPool, since: float, until: float, **more: object) -> dict[str, object]:
    return {"since": since, "until": until, "first": await first_execution(pool, since), **more}


async def _durations(pool: ReadPool, scope: dict[str, object], count: int) -> defaultdict[str, list[float]]:
    return _by_key(
        await pool.fetch(
            f"SELECT workflow_id, duration FROM executions WHERE {_RANGE} AND {_COUNTED} AND id % :step = 0"
            f" LIMIT {SAMPLES * 2}",
            {**scope, "step": _step(count)},
        )
    )


async def _recent(pool: ReadPool, until: float, limit: int) -> dict[str, list[Cells]]:
    """The newest executions of every workflow that started before `until`, newest first."""
    rows = await pool.fetch(
        "WITH RECURSIVE known (workflow) AS (SELECT min(workflow_id) FROM executions UNION ALL"
        " SELECT (SELECT min(workflow_id) FROM executions WHERE workflow_id > workflow) FROM known"
        f" WHERE workflow IS NOT NULL LIMIT {WORKFLOWS})"
        f" SELECT {decode.EXECUTION} FROM known CROSS JOIN executions ON id IN"
        " (SELECT id FROM executions WHERE workflow_id = workflow AND started_at < ?"
        " ORDER BY id DESC LIMIT ?)"
        f" ORDER BY workflow_id, id DESC LIMIT {WORKFLOWS * RECENT}",
        (until, limit),
    )
    result: dict[str, list[Cells]] = defaultdict(list)
    for row in rows:
        result[row[1]].append(row)
    return result


def _step(count: int) -> int:
    """Of `count` executions every how-manieth is looked at."""
    return max(1, math.ceil(count / SAMPLES))


def _by_key(rows: Sequence[Cells]) -> defaultdict[Any, list[float]]:
    """Values by their key, ascending."""
    result: defaultdict[Any, list[float]] = defaultdict(list)
    for key, value in rows:
        result[key].append(value)
    for values in result.values():
        values.sort()
    return result


def _totals(counts: Sequence[Cells]) -> tuple[int, int]:
    """Executions with a result, and those of them that succeeded."""
    found = [(Outcome(row[1]), row[2]) for row in counts]
    good = sum(count for outcome, count in found if outcome.is_success)
    return good + sum(count for outcome, count in found if outcome.is_failure), good


def _workflow(workflow_id: str, counts: Sequence[Cells], durations: Sequence[float]) -> WorkflowSummary:
    total, good = _totals(counts)
    spent = sum(row[3] for row in counts if Outcome(row[1]).is_success or Outcome(row[1]).is_failure)
    return WorkflowSummary(
        workflow_id=workflow_id,
        executions=total,
        success_rate=good / total if total else None,
        mean=spent / total if total else None,
        p50=percentile(durations, 0.5),
        p95=percentile(durations, 0.95),
        p99=percentile(durations, 0.99),
    )
