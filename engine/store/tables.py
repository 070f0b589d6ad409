"""Rows into tables, inside a transaction that the writer opens and ends."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, count
from typing import Any

from engine.model import Execution, LogRecord, Point, Recording, Span
from engine.store.courtesy import Courtesy
from engine.store.encode import (
    INDEX_LOGS,
    INSERT_LOG,
    INSERT_SAMPLE,
    INSERT_TRACE,
    STATEMENTS,
    Row,
    Values,
    encode_log,
)
from engine.store.periods import MARK, Watermark, late
from engine.store.series import SeriesIndex
from engine.store.shapes import ShapeIndex
from engine.store.traces import pack

PART = 25
"""Rows that are encoded at a stretch, about 0.3 ms, and that one step of a statement writes."""
TURNS = 20
"""How often one transaction gives way to questions, so that it ends within 40 ms more."""

_ROW = re.compile(r"(?<= VALUES )(\([^)]*\))")
_Sheets = defaultdict[str, list[Values]]


class Tables:
    """Writes records of every kind, in the connection's thread; numbers log lines, series and shapes.

    Some rows at a time are gathered by statement: one call for many costs a tenth of many calls. Between
    them it gives way to whoever asks, as `courtesy` knows.
    """

    def __init__(self) -> None:
        self.watermark = Watermark()
        self.courtesy = Courtesy()
        self._series = SeriesIndex()
        self._shapes = ShapeIndex()
        self._next_log = 1

    def load(self, connection: sqlite3.Connection) -> None:
        """Learn the numbers the file has given out; those of series, thousands of them, when points come."""
        self.watermark.load(connection)
        self._next_log = connection.execute("SELECT COALESCE(max(id), 0) + 1 FROM logs").fetchone()[0]

    def apply(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
        """Write `rows`; returns how many points were left out because there are too many series."""
        first_log = self._next_log
        points: list[Point] = []
        # Encoding holds the interpreter, SQLite does not: readers and the loop get their turn in between.
        turns = TURNS
        for start in range(0, len(rows), PART):
            if turns and self.courtesy.give_way():
                turns -= 1
            self._write(connection, rows[start : start + PART], points)
        _insert(connection, INSERT_SAMPLE, list(self._samples(connection, points)))
        self._series.store(connection)
        if self._next_log > first_log:
            connection.execute(INDEX_LOGS, (first_log,))
        return self._series.left_out

    def keep(self) -> None:
        """The transaction was committed."""
        self._series.keep()
        self._shapes.keep()

    def forget(self) -> None:
        """The transaction was rolled back."""
        self._series.forget()
        self._shapes.forget()

    def _write(self, connection: sqlite3.Connection, rows: Sequence[Row], points: list[Point]) -> None:
        """Write some rows but for points that came on their own, which are gathered in `points`."""
        sheets: _Sheets = defaultdict(list)
        lines: list[LogRecord] = []
        owners: list[Execution | None] = []
        for row in rows:
            if isinstance(row, Recording):
                self._execution(connection, row.execution, row.spans, sheets)
                sheets[INSERT_SAMPLE] += self._samples(connection, row.points)
                lines += row.logs
                owners += [row.execution] * len(row.logs)
            elif isinstance(row, LogRecord):
                lines.append(row)
                owners.append(None)
            elif isinstance(row, Point):
                points.append(row)
                if row.at < self.watermark.until:
                    sheets[MARK].append(late(row.at))
            elif isinstance(row, Execution):
                self._execution(connection, row, (), sheets)
            else:
                _add(row, sheets)
        sheets[INSERT_LOG] += map(encode_log, count(self._next_log), lines, owners)
        for sql, values in sheets.items():
            _insert(connection, sql, values)
        self._next_log += len(lines)

    def _samples(self, connection: sqlite3.Connection, points: Sequence[Point]) -> Iterable[Values]:
        if points and not self._series.is_loaded:
            self._series.load(connection)
        return self._series.samples(points)

    def _execution(
        self, connection: sqlite3.Connection, execution: Execution, spans: Sequence[Span], sheets: _Sheets
    ) -> None:
        _add(execution, sheets)
        if execution.started_at < self.watermark.until:
            sheets[MARK].append(late(execution.started_at))
        inside = pack(execution, spans)
        if inside is not None:
            shape = self._shapes.refer(connection, inside.shape, execution.started_at)
            sheets[INSERT_TRACE].append((execution.id, shape, inside.numbers))
            for span in inside.loose:
                _add(span, sheets)


def _add(row: Any, sheets: _Sheets) -> None:
    sql, encode = STATEMENTS[type(row)]
    sheets[sql].append(encode(row))


def _insert(connection: sqlite3.Connection, sql: str, rows: Sequence[Values]) -> None:
    """Write rows, many in a step: after each, the thread has to wait for the interpreter again."""
    whole = len(rows) - len(rows) % PART
    for start in range(0, whole, PART):
        part = rows[start : start + PART]
        connection.execute(_of_part(sql), tuple(chain.from_iterable(part)))
    if whole < len(rows):
        connection.executemany(sql, rows[whole:])


@lru_cache(maxsize=64)
def _of_part(sql: str) -> str:
    """`sql`, which inserts a row, for `PART` of them."""
    start, row, end = _ROW.split(sql, maxsplit=1)
    return f"{start}{', '.join([row] * PART)}{end}"
