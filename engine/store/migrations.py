"""From nothing, or an older file, to a file this version can use; never from a file that is not ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from engine.errors import StoreError
from engine.paths import private_dir
from engine.store.connection import APPLICATION_ID, HEADER, connect, explain

_NAMES = ("schema.sql", "schema-2.sql", "schema-3.sql", "schema-4.sql")
_SCHEMAS = tuple(map(Path(__file__).with_name, _NAMES))
_CHECKED_AT_START = 32 * 1024 * 1024


def statements(script: str) -> Iterator[str]:
    """The single statements of an SQL script, so that they can share one transaction."""
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


# Entry n leads from version n to version n + 1.
MIGRATIONS: tuple[tuple[str, ...], ...] = tuple(
    tuple(statements(script.read_text(encoding="utf-8"))) for script in _SCHEMAS
)
VERSION = len(MIGRATIONS)


def prepare(path: Path, now: float) -> None:
    """Make `path` ready for an engine that starts at `now`: new, migrated, checked after a crash.

    Notifications that were being sent when the last engine ended are queued again.

    Raises:
        StoreError: the file is not ours, is newer, is damaged, or cannot be written.
    """
    try:
        if not os.path.lexists(path):
            _create(path)
        inspect(path)
        with closing(connect(path)) as connection:
            check_version(_version(connection), path)
            migrate(connection)
            _check_after_crash(connection, path)
            _rescue(connection, now)
    except (sqlite3.Error, OSError) as error:
        raise explain(error, path) from error


def inspect(path: Path) -> None:
    """Look at the first bytes, before SQLite touches anything.

    Raises:
        StoreError: missing, empty, or somebody else's file.
    """
    try:
        if path.exists() and not path.is_file():
            raise StoreError(f"{path} is not a regular file", "choose another file with --db")
        with path.open("rb") as file:
            head = file.read(100)
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist", "an engine makes it when it first starts") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", "check the path, its owner and mode") from error
    if not head:
        raise StoreError(
            f"{path} is empty, which a Tocsin database never is: its history may have been lost",
            "restore a backup, or remove the file to begin anew",
        )
    if not head.startswith(HEADER) or int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise StoreError(f"{path} is not a Tocsin database", "choose another file with --db")


def check_version(version: int, path: Path) -> None:
    """Refuse a file from the future.

    Raises:
        StoreError: `version` is above what this program knows.
    """
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer Tocsin (schema {version}, this one knows {VERSION})",
            "use that version, or another file with --db",
        )


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS, start: int | None = None
) -> None:
    """Apply what is missing, each migration whole or not at all.

    Args:
        connection: in autocommit mode.
        migrations: entry n leads from version n to n + 1.
        start: the version of the file, asked of the file when None.
    """
    for version in range(_version(connection) if start is None else start, len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


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


def _check_after_crash(connection: sqlite3.Connection, path: Path) -> None:
    """After an unclean end, look at a small file whole; a search index that drifted is built anew."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'clean'").fetchone()
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('clean', 0)")
    if row is None or row[0] or path.stat().st_size > _CHECKED_AT_START:
        return
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise StoreError(
            f"{path} is damaged: {verdict}", "move it away with its -wal file and restore a backup"
        )
    try:
        connection.execute("INSERT INTO logs_fts (logs_fts, rank) VALUES ('integrity-check', 1)")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CORRUPT_VTAB:
            raise
        connection.execute("INSERT INTO logs_fts (logs_fts) VALUES ('rebuild')")


def _rescue(connection: sqlite3.Connection, now: float) -> None:
    connection.execute(
        "UPDATE notifications SET state = 'queued', next_at = ? WHERE state = 'sending'",
        (now,),
    )
