"""Holes that a database could fall into while another takes its place: none loses or mixes anything."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.errors import DamagedError, StoreError
from engine.model import LogLevel, LogRecord
from engine.store import backup as backup_module
from engine.store import care, files, opening
from engine.store.backup import back_up, backups, copy, restore
from engine.store.care import BACKUP_INTERVAL, FIRST_BACKUP_AFTER, LOOK_INTERVAL, Caretaker
from engine.store.files import companions, take_back
from engine.store.lock import InstanceLock
from engine.store.migrations import VERSION, prepare
from engine.store.opening import Condition, make_ready, suspicion
from tests.engine.store.samples import START
from tests.faults.store.files import (
    assert_sound,
    filled,
    leave_unfinished,
    lines_in,
    names,
    older_file,
    query,
    set_aside,
    spoil,
)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return filled(tmp_path / "state" / "tocsin.db", 100)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


def damaged(db: Path) -> Path:
    spoil(db)
    suspicion(db).touch()
    return db


def test_the_log_of_a_killed_engine_goes_aside_with_its_database(db: Path, tmp_path: Path) -> None:
    copy(db, tmp_path / "copy.db")
    leave_unfinished(db)
    kept = restore(db, tmp_path / "copy.db", START)
    assert kept is not None
    assert lines_in(db) == 100
    assert lines_in(kept / db.name) == 140


def test_the_log_of_a_database_that_is_gone_is_not_played_into_another(db: Path, tmp_path: Path) -> None:
    copy(db, tmp_path / "copy.db")
    leave_unfinished(db)
    db.unlink()
    kept = restore(db, tmp_path / "copy.db", START)
    assert kept is not None
    assert os.listdir(kept) == [companions(db)[0].name]
    assert lines_in(db) == 100
    assert_sound(db)


def test_the_log_of_a_draft_that_was_cut_short_is_not_played_into_the_next(db: Path, tmp_path: Path) -> None:
    draft = tmp_path / "copy.db.part"
    filled(draft, 5)
    leave_unfinished(draft, 20)
    assert companions(draft)[0].stat().st_size
    copy(db, tmp_path / "copy.db")
    assert lines_in(tmp_path / "copy.db") == 100
    assert_sound(tmp_path / "copy.db")
    assert names(tmp_path) == {"copy.db", "state"}


def test_a_database_in_use_has_no_second_name(db: Path, tmp_path: Path) -> None:
    """Somebody who opened the one that is kept would write to the one in use, past its lock."""
    place = db.with_name(f"{db.name}.replaced-20250101T000000Z")
    place.mkdir()
    leave_unfinished(db)
    os.link(db, place / db.name)
    companions(db)[0].replace(place / companions(db)[0].name)
    take_back(db)
    assert names(db.parent) == {db.name, companions(db)[0].name}
    assert lines_in(db) == 140


def test_a_log_that_was_written_past_stays_aside(db: Path) -> None:
    place = db.with_name(f"{db.name}.corrupt-20250101T000000Z")
    place.mkdir()
    leave_unfinished(db)
    os.link(db, place / db.name)
    log = companions(db)[0]
    log.replace(place / log.name)
    leave_unfinished(db, 7)
    take_back(db)
    assert os.listdir(place) == [log.name]
    assert lines_in(db) == 107


def test_what_is_kept_for_good_is_left_alone(db: Path, tmp_path: Path) -> None:
    copy(db, tmp_path / "copy.db")
    leave_unfinished(db)
    kept = restore(db, tmp_path / "copy.db", START)
    assert kept is not None
    before = names(kept)
    take_back(db)
    assert names(kept) == before


def test_links_lead_to_the_file_that_is_exchanged(db: Path, tmp_path: Path) -> None:
    link = tmp_path / "here.db"
    link.symlink_to(db)
    backup = back_up(link, START)
    assert backup.parent == db.with_name("tocsin.db.backups")
    leave_unfinished(db)
    damaged(db)
    assert "goes on from the backup" in make_ready(link, START).notice
    assert link.is_symlink()
    assert lines_in(db) == 100
    (kept,) = set_aside(db, "corrupt")
    assert names(tmp_path) == {"here.db", "state"}
    assert not (kept / db.name).is_symlink()
    assert restore(link, backup, START) is not None
    assert link.is_symlink()


@pytest.mark.parametrize("backed_up", [True, False])
def test_without_room_nothing_is_moved_and_later_all_is_done(
    db: Path, monkeypatch: pytest.MonkeyPatch, backed_up: bool
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if backed_up:
        back_up(db, START)
    damaged(db)
    with monkeypatch.context() as context:
        context.setattr(backup_module, "_copy_pages" if backed_up else "prepare", full)
        for _ in range(2):
            with pytest.raises(StoreError, match="No space left on device") as refusal:
                make_ready(db, START)
            assert refusal.value.hint
            assert not set_aside(db)
            assert suspicion(db).exists()
    assert make_ready(db, START).notice
    assert len(set_aside(db, "corrupt")) == 1
    assert lines_in(db) == (100 if backed_up else 0)


@pytest.mark.parametrize("step", ["link", "replace"])
def test_an_exchange_that_fails_is_undone(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    copy(db, tmp_path / "copy.db")
    leave_unfinished(db)
    with monkeypatch.context() as context:
        context.setattr(*((os, "link", fail) if step == "link" else (files, "put_in_place", fail)))
        with pytest.raises(StoreError, match="Input/output error"):
            restore(db, tmp_path / "copy.db", START)
    assert names(db.parent) == {db.name, companions(db)[0].name}
    assert lines_in(db) == 140


def test_a_backup_of_a_newer_program_is_passed_over(db: Path) -> None:
    older = back_up(db, START)
    newer = back_up(db, START + 60)
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    damaged(db)
    assert f"goes on from the backup {older.name}" in make_ready(db, START + 120).notice
    assert newer.exists()
    assert lines_in(db) == 100


def test_a_backup_of_an_older_program_is_brought_up_to_date(db: Path) -> None:
    back_up(db, START).unlink()
    older_file(db.with_name("tocsin.db.backups") / "20200101T000000Z.db", 3)
    damaged(db)
    assert "goes on from the backup" in make_ready(db, START).notice
    assert query(db, "PRAGMA user_version") == [(VERSION,)]
    assert query(db, "SELECT count(*) FROM executions") == [(5,)]
    assert_sound(db)


def test_what_no_check_sees_but_stops_every_start_leads_to_the_backup(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(path: Path, now: float) -> bool:
        if not set_aside(path):
            raise DamagedError(f"{path} is damaged", "")
        return prepare(path, now)

    back_up(db, START)
    monkeypatch.setattr(opening, "prepare", stopped)
    assert "goes on from the backup" in make_ready(db, START).notice
    assert lines_in(db) == 100


def test_a_mistake_of_the_program_is_no_damage(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(path: Path, now: float) -> bool:
        raise StoreError(f"{path}: no such table: lines")

    back_up(db, START)
    monkeypatch.setattr(opening, "prepare", mistaken)
    for _ in range(2):
        with pytest.raises(StoreError, match="no such table") as refusal:
            make_ready(db, START)
        assert "tocsin db check" in refusal.value.hint
        assert not set_aside(db)


def test_a_mark_that_cannot_be_removed_is_told_and_moves_nothing(db: Path) -> None:
    back_up(db, START)
    suspicion(db).mkdir()
    for _ in range(2):
        assert "cannot be removed" in make_ready(db, START).notice
        assert not set_aside(db)
    spoil(db)
    assert "goes on from the backup" in make_ready(db, START).notice
    assert "cannot be removed" in make_ready(db, START).notice
    assert len(set_aside(db)) == 1
    assert lines_in(db) == 100


async def test_a_mark_that_cannot_be_made_is_told(db: Path, clock: VirtualClock) -> None:
    told: list[LogRecord] = []
    keeper = Caretaker(db, clock, told.append, Condition(doubtful=True))
    spoil(db)
    mark = suspicion(db)
    mark.symlink_to(db.parent / "nowhere" / "at all")
    await keeper.look()
    assert "tocsin db restore" in keeper.trouble
    assert [line.level for line in told] == [LogLevel.FATAL] * 2
    assert "a restart will not help" in told[1].message


async def test_a_check_that_could_not_be_made_is_made_at_the_next_look(
    db: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_: Path) -> str:
        raise sqlite3.OperationalError("disk I/O error")

    told: list[LogRecord] = []
    keeper = Caretaker(db, clock, told.append, Condition(doubtful=True))
    with monkeypatch.context() as context:
        context.setattr(care, "damage", busy)
        for _ in range(3):
            await keeper.look()
            await clock.advance(LOOK_INTERVAL)
    assert [line.level for line in told] == [LogLevel.WARNING]
    spoil(db)
    await keeper.look()
    assert "is damaged" in keeper.trouble


async def test_a_clock_that_was_wrong_does_not_put_off_backups(db: Path, clock: VirtualClock) -> None:
    future = [back_up(db, START + (400 + day) * BACKUP_INTERVAL) for day in range(3)]
    for backup in future:
        os.utime(backup, (clock.now() + 400 * BACKUP_INTERVAL,) * 2)
    keeper = Caretaker(db, clock, lambda _: None, Condition())
    await clock.advance(FIRST_BACKUP_AFTER)
    await keeper.look()
    (fresh,) = set(backups(db)) - set(future)
    os.utime(fresh, (clock.now(), clock.now()))
    await clock.advance(LOOK_INTERVAL)
    await keeper.look()
    assert fresh in backups(db)
    assert len(backups(db)) == 3


def test_a_lock_that_cannot_be_taken_is_told(db: Path) -> None:
    db.with_name(db.name + ".lock").mkdir()
    with pytest.raises(StoreError, match=r"tocsin\.db\.lock: Is a directory"):
        InstanceLock(db).acquire()


def test_drafts_are_no_backups(db: Path) -> None:
    place = back_up(db, START).parent
    for draft in (".part", ".part-wal", ".part-journal"):
        shutil.copy(db, place / f"20990101T000000Z.db{draft}")
    assert [backup.name for backup in backups(db)] == ["20231114T221320Z.db"]
    newer = back_up(db, START + 60)
    assert names(place) == {"20231114T221320Z.db", newer.name}
