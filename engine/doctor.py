"""Looks at everything a database and its engine stand on, and says what to do about what is not well."""

from __future__ import annotations

import platform
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from engine.errors import TocsinError
from engine.lines import lasted, moment, size
from engine.paths import runtime_dir, socket_path
from engine.store import wal
from engine.store.backup import backups
from engine.store.ballast import Ballast
from engine.store.budget import survey, weigh
from engine.store.connection import explain
from engine.store.housekeeping import CROWDED, LIMIT_KEY
from engine.store.integrity import damage
from engine.store.limits import Limits
from engine.store.lock import InstanceLock
from engine.store.migrations import VERSION, check_version, inspect
from engine.text import plain
from engine.version import __version__

if TYPE_CHECKING:
    from engine.client import EngineInfo

WAL_RESET_FIXED = (3, 51, 3)
"""Older SQLites may lose pages when two connections write; this program writes with one."""
BACKUP_AGE = 2 * 86_400.0
UNDELIVERED_AGE = 900.0
_PACKAGES = ("textual", "aiosqlite", "httpx", "pydantic", "apprise", "plotext")


class Verdict(StrEnum):
    """What a finding means: nothing to do, worth knowing, or wrong."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` says what to do, empty when it is well."""

    area: str
    name: str
    value: str
    verdict: Verdict = Verdict.OK
    advice: str = ""


def examine(db: Path, now: float) -> tuple[Finding, ...]:
    """Everything there is to say about `db` at `now` (seconds since the epoch); never raises for bad news."""
    findings = [*_versions(), *_place(db)]
    if not db.exists():
        missing = Finding(
            "database", "file", f"{db} does not exist yet", Verdict.OK, "it appears at the first run"
        )
        return (*findings, missing)
    try:
        inspect(db)
        findings += _file(db)
        findings += _content(db, now)
    except TocsinError as error:
        findings.append(Finding("database", "file", error.message, Verdict.ERROR, error.hint))
    return (*findings, *_engine(db), *_backups(db, now))


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "tocsin", f"{__version__}, schema {VERSION}")
    yield Finding("versions", "python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    sqlite = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < WAL_RESET_FIXED:
        fixed = ".".join(map(str, WAL_RESET_FIXED))
        yield Finding(
            "versions",
            "sqlite",
            f"{sqlite}, older than {fixed}: a second program that writes can damage the file (WAL-reset bug)",
            Verdict.WARNING,
            "let nothing else write to the database while an engine runs; reading is harmless",
        )
    else:
        yield Finding("versions", "sqlite", sqlite)
    yield Finding("versions", "packages", ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES))


def _place(db: Path) -> Iterator[Finding]:
    yield Finding("place", "database", str(db))
    yield Finding("place", "sockets", str(runtime_dir()))
    directory = next(parent for parent in (db.parent, *db.parent.parents) if parent.exists())
    try:
        free = shutil.disk_usage(directory).free
    except OSError as error:
        yield Finding("place", "free space", str(error.strerror), Verdict.ERROR, "check the disk")
        return
    low = free < Limits().floor
    advice = "free some space: only outcomes and alerts are kept" if low else ""
    yield Finding("place", "free space", size(free), Verdict.ERROR if low else Verdict.OK, advice)


def _file(db: Path) -> Iterator[Finding]:
    for path, wanted in ((db, 0o600), (db.parent, 0o700)):
        mode = path.stat().st_mode & 0o777
        open_to_others = mode & 0o077 and path is db
        yield Finding(
            "database",
            "mode" if path is db else "directory's mode",
            f"{mode:04o}",
            Verdict.WARNING if open_to_others else Verdict.OK,
            f"others can read it: chmod {wanted:o} {path}" if open_to_others else "",
        )
    length = wal.length(db)
    long = length > Limits().wal
    who = ", ".join(wal.readers(db)) or "something"
    advice = f"{who} reads the database for a very long time: close it" if long else ""
    yield Finding(
        "database", "write-ahead log", size(length), Verdict.WARNING if long else Verdict.OK, advice
    )
    held = Ballast(db, 0).held
    yield Finding("database", "ballast", size(held) if held else "none is held at the moment")


def _sizes(connection: sqlite3.Connection, db: Path) -> Iterator[Finding]:
    room = survey(db)
    found = connection.execute("SELECT value FROM meta WHERE key = ?", (LIMIT_KEY,)).fetchone()
    limit = found[0] if found else Limits().size
    full = room.used > CROWDED * limit
    advice = "the oldest rows leave early: raise settings.storage.max_size" if full else ""
    value = f"{size(room.file)} of at most {size(limit)}, {size(room.file - room.used)} of it free"
    yield Finding("database", "size", value, Verdict.WARNING if full else Verdict.OK, advice)
    kinds = sorted(weigh(db).items(), key=lambda pair: -pair[1].size)
    yield Finding("database", "kept", ", ".join(f"{kind} {size(weight.size)}" for kind, weight in kinds))


def _content(db: Path, now: float) -> Iterator[Finding]:
    try:
        if verdict := damage(db):
            advice = "stop the engine, then: tocsin db restore"
            yield Finding("database", "integrity", f"damaged: {verdict}", Verdict.ERROR, advice)
            return
        yield Finding("database", "integrity", "quick check passed")
        uri = f"file:{quote(str(db))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            check_version(connection.execute("PRAGMA user_version").fetchone()[0], db)
            yield from _sizes(connection, db)
            yield from _queues(connection, now)
            yield _newest(connection, db, now)
    except (sqlite3.Error, OSError) as error:
        raise explain(error, db) from error


def _queues(connection: sqlite3.Connection, now: float) -> Iterator[Finding]:
    unsettled = "state IN ('queued', 'sending', 'dead')"
    counts = dict(
        connection.execute(f"SELECT state, count(*) FROM notifications WHERE {unsettled} GROUP BY 1")  # noqa: S608 - words of ours
    )
    dead = counts.pop("dead", 0)
    oldest = connection.execute(
        "SELECT min(created_at) FROM notifications WHERE state IN ('queued', 'sending')"
    ).fetchone()[0]
    waiting = sum(counts.values())
    age = now - oldest if oldest is not None else 0.0
    late = age > UNDELIVERED_AGE
    value = f"{waiting} wait" + (f", the oldest for {lasted(age)}" if waiting else "")
    advice = "look at their errors in the console: notifications" if late else ""
    yield Finding("database", "notifications", value, Verdict.WARNING if late else Verdict.OK, advice)
    advice = "nobody was told: look at their errors in the console" if dead else ""
    yield Finding("database", "dead letters", str(dead), Verdict.WARNING if dead else Verdict.OK, advice)


def _newest(connection: sqlite3.Connection, db: Path, now: float) -> Finding:
    newest = connection.execute("SELECT started_at FROM executions ORDER BY id DESC LIMIT 1").fetchone()
    if newest is None:
        return Finding("database", "newest execution", "none yet")
    age = max(now - newest[0], 0.0)
    value = f"{moment(newest[0])}, {lasted(age)} ago"
    return Finding("database", "newest execution", value)


def _engine(db: Path) -> Iterator[Finding]:
    holder = InstanceLock.holder(db)
    if holder is None:
        yield Finding("engine", "process", "none runs on this database")
        return
    yield Finding("engine", "process", str(holder))
    import asyncio

    from engine.control import send_command, unpack_info

    began = time.monotonic()
    try:
        info = unpack_info(asyncio.run(send_command(socket_path(db), {"command": "info"})))
    except TocsinError as error:
        yield Finding("engine", "answers", error.message, Verdict.ERROR, error.hint or "restart it")
        return
    yield Finding("engine", "answers", f"within {time.monotonic() - began:.3f} s, version {info.version}")
    yield Finding("engine", "queue", f"{info.queued} records wait to be written")
    lost = Verdict.WARNING if info.dropped else Verdict.OK
    advice = "the log says why: tocsin logs 'could not be stored'" if info.dropped else ""
    kinds = "".join(f", {count} {plain(kind)}" for kind, count in info.dropped_by_kind.items())
    yield Finding("engine", "dropped", f"{info.dropped} records since its start{kinds}", lost, advice)
    if info.exports_to:
        yield from _exporter(info)
    for name, words in info.ailing.items():
        advice = "restart the engine; if it goes on, the log says more: tocsin logs 'starting it again'"
        yield Finding("engine", "task", plain(f"{name} {words}"), Verdict.ERROR, advice)


def _exporter(info: EngineInfo) -> Iterator[Finding]:
    from engine.exporter import CAPACITY

    lost, full = info.unexported > 0, info.exporting >= CAPACITY
    advice = "it does not take all it is sent: tocsin logs '\"the collector at\"'" if lost or full else ""
    counts = f"{info.exporting} records wait, {info.unexported} were dropped since its start"
    yield Finding(
        "engine",
        "exporter",
        f"{plain(info.exports_to)}, {counts}",
        Verdict.WARNING if advice else Verdict.OK,
        advice,
    )


def _backups(db: Path, now: float) -> Iterator[Finding]:
    found = backups(db)
    if not found:
        yield Finding("backups", "newest", "none yet", Verdict.OK, "an engine takes one a day")
        return
    age = now - found[0].stat().st_mtime
    old = age > BACKUP_AGE
    advice = "tocsin db backup FILE takes one now" if old else ""
    value = f"{found[0].name}, {lasted(age)} ago, {size(found[0].stat().st_size)}"
    yield Finding("backups", "newest", value, Verdict.WARNING if old else Verdict.OK, advice)
