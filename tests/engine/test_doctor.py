"""What the doctor sees, and what it advises."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import SystemClock, VirtualClock
from engine.config.loader import load_config
from engine.doctor import Finding, Verdict, examine
from engine.engine import Engine
from engine.store.backup import back_up
from engine.store.care import Caretaker
from engine.store.limits import MEBIBYTE, Limits
from engine.store.lock import InstanceLock
from engine.store.migrations import prepare
from engine.store.store import Store
from tests.engine.store.samples import START, recording

NOW = START + 4 * 86_400


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    db = tmp_path / "state" / "tocsin.db"
    prepare(db, START)
    return db


def execute(db: Path, sql: str) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute(sql)


def seen(db: Path) -> Mapping[str, Finding]:
    return {f"{finding.area} {finding.name}": finding for finding in examine(db, NOW)}


def test_a_fresh_database_is_well(db: Path) -> None:
    findings = seen(db)
    # The version of SQLite is the machine's.
    assert {f.name for f in findings.values() if f.verdict is not Verdict.OK} <= {"sqlite"}
    assert findings["database mode"].value == "0600"
    assert findings["engine process"].value == "none runs on this database"


def test_a_missing_database_is_no_fault(tmp_path: Path) -> None:
    findings = seen(tmp_path / "none" / "x.db")
    assert "does not exist yet" in findings["database file"].value
    assert findings["database file"].verdict is Verdict.OK


def test_somebody_elses_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("not a database\n" * 100)
    finding = seen(tmp_path / "x.db")["database file"]
    assert finding.verdict is Verdict.ERROR
    assert "is not a Tocsin database" in finding.value


def test_damage_asks_for_a_restore(db: Path) -> None:
    with db.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 4096 * 5)
    finding = seen(db)["database integrity"]
    assert finding.verdict is Verdict.ERROR
    assert "tocsin db restore" in finding.advice


def test_a_file_that_others_can_read_is_told(db: Path) -> None:
    db.chmod(0o644)
    finding = seen(db)["database mode"]
    assert finding.verdict is Verdict.WARNING
    assert finding.advice == f"others can read it: chmod 600 {db}"


def test_undelivered_and_dead_letters_are_counted(db: Path) -> None:
    columns = (
        "key, alert_id, channel, transition, severity, title, body, created_at, state, tries, next_at, error"
    )
    for number, state in enumerate(("queued", "sending", "dead", "sent")):
        values = f"'{number}', 1, 'ops', 'fired', 'ERROR', '', '', {NOW - 3600 + number}, '{state}', 0, 0, ''"
        execute(db, f"INSERT INTO notifications ({columns}) VALUES ({values})")
    findings = seen(db)
    assert findings["database notifications"].value == "2 wait, the oldest for 1 h"
    assert findings["database notifications"].verdict is Verdict.WARNING
    assert findings["database dead letters"].value == "1"
    assert findings["database dead letters"].verdict is Verdict.WARNING


def test_an_engine_that_does_not_answer_is_wrong(db: Path) -> None:
    lock = InstanceLock(db)
    lock.acquire()
    try:
        findings = seen(db)
    finally:
        lock.release()
    assert findings["engine process"].value == str(os.getpid())
    assert findings["engine answers"].verdict is Verdict.ERROR


async def test_a_task_that_dies_again_and_again_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(_: Caretaker) -> None:
        raise ValueError("boom")

    monkeypatch.setattr(Caretaker, "look", look)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    path, db = tmp_path / "rules.yaml", tmp_path / "t.db"
    path.write_text("""
version: 1
workflows: [{id: own, name: Own, every: 1h, steps: [{id: run, shell: {command: ["true"]}}]}]
""")
    engine = Engine(load_config(path), db, SystemClock())
    await engine.start(scheduled=False)
    try:
        findings = await asyncio.to_thread(examine, db, NOW)
        health = await engine.current_health()
    finally:
        await engine.stop()
    (task,) = (finding for finding in findings if finding.name == "task")
    assert task.value == "database care stopped once: boom"
    assert task.verdict is Verdict.ERROR
    assert [part.detail for part in health.components if part.name == "store"] == [task.value]


@pytest.mark.parametrize(("age", "verdict"), [(3_600, Verdict.OK), (3 * 86_400, Verdict.WARNING)])
def test_the_age_of_the_newest_backup_counts(db: Path, age: float, verdict: Verdict) -> None:
    backup = back_up(db, NOW - age)
    os.utime(backup, (NOW - age, NOW - age))
    assert seen(db)["backups newest"].verdict is verdict


async def test_sizes_and_the_ballast_are_told(db: Path) -> None:
    limits = Limits(size=8 * MEBIBYTE, ballast=MEBIBYTE, floor=0)
    store = await Store.open(db, VirtualClock(NOW), limits)
    store.writer.offer(*(recording(number) for number in range(1, 200)))
    await store.writer.flush()
    assert store.keeper.ballast.hold()
    await store.close()
    findings = seen(db)
    assert "of at most 8.0 MiB" in findings["database size"].value
    assert findings["database ballast"].value == "1.0 MiB"
    assert findings["database kept"].value.startswith(("executions", "logs"))
    execute(db, "UPDATE meta SET value = 1000 WHERE key = 'max_size'")
    crowded = seen(db)["database size"]
    assert crowded.verdict is Verdict.WARNING
    assert "settings.storage.max_size" in crowded.advice


async def test_the_exporter_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    path, db = tmp_path / "rules.yaml", tmp_path / "t.db"
    path.write_text("""
version: 1
settings: {tracing: {export: {url: "http://127.0.0.1:9"}}}
""")
    engine = Engine(load_config(path), db, SystemClock())
    await engine.start(scheduled=False)
    try:
        engine._rooms.exporter.take([recording(1)])
        engine._rooms.exporter.dropped = 7
        findings = await asyncio.to_thread(examine, db, NOW)
    finally:
        await engine.stop()
    (exporter,) = (finding for finding in findings if finding.name == "exporter")
    assert exporter.value.startswith("http://127.0.0.1:9, ")
    assert exporter.value.endswith(" records wait, 7 were dropped since its start")
    assert exporter.verdict is Verdict.WARNING
    assert "tocsin logs" in exporter.advice
