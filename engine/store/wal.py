"""The write-ahead log: emptied when it has grown, and who keeps it from that."""

from __future__ import annotations

import os
from pathlib import Path

import aiosqlite

from engine.store.files import companions
from engine.text import plain

# Where SQLite's readers hold their marks in the index of the log: byte 123 and the four after it.
_READERS = range(123, 128)


async def empty(connection: aiosqlite.Connection) -> bool:
    """Move the log into the file and cut it off, blocking nobody; False when a reader still needs it.

    Raises sqlite3.Error.
    """
    patience = next(iter(await connection.execute_fetchall("PRAGMA busy_timeout")))[0]
    await connection.execute_fetchall("PRAGMA busy_timeout = 0")
    try:
        rows = await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        await connection.execute_fetchall(f"PRAGMA busy_timeout = {patience}")
    return not next(iter(rows))[0]


def length(db: Path) -> int:
    """Bytes of the log of `db`; 0 when there is none."""
    try:
        return companions(db)[0].stat().st_size
    except FileNotFoundError:
        return 0


def readers(db: Path) -> tuple[str, ...]:
    """Other programs that read `db` at this moment, as `sqlite3 (process 4711)`, where the system tells."""
    try:
        found = companions(db)[1].stat()
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return ()
    file = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    processes = {
        int(parts[4])
        for parts in map(str.split, locks.splitlines())
        if len(parts) == 8 and parts[5] == file and parts[7].isdecimal() and int(parts[7]) in _READERS
    }
    return tuple(f"{_name(process)} (process {process})" for process in sorted(processes - {os.getpid()}))


def _name(process: int) -> str:
    try:
        return plain(Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace").strip())
    except OSError:
        return "a program"
