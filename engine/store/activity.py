"""What each workflow has done over a range, without reading again what has not changed.

A console asks every few seconds for a range that has moved on a little. Of a thousand workflows only those
are read again that an execution has been written of since, or left the range.
"""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from engine.model import Execution, Outcome
from engine.store import decode, summaries
from engine.store.periods import EXECUTION_SLACK, RAW, Piece, Rolled, numbers
from engine.store.pool import ReadPool
from engine.store.seen import Seen
from engine.store.tally import Tally

RECENT = 60
WORKFLOWS = 10_000
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_ALL = (
    "WITH RECURSIVE known (workflow) AS (SELECT min(workflow_id) FROM executions UNION ALL"
    " SELECT (SELECT min(workflow_id) FROM executions WHERE workflow_id > workflow) FROM known"
    f" WHERE workflow IS NOT NULL LIMIT {WORKFLOWS})"
)
_SOME = "WITH known (workflow) AS (SELECT value FROM json_each(:some))"
_LAST = (
    f"SELECT {decode.EXECUTION} FROM known CROSS JOIN executions ON id ="
    " (SELECT id FROM executions WHERE workflow_id = workflow AND id < :end AND started_at < :until"
    " ORDER BY id DESC LIMIT 1)"
)
# Asked for one workflow after the other: for all at once, rows would be found, sorted and read again.
_NEWEST = (
    "SELECT outcome, duration FROM executions WHERE workflow_id = ? AND id >= ? AND id < ?"
    f" AND started_at >= ? AND started_at < ? ORDER BY id DESC LIMIT {RECENT}"
)
_GONE = (
    "SELECT DISTINCT workflow_id FROM executions"
    " WHERE id >= ? AND id < ? AND started_at >= ? AND started_at < ?"
)


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


class _Answer(NamedTuple):
    """What was found over [since, until), from these roll-ups and those executions."""

    since: float
    until: float
    rolled: Sequence[Piece]
    seen: Seen
    activities: dict[str, Activity]


class Activities:
    """What each workflow has done; remembers the last answer."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool
        self._answer: _Answer | None = None

    async def between(self, since: float, until: float) -> Mapping[str, Activity]:
        """Each workflow that ever ran, by identifier, over [since, until). Raises StoreError."""
        self._answer = answer = await self._pool.run(partial(_answered, self._answer, since, until))
        return answer.activities


async def once(pool: ReadPool, since: float, until: float) -> Mapping[str, Activity]:
    """The same of a range that will not move on: nothing is looked up for, or taken from, a next question."""
    return await pool.run(partial(_all, since, until))


def _all(since: float, until: float, connection: sqlite3.Connection) -> dict[str, Activity]:
    return _found(connection, since, until, Rolled.load(connection).pieces(since, until), None)


def _answered(before: _Answer | None, since: float, until: float, connection: sqlite3.Connection) -> _Answer:
    pieces = Rolled.load(connection).pieces(since, until)
    rolled = [piece for piece in pieces if piece.width != RAW]
    # A range that only moves on, over the hours that were rolled up then.
    follows = before is not None and before.since <= since and before.until <= until
    if before is not None and follows and before.rolled == rolled:
        news = before.seen.news(connection, until)
        if news is not None:
            seen, written = news
            changed = {one.workflow_id for one in written} | _gone(connection, before.since, since)
            fresh = _found(connection, since, until, pieces, changed)
            return _Answer(since, until, rolled, seen, before.activities | fresh)
    found = _found(connection, since, until, pieces, None)
    return _Answer(since, until, rolled, Seen.now(connection, until), found)


def _gone(connection: sqlite3.Connection, before: float, since: float) -> set[str]:
    """The workflows with executions over [before, since)."""
    span = numbers(connection, "executions", "started_at", before, since, EXECUTION_SLACK)
    return {workflow_id for (workflow_id,) in connection.execute(_GONE, (*span, before, since))}


def _found(
    connection: sqlite3.Connection,
    since: float,
    until: float,
    pieces: Sequence[Piece],
    some: Collection[str] | None,
) -> dict[str, Activity]:
    """What `some` workflows have done, or with None all that ever ran."""
    first, end = numbers(connection, "executions", "started_at", since, until, EXECUTION_SLACK)
    asked: dict[str, object] = {"first": first, "end": end, "since": since, "until": until}
    known = _ALL
    if some is not None:
        known, asked = _SOME, asked | {"some": json.dumps(list(some))}
    totals = summaries.tallies(connection, pieces, some)
    result = {}
    for cells in connection.execute(f"{known} {_LAST}", asked):
        last = decode.execution(cells)
        newest = connection.execute(_NEWEST, (last.workflow_id, first, end, since, until)).fetchall()[::-1]
        tally = totals.get(last.workflow_id) or Tally()
        p50, p95 = tally.spread.quantiles(0.5, 0.95)
        result[last.workflow_id] = Activity(
            last,
            tuple([_OUTCOMES[outcome] for outcome, _ in newest]),
            tuple([duration for _, duration in newest]),
            tally.executions,
            tally.success_rate,
            p50,
            p95,
        )
    return result
