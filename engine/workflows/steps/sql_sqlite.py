"""Asking a SQLite file, which is opened to be read and nothing else."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from urllib.parse import quote

from engine.model import ErrorCategory, ErrorType
from engine.resilience.classify import classify
from engine.text import own_words, plain
from engine.workflows.steps.dial import wrong
from engine.workflows.steps.sql_common import SIZE_LIMIT, Place, Question, Table, fault
from engine.workflows.steps.threads import Threads

LOOK_EVERY = 10_000
"""Instructions of SQLite's machine after which a query looks whether it is to stop."""

_READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_PRAGMAS = frozenset(
    {"integrity_check", "quick_check", "foreign_key_check", "page_count", "page_size", "freelist_count"}
    | {"user_version", "application_id", "schema_version", "table_info", "table_list", "index_list"}
)

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


async def ask_sqlite(place: Place, question: Question, timeout: float, threads: Threads) -> Table:
    """The answer of a file.

    Args:
        timeout: how long to wait for a lock that another holds, seconds.

    Raises:
        StepError: it cannot be read, the query fails, or its answer is too large.
        CheckError: the query would do more than read, or a parameter is missing.
    """
    stopped = threading.Event()
    return await threads.run(lambda: _ask(place, question, timeout, stopped), stopped.set)


def _ask(place: Place, question: Question, timeout: float, stopped: threading.Event) -> Table:
    if not os.path.isfile(place.database):
        raise fault(place, _instead(place.database), category=ErrorCategory.NOT_FOUND)
    try:
        connection = _opened(place, timeout, stopped)
        with closing(connection), closing(connection.cursor()) as cursor:
            cursor.execute(question.text, dict(question.params))
            table = Table(tuple(column[0] for column in cursor.description or ()), question)
            for row in cursor:
                table.add(row)
            return table
    except (sqlite3.ProgrammingError, OverflowError, ValueError) as error:
        raise wrong(f"the query cannot be asked: {own_words(error, 200)}") from None
    except (sqlite3.Error, sqlite3.Warning) as error:
        words = own_words(error, 200)
        if "not authorized" in words or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH:
            raise wrong("the query would do more than read, which a sql step never does") from None
        failure = classify(error)
        kind = failure.type if failure.type is ErrorType.TRANSIENT else ErrorType.PERMANENT
        raise fault(place, words, kind) from None


def _instead(path: str) -> str:
    """What is found where a file is wanted."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "there is no such file"
    except OSError as error:
        return f"the file cannot be looked at: {plain(error.strerror, 120).lower()}"
    except ValueError:  # a path with a NUL in it
        return "there is no such file"
    found = next((words for is_one, words in _KINDS if is_one(mode)), "something else")
    return f"this is {found}, not a file"


def _opened(place: Place, timeout: float, stopped: threading.Event) -> sqlite3.Connection:
    uri = f"file:{quote(os.path.abspath(place.database))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, SIZE_LIMIT)
        connection.set_progress_handler(lambda: int(stopped.is_set()), LOOK_EVERY)
        connection.set_authorizer(_authorize)
    except BaseException:
        connection.close()
        raise
    return connection


def _authorize(
    action: int, first: str | None, second: str | None, database: str | None, inner: str | None
) -> int:
    """Reading is allowed, and what tells about the file; attaching others, writing and settings are not."""
    is_allowed = action in _READING or (action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS)
    return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY
