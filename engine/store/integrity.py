"""Whether a database is whole. A verdict is given by a connection of its own, and twice before it counts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from engine.text import plain

# What SQLite says when the pages themselves are wrong, not the place or the moment.
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# The words for a number in the first page that no version of SQLite has ever written; it has no code.
_UNREADABLE = "unsupported file format"


def damage(path: Path, *, thorough: bool = False) -> str:
    """What is wrong with the pages of a database; empty when nothing is.

    A quick check sees broken pages and trees, not a changed bit inside a row; a thorough one also compares
    every index with its table. 550 MB take about 2 s, or 7 s when the disk has to be read.

    Raises:
        sqlite3.Error, OSError: it cannot be looked at now.
    """
    verdict = _verdict(path, thorough)
    # A second look, for a wrong verdict costs a history: backups and full disks have fooled such checks.
    return verdict and _verdict(path, thorough)


def is_damage(error: BaseException) -> bool:
    """Whether an error of SQLite's says that pages are broken, the search index left out."""
    if isinstance(error, UnicodeDecodeError):
        # SQLite names what it cannot read, and Python cannot read the name.
        return True
    code = int(getattr(error, "sqlite_errorcode", 0))
    is_named = (code & 0xFF) in _DAMAGE and code != sqlite3.SQLITE_CORRUPT_VTAB
    return is_named or (code == sqlite3.SQLITE_ERROR and str(error) == _UNREADABLE)


def in_words(error: BaseException) -> str:
    """What an error that `is_damage` says of the file."""
    return "its names cannot be read" if isinstance(error, UnicodeDecodeError) else plain(error)


def mend_search(connection: sqlite3.Connection) -> bool:
    """Build the search index of the log anew when it does not agree with the log; whether it was."""
    try:
        # Rank 1 compares with the rows; nothing less notices that they drifted apart.
        connection.execute("INSERT INTO logs_fts (logs_fts, rank) VALUES ('integrity-check', 1)")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CORRUPT_VTAB:
            raise
        connection.execute("INSERT INTO logs_fts (logs_fts) VALUES ('rebuild')")
        return True
    return False


def _verdict(path: Path, thorough: bool) -> str:
    check = "integrity_check" if thorough else "quick_check"
    uri = f"file:{quote(str(path))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            found = str(connection.execute(f"PRAGMA {check}(1)").fetchone()[0])
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if not is_damage(error):
            raise
        return in_words(error)
    return "" if found == "ok" else found.removeprefix("*** in database main ***\n")
