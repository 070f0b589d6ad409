"""A damaged database is noticed, kept, and replaced; copies are taken in time."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.model import LogLevel, LogRecord
from engine.store import backup as backup_module
from engine.store import care, migrations
from engine.store.backup import back_up, backups
from engine.store.care import BACKUP_INTERVAL, CHECK_INTERVAL, FIRST_BACKUP_AFTER, NOTICE_TIME, Caretaker
from engine.store.migrations import prepare
from engine.store.opening import Condition, make_ready, suspicion
from tests.engine.store.samples import START


@pytest.fixture
def db(tmp_path: Path) -> Path:
    db = tmp_path / "state" / "tocsin.db"
    prepare(db, START)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        rows = [(number, START, 9, f"line {number} {'x' * 500}") for number in range(1, 200)]
        connection.executemany("INSERT INTO logs (id, at, level, message) VALUES (?, ?, ?, ?)", rows)
        connection.execute("INSERT INTO logs_fts (logs_fts) VALUES ('rebuild')")
        connection.execute("UPDATE meta SET value = 1 WHERE key = 'clean'")
    return db


@pytest.fixture
def lines() -> list[LogRecord]:
    return []


def spoil(db: Path) -> None:
    noise = random.Random(7)
    with db.open("r+b") as file:
        for page in range(5, os.path.getsize(db) // 4096, 2):
            file.seek(page * 4096)
            file.write(noise.randbytes(4096))


def mark_unclean(db: Path) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = 0 WHERE key = 'clean'")


def count(db: Path) -> int:
    with closing(sqlite3.connect(db)) as connection:
        return int(connection.execute("SELECT count(*) FROM logs").fetchone()[0])


def test_a_sound_database_is_opened_without_a_word(db: Path) -> None:
    assert make_ready(db, START) == Condition()
    mark_unclean(db)
    assert make_ready(db, START) == Condition()


def test_damage_leads_to_the_newest_backup(db: Path) -> None:
    backup = back_up(db, START)
    mark_unclean(db)
    spoil(db)
    damaged = db.read_bytes()
    notice = make_ready(db, START + 60).notice
    assert "was damaged" in notice
    assert f"goes on from the backup {backup.name}" in notice
    assert count(db) == 199
    (kept,) = db.parent.glob(f"{db.name}.corrupt-*")
    assert (kept / db.name).read_bytes()[4096:] == damaged[4096:]
    assert make_ready(db, START + 120) == Condition()


def test_a_database_cut_in_half_leads_there_too(db: Path) -> None:
    back_up(db, START)
    os.truncate(db, os.path.getsize(db) // 2)
    assert "was damaged" in make_ready(db, START).notice
    assert count(db) == 199


def test_without_a_backup_history_begins_anew(db: Path) -> None:
    mark_unclean(db)
    spoil(db)
    assert "begins anew" in make_ready(db, START).notice
    assert count(db) == 0


def test_a_wrong_alarm_costs_nothing(db: Path) -> None:
    suspicion(db).touch()
    assert make_ready(db, START) == Condition()
    assert not suspicion(db).exists()
    assert count(db) == 199


def test_a_large_file_is_looked_at_by_the_engine(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "_CHECKED_AT_START", 4096)
    mark_unclean(db)
    assert make_ready(db, START) == Condition(doubtful=True)


async def test_damage_found_while_running_is_told_and_marked(
    db: Path, clock: VirtualClock, lines: list[LogRecord]
) -> None:
    back_up(db, START)
    caretaker = Caretaker(db, clock, lines.append, Condition(doubtful=True))
    assert caretaker.trouble == ""
    spoil(db)
    await caretaker.look()
    assert "is damaged" in caretaker.trouble
    assert [line.level for line in lines] == [LogLevel.FATAL]
    assert "goes on from the backup" in make_ready(db, START).notice
    assert count(db) == 199


async def test_a_sound_file_is_looked_at_weekly(
    db: Path, clock: VirtualClock, lines: list[LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []

    def look(path: Path) -> str:
        looks.append(path)
        return ""

    monkeypatch.setattr(care, "damage", look)
    caretaker = Caretaker(db, clock, lines.append, Condition())
    await caretaker.look()
    assert looks == []
    for expected in (1, 1, 2):
        await clock.advance(CHECK_INTERVAL if len(looks) < expected else 60.0)
        await caretaker.look()
        assert len(looks) == expected


async def test_news_of_a_new_beginning_last_ten_minutes(
    db: Path, clock: VirtualClock, lines: list[LogRecord]
) -> None:
    caretaker = Caretaker(db, clock, lines.append, Condition("it was damaged"))
    assert [(line.level, line.message) for line in lines] == [(LogLevel.FATAL, "database: it was damaged")]
    assert caretaker.trouble == "it was damaged"
    await clock.advance(NOTICE_TIME + 1)
    assert caretaker.trouble == ""


async def test_a_backup_is_taken_once_a_day(db: Path, clock: VirtualClock, lines: list[LogRecord]) -> None:
    caretaker = Caretaker(db, clock, lines.append, Condition())
    await caretaker.look()
    assert backups(db) == ()
    await clock.advance(FIRST_BACKUP_AFTER)
    await caretaker.look()
    (first,) = backups(db)
    os.utime(first, (clock.now(), clock.now()))
    await clock.advance(BACKUP_INTERVAL - 60)
    await caretaker.look()
    assert backups(db) == (first,)
    await clock.advance(61)
    await caretaker.look()
    assert len(backups(db)) == 2


async def test_a_backup_that_fails_is_told_once(
    db: Path, clock: VirtualClock, lines: list[LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup_module, "_copy_pages", full)
    caretaker = Caretaker(db, clock, lines.append, Condition())
    await clock.advance(FIRST_BACKUP_AFTER)
    for _ in range(3):
        await caretaker.look()
        await clock.advance(3_600)
    assert len(lines) == 1
    assert "No space left on device" in lines[0].message
    assert backups(db) == ()
