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
from engine.store.files import (
    discard,
    exchange,
    itself,
    make_private,
    put_in_place,
    stamp,
    successor,
    take_back,
)
from engine.store.integrity import damage
from engine.store.migrations import check_version, inspect, prepare

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
        discard(draft)
        make_private(draft)
        try:
            _copy_pages(db, draft, progress)
            if verdict := damage(draft):
                raise StoreError(
                    f"{db} is damaged: {verdict}", "put a backup in its place: tocsin db restore"
                )
            put_in_place(draft, target)
        finally:
            discard(draft)
    except (sqlite3.Error, OSError) as error:
        raise explain(error, target.parent if isinstance(error, OSError) else db) from error


def restore(db: Path, source: Path, now: float) -> Path | None:
    """Put a copy of `source` in the place of `db`, and return where that is kept now, if it existed.

    Call it with the InstanceLock of `db` held. At every moment `db` names a whole file: the old one or the
    new one. `source` stays as it is.

    Raises:
        StoreError: `source` is no sound database of a known version, or the place cannot be written.
    """
    verify(source)
    db = itself(db)
    try:
        private_dir(db.parent)
        take_back(db)
        copy(source, successor(db))
        return exchange(db, "replaced", now)
    except OSError as error:
        raise explain(error, db) from error


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
    db = itself(db)
    return db.with_name(db.name + ".backups")


def backups(db: Path) -> tuple[Path, ...]:
    """The automatic backups of `db`, newest first."""
    return tuple(sorted(place_of_backups(db).glob("*.db"), reverse=True))


def back_up(db: Path, now: float) -> Path:
    """Take an automatic backup; the oldest one leaves only when the new one is there.

    Call it with the InstanceLock held: drafts of backups that were cut short leave.

    Raises:
        StoreError: it could not be taken; the others stay.
    """
    try:
        place = private_dir(place_of_backups(db))
        target = place / f"{stamp(now)}.db"
        for leftover in place.glob("*.part*"):
            leftover.unlink(missing_ok=True)
        if not target.exists():
            copy(db, target)
        # The new one stays even if a clock that was wrong has given others later names.
        for old in [backup for backup in backups(db) if backup != target][KEPT - 1 :]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise explain(error, db) from error
    return target


def begin_anew(db: Path, now: float) -> tuple[Path, Path | None]:
    """Set a damaged database aside, whole, and put the newest sound backup in its place, or a new database.

    Call it with the InstanceLock held. Nothing is moved before what follows is there.

    Returns:
        Where the damaged one is kept, and the backup that was taken; None when there is none that is sound.

    Raises:
        StoreError: the disk has no room for it, or the place cannot be written.
    """
    db = itself(db)
    try:
        take_back(db)
        backup = next(filter(_is_sound, backups(db)), None)
        if backup is None:
            prepare(successor(db), now)
        else:
            copy(backup, successor(db))
        kept = exchange(db, "corrupt", now)
    except OSError as error:
        raise explain(error, db) from error
    assert kept is not None
    return kept, backup


def _is_sound(backup: Path) -> bool:
    try:
        verify(backup)
    except StoreError:
        return False
    return True


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


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
