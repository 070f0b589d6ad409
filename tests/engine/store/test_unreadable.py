"""Rows and files that cannot be read: each has a sentence, and one bad row does not cost the others."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.errors import DamagedError, StoreError
from engine.model import LogLevel, LogRecord, Outcome
from engine.store import migrations
from engine.store.care import Caretaker
from engine.store.connection import explain
from engine.store.migrations import MIGRATIONS, VERSION, migrate, prepare
from engine.store.opening import Condition, make_ready, suspicion
from engine.store.reader import Reader
from engine.store.store import Store
from tests.engine.store.samples import (
    FAILURE,
    START,
    alert,
    cursor,
    decision,
    event,
    execution,
    health_check,
    log,
    notification,
    recording,
    span,
    trace_of,
)


def spoil(db: Path, statement: str) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        assert connection.execute(statement).rowcount > 0


Question = Callable[[Reader], Awaitable[object]]
CELLS: list[tuple[str, str, Question]] = [
    ("alerts with id = 2", "UPDATE alerts SET severity = 'WARNIMG' WHERE id = 2", lambda r: r.open_alerts()),
    ("alerts with id = 2", "UPDATE alerts SET value = '31,' WHERE id = 2", lambda r: r.last_alerts()),
    ("alert_events with alert_id = 2", "UPDATE alert_events SET kind = 'fixed'", lambda r: r.alert(2)),
    ("decisions with at = ", "UPDATE decisions SET gates = '[[1]]'", lambda r: r.alert(2)),
    ("notifications with key = '2:", "UPDATE notifications SET state = 'quewed'", lambda r: r.alert(2)),
    ("executions with id = 9", "UPDATE executions SET outcome = 'fajled'", lambda r: r.executions()),
    ("executions with id = 9", "UPDATE executions SET error_type = 'X'", lambda r: r.execution(9)),
    ("spans with span_id = x'", "UPDATE spans SET attributes = '{'", lambda r: r.trace(trace_of(1))),
    ("logs with id = 1", "UPDATE logs SET level = 3", lambda r: r.logs()),
    ("health_checks with at = ", "UPDATE health_checks SET status = 'x'", lambda r: r.health_hours(0)),
]


@pytest.fixture
async def filled(store: Store) -> Store:
    failed = execution(9, outcome=Outcome.FAILED, failure=FAILURE)
    await store.writer.must(failed, alert(1), alert(2), event(2), decision(2), notification(2))
    await store.writer.must(span(5), log("a line"), health_check(), cursor())
    return store


@pytest.mark.parametrize(("row", "spoiling", "ask"), CELLS)
async def test_a_cell_that_makes_no_sense_is_named(
    filled: Store, db: Path, row: str, spoiling: str, ask: Question
) -> None:
    spoil(db, spoiling)
    reader = await Reader.open(db)
    try:
        with pytest.raises(DamagedError) as caught:
            await ask(reader)
    finally:
        await reader.close()
    assert f"the row of {row}" in caught.value.message
    assert "tocsin sql" in caught.value.hint


async def test_the_trace_of_an_execution_that_makes_no_sense_is_named(store: Store, db: Path) -> None:
    await store.writer.must(recording(1))
    await store.writer.must(recording(2))
    spoil(db, "UPDATE traces SET numbers = x'00' WHERE execution_id = 2")
    with pytest.raises(DamagedError, match="the row of traces with execution_id = 2"):
        await store.reader.execution(2)
    assert (await store.reader.execution(1)).attempts


async def test_an_engine_goes_on_without_an_alert_that_cannot_be_read(filled: Store, db: Path) -> None:
    spoil(db, "UPDATE alerts SET state = 'fjring' WHERE id = 1")
    for _ in range(2):
        assert [one.id for one in await filled.reader.open_alerts()] == [2]
    await filled.writer.flush()
    loud = [line for line in (await filled.reader.logs()).records if line.level is LogLevel.ERROR]
    assert len(loud) == 1
    assert (
        "the row of alerts with id = 1 cannot be read: 'fjring' is not a valid AlertState" in loud[0].message
    )
    assert "SELECT * FROM alerts WHERE id = 1" in loud[0].message


async def test_a_message_that_cannot_be_read_does_not_hold_up_the_others(filled: Store, db: Path) -> None:
    await filled.writer.must(notification(1))
    spoil(db, "UPDATE notifications SET severity = '?' WHERE alert_id = 2")
    due = await filled.reader.due_notifications(START + 100)
    assert [one.alert_id for one in due] == [1]


def tear(db: Path, table: str) -> None:
    """Overwrite the first page of a table."""
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with db.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


async def test_damage_met_by_a_reader_is_looked_at_by_the_next_start(filled: Store, db: Path) -> None:
    await filled.reader.alerts()
    assert not suspicion(db).exists()
    tear(db, "alerts")
    reader = await Reader.open(db)
    try:
        with pytest.raises(DamagedError):
            await reader.alerts()
    finally:
        await reader.close()
    assert suspicion(db).exists()


async def test_damage_met_by_the_writer_is_looked_at_by_the_next_start(filled: Store, db: Path) -> None:
    tear(db, "decisions")
    with pytest.raises(DamagedError):
        await filled.writer.must(decision(1), *(decision() for _ in range(500)))
    assert suspicion(db).exists()


async def test_a_locked_file_is_not_suspected(filled: Store, db: Path) -> None:
    with pytest.raises(StoreError):
        await filled.reader.pool.fetch("SELECT * FROM nothing")
    assert not suspicion(db).exists()


def mark_unclean(db: Path) -> None:
    spoil(db, "UPDATE meta SET value = 0 WHERE key = 'clean'")


async def test_a_doubtful_file_stays_so_until_it_was_looked_at(
    db: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(db, START)
    mark_unclean(db)
    monkeypatch.setattr(migrations, "_CHECKED_AT_START", 4096)
    for _ in range(2):
        store = await Store.open(db, clock)
        await store.close()
        assert store.condition == Condition(doubtful=True)

    store = await Store.open(db, clock)
    lines: list[LogRecord] = []
    try:
        await Caretaker(db, clock, lines.append, store.condition, store.writer).look()
    finally:
        await store.close()
    assert lines == []
    assert make_ready(db, START) == Condition()


async def test_a_search_index_that_drifted_is_mended_while_the_engine_runs(
    store: Store, db: Path, clock: VirtualClock
) -> None:
    await store.writer.must(log("first words"), log("second words"))
    spoil(db, "UPDATE logs SET message = 'other words' WHERE id = 1")
    lines: list[LogRecord] = []
    caretaker = Caretaker(db, clock, lines.append, Condition(doubtful=True), store.writer)
    await caretaker.look()
    assert ["built anew" in line.message for line in lines] == [True]
    assert [line.id for line in (await store.reader.logs("other")).records] == [1]
    assert caretaker.trouble == ""


def test_a_mark_has_the_search_index_mended(db: Path) -> None:
    prepare(db, START)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("INSERT INTO logs (id, at, level, message) VALUES (1, 1, 9, 'words')")
    suspicion(db).touch()
    assert make_ready(db, START) == Condition()
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT rowid FROM logs_fts WHERE logs_fts MATCH 'words'").fetchall()


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EIO, "check the disk"),
        (errno.EACCES, "check the directory, its owner and mode"),
    ],
)
def test_the_system_says_what_helps(number: int, hint: str) -> None:
    assert explain(OSError(number, "what it says"), Path("x.db")).hint == hint


def content(db: Path) -> bytes:
    return db.read_bytes()


def make_older(db: Path) -> None:
    """A file as the version before this one wrote it."""
    db.parent.mkdir(mode=0o700, exist_ok=True)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:-1])


async def test_a_reader_refuses_an_older_file_with_what_helps(db: Path) -> None:
    make_older(db)
    with pytest.raises(StoreError, match=f"schema {VERSION - 1}") as caught:
        await Reader.open(db)
    assert "start the engine on it once" in caught.value.hint
    prepare(db, START)
    await (await Reader.open(db)).close()


async def test_an_incident_file_of_an_older_version_is_read_and_left_as_it_is(db: Path) -> None:
    make_older(db)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("INSERT INTO meta VALUES ('incident', 7)")
        connection.execute("INSERT INTO logs (id, at, level, message) VALUES (1, 1, 9, 'a line of then')")
    before = content(db)
    reader = await Reader.open(db)
    try:
        assert [line.message for line in (await reader.logs()).records] == ["a line of then"]
    finally:
        await reader.close()
    assert content(db) == before
