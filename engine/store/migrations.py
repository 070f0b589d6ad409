"""From nothing, or an older file, to a file this version can use; never from a file that is not ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from engine.errors import DamagedError, StoreError
from engine.paths import private_dir
from engine.store.connection import APPLICATION_ID, HEADER, connect, explain, in_transaction, primary_code
from engine.store.conversion import make_compact
from engine.store.integrity import mend_search

_NAMES = ("schema.sql", *(f"schema-{number}.sql" for number in range(2, 9)))
_SCHEMAS = tuple(map(Path(__file__).with_name, _NAMES))
_CHECKED_AT_START = 32 * 1024 * 1024
UNCHECKED = "unchecked"
"""Stands in `meta` while nobody has looked at all of a file whose engine ended uncleanly."""


def statements(script: str) -> Iterator[str]:
    """The single statements of an SQL script, so that they can share one transaction."""
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


Step: TypeAlias = str | Callable[[sqlite3.Connection], object]
"""An SQL statement, or what moves rows that SQL alone cannot."""

_AFTERWARDS: dict[str, tuple[Step, ...]] = {"schema-5.sql": (make_compact,)}

# Entry n leads from version n to version n + 1.
MIGRATIONS: tuple[tuple[Step, ...], ...] = tuple(
    (*statements(script.read_text(encoding="utf-8")), *_AFTERWARDS.get(script.name, ()))
    for script in _SCHEMAS
)
VERSION = len(MIGRATIONS)


def prepare(path: Path, now: float) -> bool:
    """Make `path` ready for an engine that starts at `now`: new, migrated, checked after a crash.

    Notifications that were being sent when the last engine ended are queued again.

    Returns:
        Whether somebody should look at the whole of it: its last run did not end cleanly, and it is too large
        to be looked at now.

    Raises:
        DamagedError: its pages are broken.
        StoreError: the file is not ours, is newer, or cannot be written.
    """
    try:
        if not os.path.lexists(path):
            _create(path)
        inspect(path)
        with closing(connect(path)) as connection:
            version = _version(connection)
            check_version(version, path)
            _refuse_record(connection, path, version)
            if version < VERSION:
                _keep_copy(path, version)
            migrate(connection)
            doubtful = _check_after_crash(connection, path)
            _rescue(connection, now)
            return doubtful
    except (sqlite3.Error, OSError) as error:
        raise explain(error, path) from error


def inspect(path: Path) -> None:
    """See whose file it is before anything of it, or beside it, can change.

    Raises:
        StoreError: missing, empty, or somebody else's file.
    """
    try:
        if path.exists() and not path.is_file():
            raise StoreError(f"{path} is not a regular file", "choose another file with --db")
        if not path.stat().st_size:
            raise StoreError(
                f"{path} is empty, which a Tocsin database never is: its history may have been lost",
                "restore a backup, or remove the file to begin anew",
            )
        if _owner(path) != APPLICATION_ID:
            raise StoreError(f"{path} is not a Tocsin database", "choose another file with --db")
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist", "an engine makes it when it first starts") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", "check the path, its owner and mode") from error
    except sqlite3.Error as error:
        raise explain(error, path) from error


def _owner(path: Path) -> int:
    """The number of the application that made a database; 0 when it is none.

    SQLite reads it: POSIX takes all locks on a file from a process that closes any descriptor of it, and
    without them the next program to look at a running engine's file removes its write-ahead log.
    """
    uri = f"file:{quote(str(path))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            # A crash while the log was copied back leaves fewer pages than the first one says.
            connection.execute("PRAGMA writable_schema = ON")
            return int(connection.execute("PRAGMA application_id").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if primary_code(error) != sqlite3.SQLITE_NOTADB:
            raise
    # SQLite has no use for it, nor locks on it; ours may yet be told by what is left of its first page.
    with path.open("rb") as file:
        head = file.read(100)
    return int.from_bytes(head[68:72], "big") if head.startswith(HEADER) else 0


def check_version(version: int, path: Path) -> None:
    """Refuse a file from the future, or with a number that no program has written.

    Raises:
        StoreError: `version` is not among those this program knows.
    """
    if not 0 <= version <= VERSION:
        raise StoreError(
            f"{path} was written by a newer Tocsin (schema {version}, this one knows {VERSION})",
            "use that version, or another file with --db",
        )


def renewed(path: Path, version: int, place: Path) -> Path:
    """A copy of an incident file of an older `version`, brought up to date in the directory `place`.

    Nothing but an engine brings other files up to date.

    Raises:
        StoreError: it is no incident file, or cannot be copied.
    """
    from engine.store.backup import copy
    from engine.store.incident import is_record

    if version == 0 or not is_record(path):
        raise StoreError(
            f"{path} was written by an older Tocsin (schema {version}, this one reads {VERSION})",
            "start the engine on it once: it brings the file up to date and keeps a copy of the old",
        )
    target = place / path.name
    try:
        copy(path, target)
        with closing(connect(target)) as connection:
            migrate(connection)
    except (sqlite3.Error, OSError) as error:
        raise explain(error, path) from error
    return target


def migrate(
    connection: sqlite3.Connection,
    migrations: Sequence[Sequence[Step]] = MIGRATIONS,
    start: int | None = None,
) -> None:
    """Apply what is missing, each migration whole or not at all.

    Args:
        connection: in autocommit mode.
        migrations: entry n leads from version n to n + 1.
        start: the version of the file, asked of the file when None.
    """
    for version in range(_version(connection) if start is None else start, len(migrations)):
        in_transaction(connection, partial(_apply, migrations[version], version + 1))


def _apply(steps: Sequence[Step], version: int, connection: sqlite3.Connection) -> None:
    for step in steps:
        if isinstance(step, str):
            connection.execute(step)
        else:
            step(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")


def _keep_copy(path: Path, version: int) -> None:
    """Copy the file as it is, for whoever wants the older version back: `tocsin.db.v4.bak`."""
    from engine.store.backup import copy

    kept = path.with_name(f"{path.name}.v{version}.bak")
    kept.unlink(missing_ok=True)
    copy(path, kept)


def _refuse_record(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """An incident file is only looked at."""
    found = version and connection.execute("SELECT value FROM meta WHERE key = 'incident'").fetchone()
    if found:
        raise StoreError(
            f"{path} is the record of alert {found[0]}: nothing in it changes",
            f"look at it with: tocsin --db {path}",
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _create(path: Path) -> None:
    """Build the file under another name, so that it appears under its own only when whole."""
    journal = path.with_name(path.name + "-wal")
    if journal.exists():
        raise StoreError(
            f"{path} is gone but its journal {journal.name} remains",
            "put the database back beside it, or move the journal away",
        )
    private_dir(path.parent)
    draft = path.with_name(path.name + ".new")
    for leftover in (draft, draft.with_name(draft.name + "-journal"), draft.with_name(draft.name + "-wal")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            # Must come before the journal mode and the first table, or it is ignored.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            migrate(connection)
            connection.execute("PRAGMA journal_mode = WAL")
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _check_after_crash(connection: sqlite3.Connection, path: Path) -> bool:
    """After an unclean end, look at a small file whole, and say whether a large one is left to be looked at.

    It is left so until somebody has, whatever ends lie between. A search index that drifted is built anew.
    """
    known = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('clean', ?)", (UNCHECKED,)))
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('clean', 0)")
    if known.get("clean", 1) and UNCHECKED not in known:
        return False
    if path.stat().st_size > _CHECKED_AT_START:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, 1)", (UNCHECKED,))
        return True
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise DamagedError(f"{path} is damaged: {verdict}", "put a backup in its place: tocsin db restore")
    mend_search(connection)
    connection.execute("DELETE FROM meta WHERE key = ?", (UNCHECKED,))
    return False


def _rescue(connection: sqlite3.Connection, now: float) -> None:
    connection.execute(
        "UPDATE notifications SET state = 'queued', next_at = ? WHERE state = 'sending'",
        (now,),
    )
