"""Copies of a database, taken while an engine writes to it, and put back in its place."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from engine.errors import StoreError
from engine.paths import private_dir
from engine.store.connection import explain
from engine.store.files import companions, make_private, put_in_place, set_aside, stamp
from engine.store.integrity import damage
from engine.store.migrations import check_version, inspect

KEPT = 3
"""Automatic backups, the oldest leave first."""
_STEP_PAGES = 1_000

Progress = Callable[[int, int], None]
"""Told how many pages are done, and of how many."""


def copy(db: Path, target: Path, progress: Progress | None = None) -> None:
    """Write a whole, checked copy of `db` as of now to `target`, which must not exist; mode 0600.

    Writers go on meanwhile; nothing appears under the name before it is complete. The copy is one file.

    Raises:
        StoreError: `db` is not ours or damaged, or `target` cannot be written.
    """
    if target.exists():
        raise StoreError(f"{target} exists already", "choose another name: nothing is overwritten")
    draft = target.with_name(target.name + ".part")
    try:
        inspect(db)
        draft.unlink(missing_ok=True)
        make_private(draft)
        try:
            _copy_pages(db, draft, progress)
            if verdict := damage(draft):
                raise StoreError(
                    f"{db} is damaged: {verdict}", "put a backup in its place: tocsin db restore"
                )
            put_in_place(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    except (sqlite3.Error, OSError) as error:
        raise explain(error, draft if isinstance(error, OSError) else db) from error


def restore(db: Path, source: Path, now: float) -> Path | None:
    """Put a copy of `source` in the place of `db`, and return where that is kept now, if it existed.

    Call it with the InstanceLock of `db` held. At every moment `db` names a whole file: the old one or the
    new one. `source` stays as it is.

    Raises:
        StoreError: `source` is no sound database of a known version, or the place cannot be written.
    """
    verify(source)
    private_dir(db.parent)
    draft = db.with_name(db.name + ".restored")
    draft.unlink(missing_ok=True)
    copy(source, draft)
    try:
        kept = set_aside(db, "replaced", now) if db.exists() else None
        put_in_place(draft, db)
    except OSError as error:
        raise explain(error, db) from error
    return kept


def verify(path: Path) -> None:
    """Raises StoreError unless `path` is a sound database that this version can read."""
    try:
        inspect(path)
        if verdict := damage(path):
            raise StoreError(f"{path} is damaged: {verdict}", "choose another backup")
        with closing(_reading(path)) as connection:
            check_version(connection.execute("PRAGMA user_version").fetchone()[0], path)
    except sqlite3.Error as error:
        raise explain(error, path) from error


def place_of_backups(db: Path) -> Path:
    """The directory of the automatic backups of `db`."""
    return db.with_name(db.name + ".backups")


def backups(db: Path) -> tuple[Path, ...]:
    """The automatic backups of `db`, newest first."""
    return tuple(sorted(place_of_backups(db).glob("*.db"), reverse=True))


def back_up(db: Path, now: float) -> Path:
    """Take an automatic backup; the oldest one leaves only when the new one is there. Raises StoreError."""
    place = private_dir(place_of_backups(db))
    target = place / f"{stamp(now)}.db"
    if not target.exists():
        copy(db, target)
    for old in backups(db)[KEPT:]:
        old.unlink(missing_ok=True)
    return target


def begin_anew(db: Path, now: float) -> tuple[Path, Path | None]:
    """Set a damaged database aside, whole, and put the newest sound backup in its place.

    Call it with the InstanceLock held.

    Returns:
        Where the damaged one is kept, and the backup that was taken; None when there is none that is sound:
        then `db` does not exist any more.
    """
    kept = set_aside(db, "corrupt", now)
    for backup in backups(db):
        try:
            verify(backup)
        except StoreError:
            continue
        draft = db.with_name(db.name + ".restored")
        draft.unlink(missing_ok=True)
        copy(backup, draft)
        put_in_place(draft, db)
        return kept, backup
    db.unlink()
    return kept, None


def _copy_pages(db: Path, draft: Path, progress: Progress | None) -> None:
    def tell(status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    with closing(_reading(db)) as source, closing(sqlite3.connect(draft, isolation_level=None)) as target:
        # Within one read transaction: otherwise every commit of a writer would start the copy from the top.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM meta").fetchone()
        source.backup(target, pages=_STEP_PAGES, progress=tell)
        target.execute("INSERT OR REPLACE INTO meta VALUES ('clean', 1)")
        # One file without companions, readable where nothing can be written.
        target.execute("PRAGMA journal_mode = DELETE")
    for companion in companions(draft):
        companion.unlink(missing_ok=True)


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
