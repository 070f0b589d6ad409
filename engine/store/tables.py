"""Rows into tables, inside a transaction that the writer opens and ends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap

import aiosqlite

from engine.model import LogRecord, Point
from engine.store.encode import (
    INDEX_LOGS,
    INSERT_LOG,
    INSERT_POINT,
    STATEMENTS,
    Item,
    Row,
    encode_log,
    encode_point,
    sheets,
)
from engine.store.series import SeriesIndex


class Tables:
    """Writes records of every kind and gives log lines and series their numbers.

    Records are encoded in the connection's thread, where the generators handed to it are consumed.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._series = SeriesIndex()
        self._next_log = 1

    async def load(self) -> None:
        """Learn the numbers the file has given out."""
        await self._series.load(self._connection)
        newest = await self._connection.execute_fetchall("SELECT COALESCE(max(id), 0) FROM logs")
        self._next_log = next(iter(newest))[0] + 1

    async def apply(self, rows: Sequence[Row]) -> int:
        """Write `rows`; returns how many points were left out because there are too many series."""
        left_out = 0
        for kind, items in sheets(rows).items():
            if kind is LogRecord:
                await self._logs(items)
            elif kind is Point:
                left_out += await self._points(items)
            else:
                sql, encode = STATEMENTS[kind]
                await self._connection.executemany(sql, starmap(encode, items))
        return left_out

    def keep(self) -> None:
        """The transaction was committed."""
        self._series.keep()

    def forget(self) -> None:
        """The transaction was rolled back."""
        self._series.forget()

    async def _logs(self, items: list[Item]) -> None:
        first = self._next_log
        self._next_log += len(items)
        numbered = ((number, *encode_log(*item)) for number, item in enumerate(items, first))
        await self._connection.executemany(INSERT_LOG, numbered)
        await self._connection.execute_fetchall(INDEX_LOGS, (first,))

    async def _points(self, items: list[Item]) -> int:
        numbered = await self._series.number(self._connection, [item.record for item in items])
        await self._connection.executemany(INSERT_POINT, (encode_point(*pair) for pair in numbered))
        return len(items) - len(numbered)
