"""Searches of the log, newest first by number: pages and figures, never more work than a person waits for."""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any

from engine.errors import QueryError, StoreError
from engine.model import LogLevel, LogPage
from engine.store import decode, statistics
from engine.store.connection import primary_code
from engine.store.encode import identifier
from engine.store.highlight import MARKED, hits_in, hits_of_index
from engine.store.pool import Cells, ReadPool
from engine.store.search import PATTERN_CANDIDATES, LogQuery, parse
from engine.store.where import OF_TRACE, Where, bounded

LOG_SLACK = 900.0
"""Seconds that a line may be older than its writing, which is what the numbers of lines tell."""
_CHUNK = 1_000
_LAST = 2**63 - 1
_MESSAGE = 3  # its place in decode.LOG
_NAMED_TRACES = 3

_TRACES = (
    "SELECT trace_id FROM executions"
    " WHERE substr(trace_id, 1, 4) = substr(?1, 1, 4) AND trace_id >= ?1 AND trace_id <= ?2"
    " UNION SELECT trace_id FROM logs WHERE trace_id >= ?1 AND trace_id <= ?2"
    f" LIMIT {_NAMED_TRACES + 1}"
)
# Those whose execution has another trace, or none, and those that leave it to their execution.
_LINES_OF_TRACE = (
    "SELECT id FROM logs WHERE trace_id = ? UNION ALL SELECT id FROM logs WHERE execution_id IN"
    f" (SELECT id FROM executions WHERE {OF_TRACE})"
)


class Selection:
    """The lines that a search is about, but for its patterns: made by `select()`.

    Their numbers lie in [first, end), which may be narrowed.
    """

    def __init__(self, pool: ReadPool, asked: LogQuery) -> None:
        self.asked = asked
        self.first = 0
        self.end = _LAST
        self._pool = pool
        self._where = Where()
        self._looks_at_rows = False
        # The search index walks newest first only when its own number is the one compared and sorted by.
        self._number = "logs_fts.rowid" if asked.match else "l.id"

    def narrow(self, first: int | None = None, end: int | None = None) -> None:
        """Leave out lower numbers than `first`, and `end` and higher ones."""
        self.first = self.first if first is None else max(self.first, min(first, _LAST))
        self.end = self.end if end is None else min(self.end, max(end, 0))

    def of_row(self, condition: str, *values: Any) -> None:
        """Add a condition on the line itself, unless its value is None."""
        if values != (None,):
            self._where.add(condition, *values)
            self._looks_at_rows = True

    def of_number(self, condition: str, *values: Any) -> None:
        """Add a condition on the line's number, unless its value is None."""
        self._where.add(f"{self._number} {condition}", *values)

    def of_index(self, condition: str, value: str | None) -> None:
        """Add a condition on the search index, unless its value is None."""
        self._where.add(condition, value)

    async def newest(self, limit: int, *more: str) -> list[Cells]:
        """The newest lines, as `decode.log` takes them; `more` columns come before theirs."""
        columns = ", ".join((*more, decode.LOG))
        bounds, values = self._bounds(self.first, self.end)
        return await self._fetch(
            f"SELECT {columns} FROM {self._lines} LEFT JOIN executions e ON e.id = l.execution_id"
            f" {self._where}{bounds} ORDER BY {self._number} DESC LIMIT ?",
            (*self._where.values, *values, limit),
        )

    async def window(self, columns: str, first: int, end: int, rest: str = "") -> list[Cells]:
        """`columns` of the lines whose numbers lie in [first, end)."""
        needs_rows = self._looks_at_rows or "l." in columns or not self.asked.match
        bounds, values = self._bounds(first, end)
        return await self._fetch(
            f"SELECT {columns} FROM {self._lines if needs_rows else 'logs_fts'} {self._where}{bounds} {rest}",
            (*self._where.values, *values),
        )

    @property
    def _lines(self) -> str:
        return "logs_fts CROSS JOIN logs l ON l.id = logs_fts.rowid" if self.asked.match else "logs l"

    def _bounds(self, first: int, end: int) -> tuple[str, list[int]]:
        bounds = {f"{self._number} >= ?": first} if first > 0 else {}
        if end < _LAST:
            bounds[f"{self._number} < ?"] = end
        joint = "" if not bounds else " AND " if str(self._where) else " WHERE "
        return joint + " AND ".join(bounds), list(bounds.values())

    async def _fetch(self, sql: str, values: Sequence[Any]) -> list[Cells]:
        """Rows; what the search index does not take is the question's fault."""
        try:
            return await self._pool.fetch(sql, values)
        except StoreError as error:
            if primary_code(error.__cause__ or error) == sqlite3.SQLITE_ERROR:
                raise QueryError("this cannot be searched for", 'use words, "phrases" or prefix*') from error
            raise


async def search(
    pool: ReadPool,
    query: str,
    now: float,
    *,
    since: float | None = None,
    until: float | None = None,
    before_id: int | None = None,
    after_id: int | None = None,
    limit: int = 200,
) -> LogPage:
    """A page of the lines that a search finds, newest first; the language is that of `engine.store.search`.

    Patterns are tried on at most 20,000 lines a page.

    Raises:
        QueryError: with a hint, for what cannot be asked.
    """
    selection = await select(pool, query, now, since, until)
    selection.narrow(None if after_id is None else after_id + 1, before_id)
    limit, asked = bounded(limit), selection.asked
    if asked.has_patterns:
        rows, more, looked_at = await _accepted(selection, limit)
        records = decode.each(decode.log, rows)
        messages = [record.message for record in records]
        hits = await asyncio.to_thread(hits_in, messages, asked) if asked.phrases or asked.patterns else ()
        return LogPage(records, more, hits, looked_at)
    if asked.phrases:
        rows = await selection.newest(limit + 1, MARKED)
        records = decode.each(decode.log, (row[1:] for row in rows[:limit]))
        hits = tuple(
            hits_of_index(record.message, row[0], asked) for record, row in zip(records, rows, strict=False)
        )
        return LogPage(records, len(rows) > limit, hits)
    rows = await selection.newest(limit + 1)
    return LogPage(decode.each(decode.log, rows[:limit]), len(rows) > limit)


async def select(
    pool: ReadPool, query: str, now: float, since: float | None, until: float | None = None
) -> Selection:
    """Everything a search says but for its patterns, as conditions. Raises QueryError with a hint.

    Args:
        until: the last moment that counts, which stands for `now` then.
    """
    asked = parse(query, now if until is None else until)
    selection = Selection(pool, asked)
    selection.of_index("logs_fts MATCH ?", asked.match)
    selection.of_number("NOT IN (SELECT rowid FROM logs_fts WHERE logs_fts MATCH ?)", asked.exclude)
    selection.of_row("l.workflow_id = ?", asked.workflow_id)
    selection.of_row("l.source = ?", asked.source)
    selection.of_row("l.execution_id = ?", asked.execution_id)
    selection.of_row("l.span_id = ?", identifier(asked.span_id))
    if asked.level is not None:
        selection.of_row("l.level >= ?" if asked.and_above else "l.level = ?", int(asked.level))
        if asked.level >= LogLevel.WARNING:
            # Said again in the words of the index of warnings and errors, so that it can be used.
            selection.of_row("l.level >= 13")
    if (trace := await _trace(pool, asked)) is not None:
        selection.of_number(f"IN ({_LINES_OF_TRACE})", trace, trace, trace)
    starts = [start for start in (since, asked.since) if start is not None]
    if starts:
        start = max(starts)
        selection.narrow(first=await statistics.first_number(pool, "logs", "at", start - LOG_SLACK))
        selection.of_row("l.at >= ?", start)
    if until is not None:
        selection.narrow(end=await statistics.first_number(pool, "logs", "at", until + LOG_SLACK))
        selection.of_row("l.at <= ?", until)
    if asked.until is not None:
        selection.narrow(end=await statistics.first_number(pool, "logs", "at", asked.until + LOG_SLACK))
        selection.of_row("l.at < ?", asked.until)
    return selection


async def _trace(pool: ReadPool, asked: LogQuery) -> bytes | str | None:
    """The trace that is meant, by its identifier or by the beginning of it."""
    if asked.trace_prefix is None:
        return identifier(asked.trace_id)
    first, last = (bytes.fromhex(asked.trace_prefix.ljust(32, digit)) for digit in "0f")
    found = [row[0] for row in await pool.fetch(_TRACES, (first, last))]
    if len(found) > 1:
        names = ", ".join(trace.hex() for trace in found[:_NAMED_TRACES])
        others = " …" if len(found) > _NAMED_TRACES else ""
        raise QueryError(
            f"several traces begin with {asked.trace_prefix}",
            f"instead of trace:{asked.trace_prefix}, type more of it: {names}{others}",
        )
    # The beginning of a trace that nothing is known of is no trace's identifier.
    return found[0] if found else asked.trace_prefix


async def _accepted(selection: Selection, limit: int) -> tuple[list[Cells], bool, tuple[int, int] | None]:
    """The newest lines that the patterns let through, whether there may be more, and what was looked at."""
    accepted: list[Cells] = []
    looked_at: tuple[int, int] | None = None
    for _ in range(0, PATTERN_CANDIDATES, _CHUNK):
        rows = await selection.newest(_CHUNK)
        for row in rows:
            if selection.asked.accepts(row[_MESSAGE]):
                if len(accepted) == limit:
                    return accepted, True, looked_at
                accepted.append(row)
            looked_at = row[0], row[0] if looked_at is None else looked_at[1]
        if len(rows) < _CHUNK:
            return accepted, False, looked_at
        selection.narrow(end=rows[-1][0])
    return accepted, True, looked_at
