"""The record of one alert: what is in it, and that nothing changes it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.attached import FileClient
from engine.clock import VirtualClock
from engine.errors import NotFoundError, StoreError
from engine.model import Point, Recording
from engine.store.incident import AFTER, BEFORE, extract, fired_at, is_record
from engine.store.integrity import damage
from engine.store.provenance import Run, note
from engine.store.store import Store
from tests.engine.store.samples import START, alert, decision, event, log, notification, recording


@pytest.fixture
async def filled(db: Path, clock: VirtualClock) -> Path:
    """An alert about one workflow, with what belongs to it and what does not."""
    store = await Store.open(db, clock)
    await note(store.writer, Run(0, START - 9_000, "1.0", "abc", "prod", "rules.yaml", 1), "version: 1\n")
    inside = replace(alert(7), started_at=START, resolved_at=START + 60, execution_id=3)
    subject = inside.subject
    early, late = START - BEFORE, START + 60 + AFTER
    times = {1: early - 1, 2: early + 1, 3: START, 4: late - 1, 5: late + 1}
    for number, at in times.items():
        await store.writer.must(shifted(number, at, subject))
    await store.writer.must(shifted(6, START, "another"), log("engine line"))
    await store.writer.must(Point("queue", (), START, 1.0), Point("queue", (), late + 9, 2.0))
    other = replace(alert(8), started_at=late + 5, resolved_at=None, fingerprint="other")
    await store.writer.must(inside, other, event(7), event(8), decision(7), notification(7), notification(8))
    await store.close()
    return db


def shifted(number: int, at: float, workflow_id: str) -> Recording:
    made = recording(number)
    moved = replace(made.execution, started_at=at, workflow_id=workflow_id)
    lines = tuple(replace(line, at=at) for line in made.logs)
    return replace(made, execution=moved, logs=lines, points=())


def ids(db: Path, table: str, column: str = "id") -> list[int | str]:
    with closing(sqlite3.connect(db)) as connection:
        return [row[0] for row in connection.execute(f"SELECT {column} FROM {table} ORDER BY 1")]


async def test_it_knows_when_its_alert_fired(filled: Path, tmp_path: Path, clock: VirtualClock) -> None:
    target = tmp_path / "seven.db"
    extract(filled, 7, target, clock.now())
    (fired,) = ids(target, "alerts", "COALESCE(fired_at, started_at)")
    assert fired_at(target) == fired
    assert fired_at(filled) is None
    assert fired_at(tmp_path / "none.db") is None


async def test_it_holds_what_is_around_the_alert(filled: Path, tmp_path: Path, clock: VirtualClock) -> None:
    target = tmp_path / "seven.db"
    assert extract(filled, 7, target, clock.now()) == 3
    assert ids(target, "executions") == [2, 3, 4]
    assert ids(target, "traces", "execution_id") == [2, 3, 4]
    assert ids(target, "alerts") == [7]
    assert ids(target, "alert_events", "alert_id") == ids(target, "notifications", "alert_id") == [7]
    assert ids(target, "runs", "digest") == ["abc"]
    assert damage(target, thorough=True) == ""
    client = await FileClient.open(target, clock)
    try:
        detail = await client.alert(7)
        assert detail.alert.id == 7
        assert detail.decisions
        assert detail.notifications
        found = await client.execution(3)
        assert len(await client.trace(found.trace_id)) == len(recording(3).spans)
        assert (await client.logs("engine line")).records
    finally:
        client.close()


async def test_it_is_one_private_file_and_the_source_is_as_before(
    filled: Path, tmp_path: Path, clock: VirtualClock
) -> None:
    before = ids(filled, "logs")
    target = tmp_path / "out" / "seven.db"
    target.parent.mkdir()
    extract(filled, 7, target, clock.now())
    assert [path.name for path in target.parent.iterdir()] == ["seven.db"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert ids(filled, "logs") == before
    assert is_record(target)
    assert not is_record(filled)


async def test_nothing_changes_it(filled: Path, tmp_path: Path, clock: VirtualClock) -> None:
    target = tmp_path / "eight.db"
    extract(filled, 8, target, clock.now())
    with pytest.raises(StoreError, match="is the record of alert 8: nothing in it changes"):
        await Store.open(target, clock)
    client = await FileClient.open(target, clock)
    try:
        with pytest.raises(StoreError, match="nothing in it changes"):
            await client.acknowledge(8, "me")
        assert (await client.alert(8)).alert.acked_at is None
    finally:
        client.close()


async def test_mistakes_leave_nothing_behind(filled: Path, tmp_path: Path, clock: VirtualClock) -> None:
    with pytest.raises(NotFoundError, match="there is no alert 99"):
        extract(filled, 99, tmp_path / "x.db", clock.now())
    (tmp_path / "mine.db").write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        extract(filled, 7, tmp_path / "mine.db", clock.now())
    with pytest.raises(StoreError):
        extract(filled, 7, tmp_path / "mine.db" / "x.db", clock.now())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.db", "state"]  # noqa: ASYNC240
