"""A database on the disk: its companions, and how files appear and leave without a moment in between."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from engine.paths import private_dir

_COMPANIONS = ("-wal", "-shm")


def stamp(now: float) -> str:
    """A time (seconds since the epoch) as part of a file name that sorts by time: `20250301T140509Z`."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")


def itself(db: Path) -> Path:
    """`db` without symbolic links: companions and backups stand beside the file, not beside a link to it."""
    return Path(os.path.realpath(db))


def companions(db: Path) -> tuple[Path, ...]:
    """The write-ahead log and its index, whether or not they exist now."""
    return tuple(db.with_name(db.name + ending) for ending in _COMPANIONS)


def make_private(path: Path) -> None:
    """Make an empty file that nobody else can read. Raises FileExistsError."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def discard(draft: Path) -> None:
    """Remove a database nobody needs, and what SQLite kept beside it.

    A log left behind would be taken for that of the next file of the name.
    """
    for leftover in (draft, *companions(draft), draft.with_name(draft.name + "-journal")):
        leftover.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Return when the file or directory is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(draft: Path, path: Path) -> None:
    """Let the finished `draft` be `path` from one moment to the next, lastingly."""
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def successor(db: Path) -> Path:
    """The name of the file that is to take the place of `db`."""
    return db.with_name(db.name + ".restored")


def exchange(db: Path, word: str, now: float) -> Path | None:
    """Let `successor(db)` be `db`; what that was is kept in a directory beside it, which is returned.

    A file and its write-ahead log cannot be exchanged in one moment: who dies in between leaves what
    `take_back` sets right. Call it with the InstanceLock held and no connection open that writes.

    Returns:
        None when there was nothing to keep.
    """
    log, index = companions(db)
    place = None
    if db.exists() or log.exists():
        place = _unused(db.with_name(f"{db.name}.{word}-{stamp(now)}"))
        private_dir(place)
        for path in (db, log):
            if path.exists():
                os.link(path, place / path.name)
        sync(place)
        sync(db.parent)
    log.unlink(missing_ok=True)
    index.unlink(missing_ok=True)
    put_in_place(successor(db), db)
    return place


def take_back(db: Path) -> None:
    """Undo an exchange that was cut short: `db` and its log are what they were, and no draft is left.

    Call it with the InstanceLock held.
    """
    for place in _interrupted(db):
        log = companions(db)[0]
        kept = place / log.name
        if kept.exists() and (not log.exists() or not log.stat().st_size):
            kept.replace(log)
        elif log.exists() and kept.exists() and kept.samefile(log):
            kept.unlink()
        # A second name would let somebody write to a database that is in use.
        (place / db.name).unlink()
        with suppress(OSError):  # not empty: a log that others have written past is kept
            place.rmdir()
    draft = successor(db)
    for leftover in (draft, draft.with_name(draft.name + ".part"), draft.with_name(draft.name + ".new")):
        discard(leftover)


def _interrupted(db: Path) -> Iterator[Path]:
    """Directories in which `db` is kept that is still in its place."""
    for place in sorted(db.parent.glob(f"{glob.escape(db.name)}.*-*")):
        kept = place / db.name
        if place.is_dir() and kept.exists() and db.exists() and kept.samefile(db):
            yield place


def _unused(path: Path) -> Path:
    """`path`, or with a number behind it when that is taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
