"""Periods that are rolled up, which of them can be relied on, and how a range is put together from them."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping
from typing import NamedTuple

MINUTE, HOUR, DAY = 60, 3_600, 86_400
EXECUTION_SLACK = 60.0
"""Numbers grow with time but for executions that start side by side, and small steps of the clock."""
POINT_SLACK = 900.0
"""A point may carry the time of a step that began this long before it was written."""
EVERYTHING = ""
"""Stands for all workflows together."""
RAW = 0
"""The width of a piece that is read from the rows themselves."""

ROLLED_UNTIL = "SELECT value FROM meta WHERE key = 'rolled_until'"
MARK = (
    "INSERT INTO rollups_due VALUES (?, ?, 1)"
    " ON CONFLICT (width, at) DO UPDATE SET times = rollups_due.times + 1"
)
_OLDEST = "SELECT min(at) FROM execution_rollups WHERE width = ?"
_DUE = "SELECT width, at FROM rollups_due ORDER BY width, at LIMIT 10000"
# The least and the greatest number are asked for apart: together they would cost a walk through the table.
_FIRST = """
WITH RECURSIVE span (low, high) AS (
  SELECT COALESCE((SELECT min(id) FROM {table}), 1), COALESCE((SELECT max(id) FROM {table}), 0) + 1
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


class Piece(NamedTuple):
    """A part of a range: roll-ups of a width (s) or, with RAW, rows; `since` ≤ time < `until`."""

    width: int
    since: float
    until: float


class Rolled(NamedTuple):
    """Which roll-ups can be relied on: from the oldest of their width to `until`, but for those that are due.

    Args:
        due: (width, at) each.
        oldest: where the first one begins, by width; before it, there may be rows all the same.
    """

    until: float
    due: frozenset[tuple[int, int]]
    oldest: Mapping[int, float] = {}

    @classmethod
    def load(cls, connection: sqlite3.Connection) -> Rolled:
        """As the file says now; read it in the transaction that reads the roll-ups."""
        found = connection.execute(ROLLED_UNTIL).fetchone()
        due = {(int(width), int(at)) for width, at in connection.execute(_DUE)}
        # A day lacks what one of its hours lacks.
        due |= {(DAY, at - at % DAY) for _, at in due}
        oldest = {
            width: at
            for width in (HOUR, DAY)
            if (at := connection.execute(_OLDEST, (width,)).fetchone()[0]) is not None
        }
        return cls(found[0] if found else -math.inf, frozenset(due), oldest)

    def pieces(self, since: float, until: float, coarsest: int = DAY) -> list[Piece]:
        """The fewest that make up [since, until), in order: days, hours at their edges, rows for the rest."""
        pieces: list[Piece] = []
        for piece in self._steps(since, until, coarsest):
            if pieces and pieces[-1].width == piece.width:
                piece = Piece(piece.width, pieces.pop().since, piece.until)
            pieces.append(piece)
        return pieces

    def _steps(self, since: float, until: float, coarsest: int) -> Iterator[Piece]:
        at, rolled = since, min(until, self.until)
        while at < until:
            width = next(
                (width for width in (DAY, HOUR) if width <= coarsest and self._is_at(width, at)), RAW
            )
            if width and at + width <= rolled:
                end: float = at + width
            elif width == DAY and self._is_at(HOUR, at) and at + HOUR <= rolled:
                width, end = HOUR, at + HOUR
            else:
                width, end = RAW, until if at >= self.until else min(until, at - at % HOUR + HOUR)
            yield Piece(width, at, end)
            at = end

    def _is_at(self, width: int, at: float) -> bool:
        return at % width == 0 and at >= self.oldest.get(width, at) and (width, int(at)) not in self.due


class Watermark:
    """Where roll-ups end, for whoever writes rows; lives in the writing connection's thread."""

    def __init__(self) -> None:
        self.until = -math.inf

    def load(self, connection: sqlite3.Connection) -> None:
        """Learn it from the file."""
        found = connection.execute(ROLLED_UNTIL).fetchone()
        self.until = found[0] if found else -math.inf


def late(at: float) -> tuple[int, int]:
    """The values of MARK for a row of time `at` that came after its hour was rolled up."""
    return HOUR, int(at // HOUR) * HOUR


def first_number(table: str, column: str) -> str:
    """The SELECT of the number at which rows of `:since` or later begin; numbers grow with time."""
    return _FIRST.format(table=table, column=column)


def numbers(
    connection: sqlite3.Connection, table: str, column: str, since: float, until: float, slack: float
) -> tuple[int, int]:
    """No row of [since, until) has a number outside [first, second); `slack` (s) is how far order may err."""
    sql = first_number(table, column)
    first, end = (
        connection.execute(sql, {"since": moment}).fetchone()[0] for moment in (since - slack, until + slack)
    )
    return first, end
