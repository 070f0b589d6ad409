"""Roll-ups are derived from rows: an hour when it is over, a day from its hours; again when rows came late.

Deriving replaces, so that nothing is counted twice, whatever breaks off. An hour is noted as due before it is
read, and a row that comes later for an hour that is over notes it once more, in its own transaction.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import aiosqlite

from engine.store.connection import in_its_thread, in_transaction
from engine.store.periods import (
    DAY,
    EVERYTHING,
    EXECUTION_SLACK,
    HOUR,
    MARK,
    Watermark,
    numbers,
)
from engine.store.point_rollups import PUT, day_rows, hour_rows
from engine.store.pool import ReadPool
from engine.store.tally import COLUMNS, OUTCOMES, Tally, checked, tallied
from engine.store.writer import Writer

ROLLUP_INTERVAL = 60.0
LAG = 60.0
"""Seconds after the end of an hour: what started in it has mostly ended by then."""
DEADLINE = 120.0
"""Seconds that reading one hour may take."""
LONGEST_BACK = 90 * DAY
"""How far back, at most, rows are rolled up that never were."""

_MARKS = ", ".join("?" * (len(OUTCOMES) + 4))
_PUT_EXECUTIONS = f"INSERT OR REPLACE INTO execution_rollups VALUES (?, ?, ?, {_MARKS})"  # noqa: S608
_PUT_HEALTH = "INSERT OR REPLACE INTO health_rollups VALUES (?, ?, ?, ?, ?, ?)"
_COUNTS = " + ".join(outcome.value for outcome in OUTCOMES)
_KNOWN = f"SELECT {_COUNTS} FROM execution_rollups WHERE width = ? AND at = ? AND workflow_id = ''"  # noqa: S608
_EXECUTIONS = (
    "SELECT workflow_id, outcome, duration FROM executions"
    " WHERE id >= ? AND id < ? AND started_at >= ? AND started_at < ?"
)
_HOURS = f"SELECT workflow_id, {COLUMNS} FROM execution_rollups WHERE width = ? AND at >= ? AND at < ?"  # noqa: S608
_HEALTH_HOURS = (
    "SELECT component, sum(checks), sum(good), sum(score) FROM health_rollups"
    " WHERE width = ? AND at >= ? AND at < ? GROUP BY 1"
)
_NEXT_DUE = "SELECT width, at, times FROM rollups_due ORDER BY width, at LIMIT 1"
_DONE = "DELETE FROM rollups_due WHERE width = ? AND at = ? AND times = ?"
_IS_DUE = "SELECT 1 FROM rollups_due WHERE width = ? AND at >= ? AND at < ? LIMIT 1"
_OLDEST = """
SELECT min(at) FROM (
  SELECT * FROM (SELECT started_at AS at FROM executions ORDER BY id LIMIT 1)
  UNION ALL SELECT * FROM (SELECT at FROM health_checks ORDER BY id LIMIT 1)
  UNION ALL SELECT * FROM (SELECT at FROM samples ORDER BY id LIMIT 1)
) LIMIT 1
"""
_TABLES = ("execution_rollups", "health_rollups", "point_rollups")


class Derived(NamedTuple):
    """A period as it is to be stored, and what of the list of due ones that answers."""

    width: int
    at: int
    times: int
    sheets: Sequence[tuple[str, Sequence[tuple[Any, ...]]]]


async def catch_up(writer: Writer, pool: ReadPool, now: float) -> int:
    """Derive all that is due; returns how many periods that were. Raises StoreError.

    Reading goes on beside the writer; what is written is short.
    """
    await _note_finished(writer, pool, now)
    done = 0
    while (derived := await pool.run(_derive_next, DEADLINE)) is not None:
        await writer.run(partial(_in_one, partial(_store, derived, writer.watermark)))
        done += 1
    return done


async def forget(writer: Writer, befores: Mapping[int, float]) -> int:
    """Remove roll-ups that begin before the moment given for their width; returns how many periods went."""
    removed = 0
    for width, before in befores.items():
        for table in _TABLES:
            while await writer.run(partial(_in_one, partial(_remove_oldest, table, width, before))):
                removed += 1
    return removed


async def _note_finished(writer: Writer, pool: ReadPool, now: float) -> None:
    """Move the watermark to the end of the newest hour that is over; what lies between is due."""
    until, known = (now - LAG) // HOUR * HOUR, writer.watermark.until
    if until <= known:
        return
    oldest = (await pool.fetch(_OLDEST))[0][0]
    start = until if oldest is None else max(known, until - LONGEST_BACK, oldest // HOUR * HOUR)
    await writer.run(partial(_move, writer.watermark, range(int(start), int(until), HOUR), until))


async def _move(
    watermark: Watermark, hours: Iterable[int], until: float, connection: aiosqlite.Connection
) -> None:
    def note(plain: sqlite3.Connection) -> None:
        plain.executemany(MARK, ((HOUR, at) for at in hours))
        plain.execute("INSERT OR REPLACE INTO meta VALUES ('rolled_until', ?)", (until,))

    def move(plain: sqlite3.Connection) -> None:
        # In the thread that writes: of the next row it is known whether it comes late.
        in_transaction(plain, note)
        watermark.until = until

    await in_its_thread(connection, move)


async def _in_one(job: Callable[[sqlite3.Connection], int], connection: aiosqlite.Connection) -> int:
    return await in_its_thread(connection, partial(in_transaction, job=job))


def _store(derived: Derived, watermark: Watermark, connection: sqlite3.Connection) -> int:
    width, at, times, sheets = derived
    for sql, rows in sheets:
        connection.executemany(sql, rows)
    connection.execute(_DONE, (width, at, times))
    day = at - at % DAY
    is_over = width == HOUR and day + DAY <= watermark.until
    if is_over and connection.execute(_IS_DUE, (HOUR, day, day + DAY)).fetchone() is None:
        connection.execute(MARK, (DAY, day))
    return 0


def _remove_oldest(table: str, width: int, before: float, connection: sqlite3.Connection) -> int:
    sql = (
        f"DELETE FROM {table} WHERE width = :width AND at < :before"  # noqa: S608
        f" AND at = (SELECT min(at) FROM {table} WHERE width = :width)"
    )
    return connection.execute(sql, {"width": width, "before": before}).rowcount


def _derive_next(connection: sqlite3.Connection) -> Derived | None:
    """The next period that is due, derived from one state of the file."""
    found = connection.execute(_NEXT_DUE).fetchone()
    if found is None:
        return None
    width, at, times = found
    if width == DAY:
        tallies, points = _tallied_hours(connection, at), day_rows(connection, at)
        health = connection.execute(_HEALTH_HOURS, (HOUR, at, at + DAY)).fetchall()
    else:
        tallies, points = _tallied_rows(connection, at), hour_rows(connection, at)
        health = checked(connection, at, at + HOUR)
    sheets: list[tuple[str, Sequence[tuple[Any, ...]]]] = [(PUT, points)]
    known = connection.execute(_KNOWN, (width, at)).fetchone()
    # Rows only ever come, late ones too: when there are fewer, some have been removed for their age.
    if known is None or known[0] <= sum(tally.everything for tally in tallies.values()):
        sheets.append((_PUT_EXECUTIONS, [(width, at, *row) for row in _execution_rows(tallies)]))
        sheets.append((_PUT_HEALTH, [(width, at, *row) for row in health]))
    return Derived(width, at, times, sheets)


def _tallied_rows(connection: sqlite3.Connection, at: int) -> dict[str, Tally]:
    first, end = numbers(connection, "executions", "started_at", at, at + HOUR, EXECUTION_SLACK)
    return tallied(connection.execute(_EXECUTIONS, (first, end, at, at + HOUR)))


def _tallied_hours(connection: sqlite3.Connection, at: int) -> dict[str, Tally]:
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for workflow_id, *cells in connection.execute(_HOURS, (HOUR, at, at + DAY)):
        if workflow_id != EVERYTHING:
            tallies[workflow_id].add_cells(cells)
    return tallies


def _execution_rows(tallies: Mapping[str, Tally]) -> list[tuple[Any, ...]]:
    rows = [(workflow_id, *tally.cells()) for workflow_id, tally in tallies.items()]
    everything = Tally()
    for tally in tallies.values():
        # They are sketches by now, which merge faster than values are counted again.
        everything.merge(tally)
    return [*rows, (EVERYTHING, *everything.cells())] if rows else []
