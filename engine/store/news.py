"""Word of what changed in a database that another process writes, for those who cannot ask its engine."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from engine.model import Topic
from engine.store.connection import READ_PRAGMAS, FileWatch
from engine.store.lock import InstanceLock

INTERVAL = 0.25
"""Seconds between two looks: as often as an engine tells its own clients."""
_EVERYTHING = frozenset(Topic)

# What differs once something of the topic was written; each reads the ends of indexes or a table of few rows.
_MARKS: Mapping[Topic, str] = {
    Topic.EXECUTIONS: "SELECT (SELECT max(id) FROM executions), (SELECT max(id) FROM spans)",
    Topic.ALERTS: """
        SELECT (SELECT max(id) FROM alert_events), (SELECT max(id) FROM decisions),
               (SELECT max(id) FROM silences), (SELECT count(expired_at) FROM silences),
               (SELECT max(id) FROM maintenance), (SELECT count(ended_at) FROM maintenance),
               count(*), max(last_true_at) FROM alerts WHERE state <> 'resolved'""",
    Topic.HEALTH: "SELECT max(id) FROM health_checks",
    Topic.LOGS: "SELECT max(id) FROM logs",
    Topic.NOTIFICATIONS: """
        SELECT (SELECT max(id) FROM notifications), count(*), sum(tries), max(next_at)
        FROM notifications WHERE state IN ('queued', 'sending', 'dead')""",
    Topic.ENGINE: """
        SELECT (SELECT max(id) FROM runs), (SELECT total(paused) FROM schedules),
               (SELECT count(*) FROM breakers), (SELECT max(since) FROM breakers)""",
}


class FileNews:
    """Looks at a database four times a second, in a thread of its own, and tells what has changed.

    A file that cannot be read any more, or again, or that has been replaced, is news of every topic; so is an
    engine that begins or ends.

    Args:
        path: the database, which may come and go.
        tell: called in that thread with the topics, when there are any.
    """

    def __init__(self, path: Path, tell: Callable[[frozenset[Topic]], None]) -> None:
        self._path = path
        self._tell = tell
        self._stop = threading.Event()
        self._connection: sqlite3.Connection | None = None
        self._file = FileWatch(path)
        self._version = 0
        self._holder: int | None = None
        self._readable = True
        self._marks: dict[Topic, tuple[object, ...]] = {}
        self._thread = threading.Thread(target=self._watch, name="tocsin-news", daemon=True)

    def start(self) -> None:
        """Begin with what the file holds now, which is no news."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """Look no more; safe to call twice, and before the start."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
        self._drop()

    def look(self) -> frozenset[Topic]:
        """What changed since the last look; the first one says all."""
        holder, before = InstanceLock.holder(self._path), self._holder
        self._holder = holder
        could, self._readable = self._readable, True
        try:
            changed = self._read()
        except sqlite3.Error:
            self._drop()
            self._readable, changed = False, _EVERYTHING if could else frozenset()
        return changed if holder == before else _EVERYTHING

    def _read(self) -> frozenset[Topic]:
        if self._connection is None or not self._file.holds:
            self._drop()
            self._file = FileWatch(self._path)
            self._connection = _connect(self._path)
        connection = self._connection
        version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        if self._marks and version == self._version:
            return frozenset()
        marks = {topic: tuple(connection.execute(sql).fetchone()) for topic, sql in _MARKS.items()}
        changed = frozenset(topic for topic in marks if marks[topic] != self._marks.get(topic))
        self._version, self._marks = version, marks
        return changed

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL):
            if topics := self.look():
                self._tell(topics)

    def _drop(self) -> None:
        """Forget the file and what it held."""
        self._marks = {}
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(path: Path) -> sqlite3.Connection:
    """A connection for looking, made in one thread and used in another, never in two at once."""
    uri = f"file:{quote(str(path))}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, timeout=INTERVAL, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in READ_PRAGMAS:
            connection.execute(pragma)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
