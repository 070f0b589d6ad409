"""What a database needs from time to time while an engine runs on it: to be looked at, and to be copied."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

from engine.clock import Clock
from engine.errors import StoreError
from engine.model import LogLevel, LogRecord
from engine.store.backup import back_up, backups
from engine.store.connection import explain, in_its_thread
from engine.store.integrity import damage, mend_search
from engine.store.migrations import UNCHECKED
from engine.store.opening import Condition, suspicion
from engine.store.writer import Writer

LOOK_INTERVAL = 3_600.0
BACKUP_INTERVAL = 86_400.0
CHECK_INTERVAL = 7 * 86_400.0
FIRST_BACKUP_AFTER = 600.0
"""Seconds an engine has run before it takes a backup, so that short runs leave none."""
NOTICE_TIME = 600.0
_ROOM = 3
"""A backup is taken while the disk has room for this many more."""


class Caretaker:
    """Checks `path` weekly, and soon after an unclean end; copies it once a day.

    Pages are read through connections of their own, in a thread; writing goes on. The search index of the log
    is looked at between two batches, which takes about 1.3 s for a million lines, and 3 s more when it has to
    be built anew.

    Args:
        condition: what the file was found in.
        log: where it tells of damage, and of backups that failed.
        writer: of the file; without one, the pages alone are checked.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        log: Callable[[LogRecord], None],
        condition: Condition,
        writer: Writer | None = None,
    ) -> None:
        self._path = path
        self._writer = writer
        self._clock = clock
        self._log = log
        self._began = clock.monotonic()
        self._check_due = self._began + (0.0 if condition.doubtful else CHECK_INTERVAL)
        self._notice = condition.notice
        self._damage = ""
        self._told: dict[str, str] = {}
        if condition.notice:
            self._say(LogLevel.FATAL, condition.notice)

    @property
    def trouble(self) -> str:
        """What a person must know of the file: its damage, or for ten minutes what was done about one."""
        is_news = self._clock.monotonic() - self._began < NOTICE_TIME
        return self._damage or (self._notice if is_news else "")

    async def look(self) -> None:
        """Do what is due now; never raises for what it finds."""
        now = self._clock.monotonic()
        if now >= self._check_due and not self._damage:
            await self._check()
        if now - self._began >= FIRST_BACKUP_AFTER and not self._damage:
            await self._back_up()

    async def _check(self) -> None:
        try:
            verdict = await asyncio.to_thread(damage, self._path)
        except (sqlite3.Error, OSError) as error:
            # It is tried again at the next look.
            self._say_once("check", f"could not be checked: {explain(error, self._path).message}")
            return
        self._told.pop("check", None)
        self._check_due = self._clock.monotonic() + CHECK_INTERVAL
        if not verdict:
            await self._settle()
            return
        self._damage = f"{self._path} is damaged: {verdict}; a restart goes on from a backup"
        self._say(LogLevel.FATAL, self._damage)
        mark = suspicion(self._path)
        try:
            mark.touch(mode=0o600)
        except OSError as error:
            self._damage = f"{self._path} is damaged: {verdict}; stop the engine, then: tocsin db restore"
            self._say(LogLevel.FATAL, f"{mark} cannot be made ({error.strerror}): a restart will not help")

    async def _settle(self) -> None:
        """The pages are sound: let the log be found as well, and nobody look again before the next week."""
        if self._writer is None:
            return
        try:
            mended = await self._writer.run(partial(in_its_thread, job=_mended))
        except StoreError as error:
            self._check_due = self._clock.monotonic()
            self._say_once("search", f"the search index could not be checked: {error.message}")
            return
        self._told.pop("search", None)
        if mended:
            self._say(LogLevel.WARNING, "the search index did not agree with the log: it was built anew")

    async def _back_up(self) -> None:
        try:
            now = self._clock.now()
            if not _is_due(self._path, now):
                return
            if shutil.disk_usage(self._path.parent).free < _ROOM * self._path.stat().st_size:
                raise StoreError("there is too little room on the disk")
            await asyncio.to_thread(back_up, self._path, now)
        except (StoreError, OSError) as error:
            self._say_once("backup", f"no backup could be taken: {explain(error, self._path).message}")
        else:
            self._told.pop("backup", None)

    def _say_once(self, topic: str, message: str) -> None:
        if self._told.get(topic) != message:
            self._told[topic] = message
            self._say(LogLevel.WARNING, message)

    def _say(self, level: LogLevel, message: str) -> None:
        self._log(LogRecord(at=self._clock.now(), level=level, message=f"database: {message}"))


def _mended(connection: sqlite3.Connection) -> bool:
    """Mend the search index and note that all was looked at; whether there was something to mend."""
    mended = mend_search(connection)
    connection.execute("DELETE FROM meta WHERE key = ?", (UNCHECKED,))
    return mended


def _is_due(db: Path, now: float) -> bool:
    """Whether the newest backup of `db` is more than a day old at `now`, those from the future left out.

    A clock that was wrong for a while must not put off all backups until then. Raises OSError.
    """
    taken = (backup.stat().st_mtime for backup in backups(db))
    return now - max((at for at in taken if at <= now), default=float("-inf")) >= BACKUP_INTERVAL
