"""How often every component was well, hour by hour: what uptimes go on from when an engine starts.

Hours that are over come from roll-ups, the rest from rows, so that a start reads about an hour of checks
however many components there are.
"""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from functools import partial

from engine.errors import DamagedError
from engine.model import HealthHour, HealthStatus
from engine.store import decode
from engine.store.periods import EXECUTION_SLACK, HOUR, RAW, Piece, Rolled, first_number
from engine.store.pool import Cells, ReadPool

MOST = 24 * 10_000 * len(HealthStatus)
"""Rows of an answer at most: a day of ten thousand components."""
_HOURS = (
    "SELECT at, component, checks, good FROM health_rollups"
    f" WHERE width = ? AND at >= ? AND at < ? ORDER BY at LIMIT {MOST}"
)
_ROWS = (
    "SELECT max(at), component, status, count(*) FROM health_checks WHERE id >= ? AND at >= ?{until}"
    f" GROUP BY CAST(at / {HOUR} AS INTEGER), component, status ORDER BY 1 LIMIT {MOST}"
)
_OPEN, _CLOSED = _ROWS.format(until=""), _ROWS.format(until=" AND id < ? AND at < ?")


async def hours(
    pool: ReadPool, since: float, skip: Callable[[DamagedError], None] | None
) -> list[HealthHour]:
    """By hour and component, oldest first, from `since` on; several of one hour and component add up.

    Args:
        since: where an hour begins.
        skip: as of `decode.each`.
    """
    broken: list[DamagedError] = []
    found = await pool.run(partial(_hours, since, None if skip is None else broken.append))
    if skip is not None:
        # Here, not in the thread that reads: who is told writes a line.
        for error in broken:
            skip(error)
    return found


def _hours(
    since: float, skip: Callable[[DamagedError], None] | None, connection: sqlite3.Connection
) -> list[HealthHour]:
    found: list[HealthHour] = []
    for piece in Rolled.load(connection).pieces(since, math.inf, HOUR):
        if piece.width == RAW:
            found += decode.each(decode.checks_alike, _raw(connection, piece), skip)
        else:
            found += decode.each(decode.health_rollup, connection.execute(_HOURS, piece), skip)
    return found


def _raw(connection: sqlite3.Connection, piece: Piece) -> list[Cells]:
    def number(at: float) -> int:
        first: int = connection.execute(first_number("health_checks", "at"), {"since": at}).fetchone()[0]
        return first

    first = number(piece.since - EXECUTION_SLACK)
    if piece.until == math.inf:
        # Without an end, so that a row whose time is no number is met, and told of.
        return connection.execute(_OPEN, (first, piece.since)).fetchall()
    end = number(piece.until + EXECUTION_SLACK)
    return connection.execute(_CLOSED, (first, piece.since, end, piece.until)).fetchall()
