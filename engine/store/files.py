"""A database on the disk: its companions, and how files appear and leave without a moment in between."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
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

    Raises:
        OSError: it could not be done, and `db` is what it was; or it is not certain that it lasts.
    """
    log, index = companions(db)
    try:
        place = _second_names([path for path in (db, log) if path.exists()], db, word, now)
        log.unlink(missing_ok=True)
        index.unlink(missing_ok=True)
        put_in_place(successor(db), db)
    except OSError:
        take_back(db)
        raise
    return place


def take_back(db: Path) -> None:
    """Undo an exchange that was cut short: `db` and its log are what they were, and no draft is left.

    Call it with the InstanceLock held.
    """
    for place in sorted(db.parent.glob(f"{glob.escape(db.name)}.*-*")):
        if not place.is_dir():
            continue
        if db.exists() and (place / db.name).exists() and (place / db.name).samefile(db):
            _put_back(place, db)
        with suppress(OSError):  # something is kept there
            place.rmdir()
    for draft in (".restored.part", ".restored.new", ".restored", ".new"):
        discard(db.with_name(db.name + draft))


def _second_names(files: Sequence[Path], db: Path, word: str, now: float) -> Path | None:
    """Give `files` a second name in a new directory; None when there are none."""
    if not files:
        return None
    place = _unused(db.with_name(f"{db.name}.{word}-{stamp(now)}"))
    private_dir(place)
    for path in files:
        os.link(path, place / path.name)
    sync(place)
    sync(db.parent)
    return place


def _put_back(place: Path, db: Path) -> None:
    """The log set aside belongs to `db`, unless others have written a new one since."""
    log = companions(db)[0]
    kept = place / log.name
    if kept.exists():
        if log.exists() and log.samefile(kept):
            kept.unlink()
        elif not log.exists() or not log.stat().st_size:
            kept.replace(log)
    # A second name would let somebody write to a database that is in use.
    (place / db.name).unlink()


def _unused(path: Path) -> Path:
    """`path`, or with a number behind it when that is taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
