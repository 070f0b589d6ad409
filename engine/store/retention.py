"""Old rows leave in small steps, so that nothing waits for them longer than about 50 ms."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import NamedTuple

import aiosqlite

from engine.store.connection import transaction
from engine.store.limits import Kind
from engine.store.periods import HOUR, MINUTE
from engine.store.shapes import DAY
from engine.store.writer import Writer


@dataclass(frozen=True, slots=True)
class Cut:
    """What of a kind goes: rows from before `before` (seconds since the epoch), numbers up to `number`."""

    before: float = -math.inf
    number: int = 0


class _Table(NamedTuple):
    """How a table loses its oldest rows.

    `oldest` yields (number, time) of `:count` rows beyond `:after` by number; the newest row always stays,
    for its number is where counting goes on after a restart. `deletions` remove what belongs to numbers up to
    `:cut`, the table's own rows last; numbers of those that grow with the time of writing alone are looked
    at one by one.
    """

    kind: Kind
    oldest: str
    deletions: Sequence[str]


_OLD = "id > :after AND id <= :cut AND (at < :before OR id <= :number)"
_TABLES = (
    _Table(
        Kind.EXECUTIONS,
        "SELECT id, started_at FROM executions WHERE id > :after AND id < (SELECT max(id) FROM executions)"
        " ORDER BY id LIMIT :count",
        (
            "DELETE FROM traces WHERE execution_id <= :cut",
            "DELETE FROM responses WHERE execution_id <= :cut",
            "DELETE FROM executions WHERE id <= :cut",
        ),
    ),
    _Table(
        Kind.LOGS,
        "SELECT id, at FROM logs WHERE id > :after AND id < (SELECT max(id) FROM logs)"
        " ORDER BY id LIMIT :count",
        (
            "INSERT INTO logs_fts (logs_fts, rowid, message, workflow_id)"  # noqa: S608 - texts of ours
            f" SELECT 'delete', id, message, workflow_id FROM logs WHERE {_OLD}",
            f"DELETE FROM logs WHERE {_OLD}",  # noqa: S608
        ),
    ),
    _Table(
        Kind.POINTS,
        "SELECT id, at FROM samples WHERE id > :after ORDER BY id LIMIT :count",
        (
            # What is known by the minute goes with what it was derived from; hours and days outlive it.
            f"DELETE FROM point_rollups WHERE width = {MINUTE}"  # noqa: S608
            f" AND at <= (SELECT at FROM samples WHERE id = :cut) - {HOUR}",
            f"DELETE FROM samples WHERE {_OLD}",  # noqa: S608
        ),
    ),
    _Table(
        Kind.DECISIONS,
        "SELECT id, at FROM decisions WHERE alert_id IS NULL AND id > :after ORDER BY id LIMIT :count",
        (f"DELETE FROM decisions WHERE alert_id IS NULL AND {_OLD}",),  # noqa: S608
    ),
    _Table(
        Kind.HEALTH,
        "SELECT id, at FROM health_checks WHERE id > :after ORDER BY id LIMIT :count",
        (f"DELETE FROM health_checks WHERE {_OLD}",),  # noqa: S608
    ),
    _Table(
        Kind.RESPONSES,
        "SELECT execution_id, at FROM responses WHERE execution_id > :after ORDER BY 1 LIMIT :count",
        ("DELETE FROM responses WHERE execution_id > :after AND execution_id <= :cut",),
    ),
)
_OLD_ALERTS = (
    "SELECT id FROM alerts WHERE state = 'resolved' AND resolved_at < ?"
    " AND id < (SELECT max(id) FROM alerts) ORDER BY id LIMIT 100"
)
_ALERT_DELETIONS = (
    "DELETE FROM alert_events WHERE alert_id = ?",
    "DELETE FROM decisions WHERE alert_id = ?",
    "DELETE FROM notifications WHERE alert_id = ?",
    "DELETE FROM alerts WHERE id = ?",
)
_OLD_SPANS = (
    "DELETE FROM spans WHERE id IN (SELECT id FROM spans WHERE started_at < ? ORDER BY started_at LIMIT 500)"
)
# Their traces are gone by now, but for that of the newest execution, which always stays.
_OLD_SHAPES = (
    "DELETE FROM shapes WHERE id IN (SELECT id FROM shapes WHERE used_at < ? AND id NOT IN"
    " (SELECT shape FROM traces ORDER BY execution_id DESC LIMIT 1) LIMIT 100)"
)


_MUCH = 10
"""The share of the log, one part in so many, whose removal makes its search index worth tidying."""
_MERGED_PAGES = 32
# A merge that finds nothing to do changes one row: the command itself.
_WORKED = 2


class Pace:
    """How many rows a step takes, so that it lasts about 20 ms of real time."""

    WANTED = 0.02
    MOST = 1_000

    def __init__(self, count: int) -> None:
        self.count = count
        self.longest = 0.0
        """Seconds that the longest step took."""

    def took(self, seconds: float) -> None:
        """Learn from a step."""
        self.longest = max(self.longest, seconds)
        if seconds > self.WANTED * 1.5:
            self.count = max(self.count // 2, 20)
        elif seconds < self.WANTED / 2:
            self.count = min(self.count * 3 // 2, self.MOST)


async def prune(writer: Writer, cuts: Mapping[Kind, Cut], *, for_room: bool = False) -> int:
    """Remove what `cuts` say, and give its space back; other kinds stay as they are.

    Alerts that are not resolved stay with all that belongs to them.

    Args:
        for_room: whatever was removed of the log, let the search index forget it at once.

    Returns:
        How many executions, log lines, samples, decisions, health checks, answers, alerts and loose spans
        went.
    """
    removed = 0
    for table in _TABLES:
        if table.kind in cuts:
            gone = await _shorten(writer, table, cuts[table.kind])
            removed += gone
            if table.kind is Kind.LOGS and gone and (for_room or await writer.run(partial(_is_much, gone))):
                await _tidy_search(writer)
    if (cut := cuts.get(Kind.ALERTS)) is not None:
        removed += await _repeat(writer, partial(_alerts, cut.before))
    if (cut := cuts.get(Kind.EXECUTIONS)) is not None:
        removed += await _repeat(writer, partial(_changed, _OLD_SPANS, cut.before))
        await _repeat(writer, partial(_changed, _OLD_SHAPES, cut.before - 2 * DAY))
    await _give_back(writer)
    return removed


async def _repeat(writer: Writer, step: Callable[[aiosqlite.Connection], Awaitable[int]]) -> int:
    """Until there is nothing left to do."""
    total = 0
    while count := await writer.run(step):
        total += count
    return total


async def _shorten(writer: Writer, table: _Table, cut: Cut) -> int:
    pace, after, total = Pace(250), -1, 0
    while True:
        after, removed = await writer.run(partial(_oldest, table, cut, pace, after))
        total += removed
        if not removed:
            return total


async def _oldest(
    table: _Table, cut: Cut, pace: Pace, after: int, connection: aiosqlite.Connection
) -> tuple[int, int]:
    """Remove some of the oldest rows beyond `after`; returns how far that came, and how many went."""
    began = perf_counter()
    scope: dict[str, float] = {"after": after, "before": cut.before, "number": cut.number}
    scope["count"] = pace.count
    rows = await connection.execute_fetchall(table.oldest, scope)
    old = [number for number, at in rows if at < cut.before or number <= cut.number]
    if not old:
        return after, 0
    scope["cut"] = old[-1]
    async with transaction(connection):
        for deletion in table.deletions:
            cursor = await connection.execute(deletion, scope)
            removed = cursor.rowcount
            await cursor.close()
    pace.took(perf_counter() - began)
    return old[-1], removed


async def _is_much(gone: int, connection: aiosqlite.Connection) -> bool:
    """Whether `gone` log lines are many beside those that are left."""
    first, last = next(iter(await connection.execute_fetchall("SELECT min(id), max(id) FROM logs")))
    return bool(gone * _MUCH > last - first)


async def _tidy_search(writer: Writer) -> None:
    """Merge the parts of the search index: until then, what was removed takes more room than before."""
    pace = Pace(-_MERGED_PAGES)
    await writer.run(partial(_merge, pace))
    pace.count = _MERGED_PAGES
    while await writer.run(partial(_merge, pace)):
        pass


async def _merge(pace: Pace, connection: aiosqlite.Connection) -> bool:
    """Whether there is more to do, told as in https://sqlite.org/fts5.html#the_merge_command."""
    began, before = perf_counter(), connection.total_changes
    await connection.execute_fetchall(
        "INSERT INTO logs_fts (logs_fts, rank) VALUES ('merge', ?)", (pace.count,)
    )
    if pace.count > 0:
        pace.took(perf_counter() - began)
    return connection.total_changes - before >= _WORKED


async def _alerts(before: float, connection: aiosqlite.Connection) -> int:
    old = list(await connection.execute_fetchall(_OLD_ALERTS, (before,)))
    if old:
        async with transaction(connection):
            for deletion in _ALERT_DELETIONS:
                await connection.executemany(deletion, old)
    return len(old)


async def _changed(statement: str, before: float, connection: aiosqlite.Connection) -> int:
    async with transaction(connection):
        cursor = await connection.execute(statement, (before,))
        changed = cursor.rowcount
        await cursor.close()
    return changed


async def _give_back(writer: Writer) -> None:
    """Shrink the file by all that holds nothing."""
    pace = Pace(500)
    while await writer.run(partial(_give_back_some, pace)):
        pass


async def _give_back_some(pace: Pace, connection: aiosqlite.Connection) -> bool:
    """Whether there is more to give."""
    began = perf_counter()
    free, count = next(iter(await connection.execute_fetchall("PRAGMA freelist_count")))[0], pace.count
    if free:
        # Only a script runs this pragma to its end; a single statement frees one page.
        await connection.executescript(f"PRAGMA incremental_vacuum({count})")
        pace.took(perf_counter() - began)
    return bool(free > count)
