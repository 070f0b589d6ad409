"""kill -9 in the middle of what is done with a whole file: the old one or the new one is there, sound."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.clock import VirtualClock
from engine.store.backup import back_up, backups, copy, restore
from engine.store.incident import extract
from engine.store.integrity import damage
from engine.store.migrations import VERSION
from engine.store.opening import make_ready, suspicion
from tests.engine.store.samples import START, alert, recording
from tests.faults.store.files import (
    assert_sound,
    filled,
    leave_unfinished,
    lines_in,
    names,
    older_file,
    opened,
    query,
    set_aside,
    spoil,
)
from tests.faults.store.killing import ALERT, DB, LATER, STEPS, WORKS, cut_short

DRAFTS = (".part", ".new", ".restored", "-journal")


@pytest.fixture
def beginning(tmp_path: Path) -> Path:
    place = tmp_path / "beginning"
    place.mkdir()
    return place


def content(db: Path) -> tuple[Any, ...]:
    """What every schema has in common."""
    points = query(db, "SELECT series, at, value FROM points ORDER BY series, at")
    return (
        query(db, "SELECT id, started_at FROM executions"),
        query(db, "SELECT id, message FROM logs"),
        points,
    )


def assert_no_drafts(place: Path) -> None:
    left = {path.name for path in place.rglob("*") if any(draft in path.name for draft in DRAFTS)}
    assert not left


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_migration_is_done_or_not_begun(beginning: Path, tmp_path: Path, version: int) -> None:
    older_file(beginning / DB, version)
    before = content(beginning / DB)
    for outcome in cut_short("start", beginning, tmp_path / "outcomes", max(STEPS // 2, 8)):
        db, kept = outcome / DB, outcome / f"{DB}.v{version}.bak"
        ((reached,),) = query(db, "PRAGMA user_version")
        assert version <= reached <= VERSION
        assert content(db) == before, outcome
        assert reached == version or kept.exists()
        if kept.exists():
            assert content(kept) == before
        assert make_ready(db, LATER).notice == ""
        assert query(db, "PRAGMA user_version") == [(VERSION,)]
        assert query(kept, "PRAGMA user_version") == [(version,)]
        assert content(db) == content(kept) == before
        assert_sound(db)
        assert_no_drafts(outcome)


def test_a_database_is_made_whole_or_not_at_all(beginning: Path, tmp_path: Path) -> None:
    for outcome in cut_short("start", beginning, tmp_path / "outcomes"):
        if (outcome / DB).exists():
            assert query(outcome / DB, "PRAGMA user_version") == [(VERSION,)]
        assert make_ready(outcome / DB, LATER).notice == ""
        assert_sound(outcome / DB)
        assert names(outcome) == {DB}


def test_a_backup_is_whole_or_not_there(beginning: Path, tmp_path: Path) -> None:
    leave_unfinished(filled(beginning / DB))
    older = back_up(beginning / DB, START)
    for outcome in cut_short("back up", beginning, tmp_path / "outcomes"):
        db = outcome / DB
        for backup in backups(db):
            assert_sound(backup)
            assert lines_in(backup) == 340
        assert lines_in(db) == 340
        # Not at the same second: its draft has another name.
        back_up(db, LATER + 5)
        assert {older.name} < {backup.name for backup in backups(db)}
        assert_no_drafts(outcome)
        assert_sound(db)


def test_a_restore_is_done_or_not_begun(beginning: Path, tmp_path: Path) -> None:
    filled(beginning / DB, 100)
    copy(beginning / DB, beginning / "copy.db")
    leave_unfinished(beginning / DB)
    seen = set()
    for outcome in cut_short("restore", beginning, tmp_path / "outcomes", STEPS * 2):
        db = outcome / DB
        assert make_ready(db, LATER).notice == ""
        seen.add(lines_in(db))
        assert lines_in(db) == (100 if set_aside(db) else 140), outcome
        assert_sound(db)
        for kept in set_aside(db):
            assert not (kept / DB).samefile(db)
            assert lines_in(kept / DB) == 140
        kept_now = restore(db, outcome / "copy.db", LATER + 5)
        assert kept_now is not None
        assert lines_in(db) == 100
        assert_no_drafts(outcome)
    assert seen == {100, 140}


@pytest.mark.parametrize("backed_up", [True, False])
def test_a_damaged_database_is_moved_aside_once(beginning: Path, tmp_path: Path, backed_up: bool) -> None:
    db = filled(beginning / DB)
    if backed_up:
        back_up(db, START)
    leave_unfinished(db)
    spoil(db)
    suspicion(db).touch()
    for outcome in cut_short("start", beginning, tmp_path / "outcomes", STEPS * 2):
        db = outcome / DB
        make_ready(db, LATER + 5)
        assert make_ready(db, LATER + 10).notice == ""
        (kept,) = set_aside(db, "corrupt")
        assert damage(kept / DB)
        assert not (kept / DB).samefile(db)
        assert lines_in(db) == (300 if backed_up else 0)
        assert not suspicion(db).exists()
        assert_sound(db)
        assert_no_drafts(outcome)


async def test_an_incident_file_is_whole_or_not_there(beginning: Path, tmp_path: Path) -> None:
    async with opened(beginning / DB, VirtualClock(START)) as store:
        about = replace(alert(ALERT), execution_id=3, started_at=START)
        await store.writer.must(about, *(recording(number) for number in range(1, 5)))
    for outcome in cut_short("incident", beginning, tmp_path / "outcomes"):
        target = outcome / "seven.db"
        if not target.exists():
            assert extract(outcome / DB, ALERT, target, LATER) == 4
        assert query(target, "SELECT count(*) FROM executions") == [(4,)]
        assert_sound(target)
        assert_sound(outcome / DB)
        assert names(outcome) == {DB, "seven.db"}


def test_an_export_is_whole_or_not_there(beginning: Path, tmp_path: Path) -> None:
    leave_unfinished(filled(beginning / DB, 30))
    for outcome in cut_short("export", beginning, tmp_path / "outcomes"):
        target = outcome / "logs.ndjson"
        if not target.exists():
            WORKS["export"](outcome)
        assert len(target.read_text().splitlines()) == 70
        assert not (outcome / "logs.ndjson.part").exists()
        assert lines_in(outcome / DB) == 70
        assert_sound(outcome / DB)


def test_a_vacuum_loses_nothing(beginning: Path, tmp_path: Path) -> None:
    db = filled(beginning / DB)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("DELETE FROM logs WHERE id > 50")
        connection.execute("INSERT INTO logs_fts (logs_fts) VALUES ('rebuild')")
    leave_unfinished(db)
    for outcome in cut_short("vacuum", beginning, tmp_path / "outcomes"):
        assert lines_in(outcome / DB) == 90
        assert make_ready(outcome / DB, LATER).notice == ""
        assert_sound(outcome / DB)
