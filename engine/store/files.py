"""A database on the disk: its companions, and how files appear and leave without a moment in between."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from engine.paths import private_dir

_COMPANIONS = ("-wal", "-shm")


def stamp(now: float) -> str:
    """A time (seconds since the epoch) as part of a file name that sorts by time: `20250301T140509Z`."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")


def companions(db: Path) -> tuple[Path, ...]:
    """The write-ahead log and its index, whether or not they exist now."""
    return tuple(db.with_name(db.name + ending) for ending in _COMPANIONS)


def make_private(path: Path) -> None:
    """Make an empty file that nobody else can read. Raises FileExistsError."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def sync(path: Path) -> None:
    """Return when the file or directory is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(db: Path, word: str, now: float) -> Path:
    """Keep what `db` is now, companions included, in a directory beside it, and return the directory.

    The companions move; the database itself gets a second name there, so that its own is never without a
    file. Call it with the InstanceLock held and no connection open.
    """
    place = _unused(db.with_name(f"{db.name}.{word}-{stamp(now)}"))
    private_dir(place)
    for companion in companions(db):
        if companion.exists():
            companion.replace(place / companion.name)
    os.link(db, place / db.name)
    sync(place)
    return place


def put_in_place(draft: Path, path: Path) -> None:
    """Let the finished `draft` be `path` from one moment to the next, lastingly."""
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def _unused(path: Path) -> Path:
    """`path`, or with a number behind it when that is taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
