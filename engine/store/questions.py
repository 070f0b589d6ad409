"""Questions in SQL that a person asks the database: read-only, bounded in time and in rows.

They are asked of views (`v_executions` …), which stay the same when the tables beneath them change, or of
the tables themselves.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.errors import QueryError
from engine.store.connection import explain, primary_code
from engine.store.migrations import check_version, inspect
from engine.store.views import VIEWS, add_views

MAX_ROWS = 1_000_000
_STEPS = 10_000
_LONGEST_CELL = 16 * 1024 * 1024
_ALLOWED = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_HINT = "tocsin sql --views lists what can be asked"


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows under their columns' names; `more` says that there were more than asked for."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool = False


def ask(db: Path, question: str, *, limit: int = 1_000, deadline: float = 10.0) -> Answer:
    """Answer one SELECT, at most `limit` rows, within `deadline` seconds.

    Raises:
        QueryError: it is no question, or takes too long.
        StoreError: the file cannot be read.
    """
    inspect(db)
    try:
        with closing(_open(db)) as connection:
            check_version(connection.execute("PRAGMA user_version").fetchone()[0], db)
            _fence(connection, time.monotonic() + deadline)
            return _answer(connection, question, min(max(limit, 1), MAX_ROWS))
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise _complaint(error, db, deadline) from error


def columns_of(db: Path) -> dict[str, tuple[str, ...]]:
    """The columns of each view, by its name. Raises StoreError."""
    inspect(db)
    try:
        with closing(_open(db)) as connection:
            check_version(connection.execute("PRAGMA user_version").fetchone()[0], db)
            names = [view.name for view in VIEWS]
            cursors = {name: connection.execute(f"SELECT * FROM {name} LIMIT 0") for name in names}  # noqa: S608
            return {name: tuple(column[0] for column in cursors[name].description) for name in names}
    except sqlite3.Error as error:
        raise explain(error, db) from error


def _answer(connection: sqlite3.Connection, question: str, limit: int) -> Answer:
    cursor = connection.execute(question)
    if cursor.description is None:
        raise QueryError("that asks for nothing", "write a SELECT")
    rows = cursor.fetchmany(limit + 1)
    cursor.close()
    return Answer(tuple(column[0] for column in cursor.description), tuple(rows[:limit]), len(rows) > limit)


def _open(db: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(db))}?mode=ro", uri=True, isolation_level=None)
    connection.text_factory = lambda value: value.decode("utf-8", "replace")
    add_views(connection)
    return connection


def _fence(connection: sqlite3.Connection, until: float) -> None:
    """Nothing but reading is allowed from here on, and nothing after `until` (monotonic seconds)."""

    def is_allowed(action: int, *_: object) -> int:
        return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY

    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_CELL)
    connection.set_authorizer(is_allowed)
    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)


def _complaint(error: Exception, db: Path, deadline: float) -> Exception:
    code, words = primary_code(error), str(error)
    if code == sqlite3.SQLITE_INTERRUPT:
        return QueryError(
            f"there was no answer within {deadline:g} s", "ask for less: a shorter time, fewer rows"
        )
    if code == sqlite3.SQLITE_AUTH or "not authorized" in words or "prohibited" in words:
        return QueryError("only questions are allowed: one SELECT", _HINT)
    if code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, 0):
        return QueryError(f"that is no question SQLite can answer: {words}", _HINT)
    return explain(error, db)
