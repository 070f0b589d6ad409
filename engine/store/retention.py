"""Old rows leave in small steps, so that nothing waits for them longer than about 50 ms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

import aiosqlite

from engine.store.connection import transaction
from engine.store.writer import Writer

Step = Callable[[aiosqlite.Connection], Awaitable[int]]

_SERIES_STEP = 20
_POINTS_STEP = 100
_FREED_PAGES = 500


class _Table(NamedTuple):
    """How a table loses its oldest rows.

    `oldest` yields (number, time) of a few rows by number; the newest row always stays, for its number is
    where counting goes on after a restart. `deletions` remove what belongs to numbers up to `:cut`, the
    table's own rows last.
    """

    oldest: str
    deletions: Sequence[str]


_TABLES = (
    _Table(
        "SELECT id, started_at FROM executions WHERE id < (SELECT max(id) FROM executions)"
        " ORDER BY id LIMIT 250",
        (
            "DELETE FROM attempts WHERE execution_id <= :cut",
            "DELETE FROM spans WHERE execution_id <= :cut",
            "DELETE FROM responses WHERE execution_id <= :cut",
            "DELETE FROM executions WHERE id <= :cut",
        ),
    ),
    _Table(
        "SELECT id, at FROM logs WHERE id < (SELECT max(id) FROM logs) ORDER BY id LIMIT 500",
        (
            "INSERT INTO logs_fts (logs_fts, rowid, message, workflow_id)"
            " SELECT 'delete', id, message, workflow_id FROM logs WHERE id <= :cut",
            "DELETE FROM logs WHERE id <= :cut",
        ),
    ),
    _Table(
        "SELECT id, at FROM decisions WHERE alert_id IS NULL ORDER BY id LIMIT 500",
        ("DELETE FROM decisions WHERE id <= :cut AND alert_id IS NULL",),
    ),
    _Table(
        "SELECT id, at FROM health_checks ORDER BY id LIMIT 500",
        ("DELETE FROM health_checks WHERE id <= :cut",),
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
_OLD_POINTS = (
    "DELETE FROM points WHERE (series, at) IN"
    " (SELECT series, at FROM points WHERE series = ? AND at < ? ORDER BY at LIMIT ?)"
)
_LOOSE_SPANS = (
    "DELETE FROM spans WHERE id IN"
    " (SELECT id FROM spans WHERE execution_id IS NULL AND started_at < ? LIMIT 500)"
)


async def prune(writer: Writer, before: float) -> int:
    """Remove what ended before `before` (seconds since the epoch) and give its space back.

    Alerts that are not resolved stay with all that belongs to them.

    Returns:
        How many executions, log lines, decisions, health checks, alerts, loose spans and points went.
    """
    steps: list[Step] = [partial(_oldest, table, before) for table in _TABLES]
    steps += [partial(_alerts, before), partial(_spans, before)]
    removed = 0
    for step in steps:
        while count := await writer.run(step):
            removed += count
    removed += await _points(writer, before)
    while await writer.run(_give_back):
        pass
    return removed


async def _oldest(table: _Table, before: float, connection: aiosqlite.Connection) -> int:
    old = [number for number, at in await connection.execute_fetchall(table.oldest) if at < before]
    if not old:
        return 0
    async with transaction(connection):
        for deletion in table.deletions:
            cursor = await connection.execute(deletion, {"cut": old[-1]})
            removed = cursor.rowcount
            await cursor.close()
    return removed


async def _alerts(before: float, connection: aiosqlite.Connection) -> int:
    old = list(await connection.execute_fetchall(_OLD_ALERTS, (before,)))
    if old:
        async with transaction(connection):
            for deletion in _ALERT_DELETIONS:
                await connection.executemany(deletion, old)
    return len(old)


async def _spans(before: float, connection: aiosqlite.Connection) -> int:
    async with transaction(connection):
        return await _changed(connection, _LOOSE_SPANS, (before,))


async def _points(writer: Writer, before: float) -> int:
    """Series by series, because a point is found by its series first."""

    async def known(connection: aiosqlite.Connection) -> list[int]:
        return [row[0] for row in await connection.execute_fetchall("SELECT id FROM series ORDER BY id")]

    async def step(numbers: list[int], connection: aiosqlite.Connection) -> list[int]:
        async with transaction(connection):
            return [
                await _changed(connection, _OLD_POINTS, (number, before, _POINTS_STEP)) for number in numbers
            ]

    removed = 0
    series = await writer.run(known)
    while series:
        part, series = series[:_SERIES_STEP], series[_SERIES_STEP:]
        counts = await writer.run(partial(step, part))
        removed += sum(counts)
        series = [
            number for number, count in zip(part, counts, strict=True) if count == _POINTS_STEP
        ] + series
    return removed


async def _changed(connection: aiosqlite.Connection, sql: str, parameters: tuple[float, ...]) -> int:
    cursor = await connection.execute(sql, parameters)
    changed = cursor.rowcount
    await cursor.close()
    return changed


async def _give_back(connection: aiosqlite.Connection) -> bool:
    """Shrink the file a little; whether there is more to give."""
    free = next(iter(await connection.execute_fetchall("PRAGMA freelist_count")))[0]
    if free:
        # Only a script runs this pragma to its end; a single statement frees one page.
        await connection.executescript(f"PRAGMA incremental_vacuum({_FREED_PAGES})")
    return int(free) > _FREED_PAGES
