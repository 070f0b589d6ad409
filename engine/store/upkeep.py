"""What a database weighs, and how it is made as small as it can be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from engine.errors import StoreError
from engine.store.connection import connect, explain
from engine.store.files import companions
from engine.store.migrations import check_version, inspect

# Indexes count with their tables, and what the search index keeps is one.
_TABLES = """
SELECT CASE WHEN tbl_name LIKE 'logs\\_fts%' ESCAPE '\\' THEN 'logs_fts' ELSE tbl_name END, name
FROM sqlite_schema WHERE type IN ('table', 'index') AND rootpage > 0
"""


@dataclass(frozen=True, slots=True)
class TableUse:
    """One table; `size` in bytes, its indexes included."""

    name: str
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class FileUse:
    """A database; all sizes in bytes. `free` is the part of `file` that holds nothing."""

    tables: tuple[TableUse, ...]
    file: int
    free: int
    wal: int


def measure(db: Path) -> FileUse:
    """Weigh `db`, largest table first; reads all of it. Raises StoreError."""
    inspect(db)
    try:
        uri = f"file:{quote(str(db))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            check_version(connection.execute("PRAGMA user_version").fetchone()[0], db)
            pages = dict(connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY 1"))
            sizes: dict[str, int] = {}
            for table, part in connection.execute(_TABLES):
                sizes[table] = sizes.get(table, 0) + pages.get(part, 0)
            tables = [TableUse(name, _rows(connection, name), size) for name, size in sizes.items()]
            page = connection.execute("PRAGMA page_size").fetchone()[0]
            free = connection.execute("PRAGMA freelist_count").fetchone()[0] * page
        wal = companions(db)[0]
        return FileUse(
            tuple(sorted(tables, key=lambda use: -use.size)),
            db.stat().st_size,
            free,
            wal.stat().st_size if wal.exists() else 0,
        )
    except (sqlite3.Error, OSError) as error:
        raise explain(error, db) from error


def vacuum(db: Path) -> tuple[int, int]:
    """Rewrite `db` without gaps, with the InstanceLock held; returns its size before and after, in bytes.

    Needs as much free space as the file takes. Raises StoreError.
    """
    inspect(db)
    try:
        before = db.stat().st_size
        with closing(connect(db)) as connection:
            check_version(connection.execute("PRAGMA user_version").fetchone()[0], db)
            connection.execute("VACUUM")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise StoreError(f"{db} is being read: it gets small later", "close what reads it")
        return before, db.stat().st_size
    except (sqlite3.Error, OSError) as error:
        raise explain(error, db) from error


def _rows(connection: sqlite3.Connection, table: str) -> int:
    # The search index keeps no rows of its own.
    counted = "logs" if table == "logs_fts" else table
    return int(connection.execute(f'SELECT count(*) FROM "{counted}"').fetchone()[0])  # noqa: S608
