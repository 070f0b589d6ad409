"""Figures over executions of a time range, and where in their numbers it begins and ends.

Counts are exact. Percentiles are within 1 % where roll-ups are read, and exact over few executions; those of
buckets shorter than an hour come from about 50,000 durations at most, taken evenly.
Executions that were skipped or interrupted have no result and count nowhere but in `outcomes`.
"""

from __future__ import annotations

from datetime import tzinfo
from functools import partial

from engine.model import MetricsSummary
from engine.store import periods, summaries
from engine.store.periods import EXECUTION_SLACK
from engine.store.pool import ReadPool

RANGE = "id >= :first AND started_at >= :since AND started_at < :until"


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


async def summary(pool: ReadPool, since: float, until: float, zone: tzinfo | None = None) -> MetricsSummary:
    """Totals over [since, until); `zone` is that of the hours of the day, the machine's when None."""
    return await pool.run(partial(summaries.summary, since, until, zone))
