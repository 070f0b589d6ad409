"""Files of every earlier schema are brought up to date with all that is in them, and a copy is kept."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.clock import VirtualClock
from engine.errors import StoreError
from engine.model import Execution, Outcome, Recording, Span
from engine.store import migrations
from engine.store.encode import identifier
from engine.store.migrations import MIGRATIONS, VERSION, migrate, prepare
from engine.store.reader import Reader
from engine.store.store import Store
from tests.engine.store.samples import FAILURE, START, attempts, execution, log, recording, span, trace_of

COMPACT = 5
"""The schema from which on traces and points are packed."""
EXECUTION = "INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ATTEMPT = "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
SERIES = "INSERT OR IGNORE INTO series VALUES (?, ?, ?)"
SPAN = "INSERT INTO spans VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
LOG = "INSERT INTO logs VALUES (NULL, ?, ?, ?, ?, ?, NULL, ?, NULL)"
INDEX = "INSERT INTO logs_fts (rowid, message, workflow_id) SELECT id, message, workflow_id FROM logs"
LATE = span(77, "a" * 16, trace_id=trace_of(2), execution_id=None)
FOREIGN = span(78, "b" * 16, trace_id=trace_of(50), execution_id=3)


def runs() -> list[Recording]:
    """Five executions as they are kept: succeeded after a second attempt, failed, and skipped."""
    usual = [recording(number) for number in range(1, 4)]
    failed = recording(4)
    failed = replace(failed, execution=replace(failed.execution, outcome=Outcome.FAILED, failure=FAILURE))
    skipped = Recording(execution(5, outcome=Outcome.SKIPPED, reason="overlap", attempt_count=0))
    return [replace(one, execution=replace(one.execution, attempt_count=2)) for one in (*usual, failed)] + [
        skipped
    ]


def old_file(db: Path, version: int) -> None:
    """A file of an earlier schema with `runs` in it, as the program of that time wrote them."""
    db.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        migrate(connection, MIGRATIONS[:version])
        connection.execute("PRAGMA journal_mode = WAL")
        series: dict[str, int] = {}
        for one in runs():
            connection.execute(EXECUTION, old_execution(one.execution))
            for tried in one.execution.attempts:
                failure = old_failure(tried)
                row = (one.execution.id, tried.number, tried.started_at, tried.duration, tried.outcome.value)
                connection.execute(ATTEMPT, (*row, *failure))
            connection.executemany(SPAN, (old_span(each, None) for each in one.spans))
            for found in one.points:
                number = series.setdefault(found.name, len(series) + 1)
                labels = json.dumps(found.labels, separators=(",", ":"))
                connection.execute(
                    "INSERT OR IGNORE INTO series VALUES (?, ?, ?)", (number, found.name, labels)
                )
                connection.execute("INSERT INTO points VALUES (?, ?, ?)", (number, found.at, found.value))
            for line in one.logs:
                cells = (line.at, int(line.level), line.message, line.workflow_id, line.execution_id)
                connection.execute(LOG, (*cells, identifier(line.span_id)))
        connection.execute("INSERT INTO points VALUES (1, ?, NULL)", (START + 9_000,))
        connection.executemany(SPAN, (old_span(loose, loose.trace_id) for loose in (LATE, FOREIGN)))
        connection.execute(INDEX)


def old_execution(row: Execution) -> tuple[Any, ...]:
    return (
        row.id, row.workflow_id, row.workflow_name, row.priority.value, identifier(row.trace_id),
        row.scheduled_at, row.started_at, row.duration, row.outcome.value, row.reason or None,
        row.attempt_count, *old_failure(row),
    )  # fmt: skip


def old_failure(row: Any) -> tuple[Any, ...]:
    found = row.failure
    return (
        (found.message, found.type.value, found.category.value, found.retry_after) if found else (None,) * 4
    )


def old_span(row: Span, trace_id: str | None) -> tuple[Any, ...]:
    events = [[event.at, event.name, dict(event.attributes)] for event in row.events]
    ids = (identifier(trace_id), identifier(row.span_id), identifier(row.parent_id))
    texts = (row.name, row.kind.value, row.started_at, row.duration, row.status.value)
    return row.execution_id, *ids, *texts, json.dumps(dict(row.attributes)), json.dumps(events)


def query(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql).fetchall()


async def same_as_ever(reader: Reader) -> None:
    for one in runs():
        assert await reader.execution(one.execution.id) == one.execution
        late = (LATE,) if one.execution.trace_id == LATE.trace_id else ()
        assert await reader.trace(one.execution.trace_id) == tuple(
            sorted((*one.spans, *late), key=lambda each: each.started_at)
        )
    assert await reader.trace(FOREIGN.trace_id) == (FOREIGN,)
    lines = [line for one in runs() for line in one.logs]
    found = (await reader.logs()).records
    assert [replace(line, id=0) for line in reversed(found)] == lines
    assert len((await reader.logs("execution 3")).records) == 3
    (retried,) = (await reader.retries(START, START + 100)).workflows
    assert (retried.retried, retried.rescued) == (4, 3)
    assert retried.waited == sum(
        one.execution.duration - sum(tried.duration for tried in attempts()) for one in runs()[:4]
    )


@pytest.mark.parametrize("version", range(1, COMPACT))
async def test_an_older_file_reads_as_it_did(db: Path, clock: VirtualClock, version: int) -> None:
    old_file(db, version)
    before = query(db, "SELECT series, at, value FROM points ORDER BY series, at")
    store = await Store.open(db, clock)
    await same_as_ever(store.reader)
    assert query(db, "SELECT series, at, value FROM points ORDER BY series, at") == before
    assert query(db, "SELECT count(*), count(DISTINCT layout) FROM samples") == [(5, 2)]
    assert query(db, "PRAGMA user_version") == [(VERSION,)]
    assert query(db, "PRAGMA integrity_check") == [("ok",)]
    tables = {name for (name,) in query(db, "SELECT name FROM sqlite_schema")}
    assert not {"attempts", "old_spans", "old_points"} & tables
    await store.writer.must(recording(9), log("new"))
    assert await store.reader.trace(trace_of(9)) == recording(9).spans
    await store.close()


async def test_a_copy_of_the_older_file_is_kept(db: Path, clock: VirtualClock) -> None:
    old_file(db, 4)
    (db.parent / "tocsin.db.v4.bak").write_text("of an earlier try")
    await (await Store.open(db, clock)).close()
    kept = db.parent / "tocsin.db.v4.bak"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert query(kept, "PRAGMA user_version") == [(4,)]
    assert query(kept, "SELECT count(*) FROM attempts") == [(8,)]
    kept.unlink()
    await (await Store.open(db, clock)).close()
    assert not kept.exists()


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_file_without_rows_is_brought_up_to_date(db: Path, version: int) -> None:
    db.parent.mkdir()
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:version])
    prepare(db, START)
    assert query(db, "PRAGMA user_version") == [(VERSION,)]


def test_a_conversion_that_fails_leaves_the_older_file(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("no more")

    old_file(db, 4)
    steps = (*MIGRATIONS[:4], (*MIGRATIONS[4], fail))
    monkeypatch.setattr(migrations.migrate, "__defaults__", (steps, None))
    with pytest.raises(StoreError, match="no more"):
        prepare(db, START)
    assert query(db, "PRAGMA user_version") == [(4,)]
    assert query(db, "SELECT count(*) FROM attempts") == [(8,)]
    assert query(db, "SELECT count(*) FROM points") == [(33,)]


def test_nothing_is_migrated_without_its_copy(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    old_file(db, 4)
    monkeypatch.setattr("engine.store.backup.copy", full)
    with pytest.raises(StoreError, match="full"):
        prepare(db, START)
    assert query(db, "PRAGMA user_version") == [(4,)]


def test_what_is_left_of_executions_that_are_gone_leaves_too(db: Path) -> None:
    old_file(db, 4)
    orphans: Iterable[tuple[Any, ...]] = [old_span(span(5, execution_id=99), None)]
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.executemany(SPAN, orphans)
    prepare(db, START)
    loose = [(identifier(each.span_id),) for each in (LATE, FOREIGN)]
    assert query(db, "SELECT span_id FROM spans ORDER BY id") == loose
