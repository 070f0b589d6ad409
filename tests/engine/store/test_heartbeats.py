"""What jobs said is stored, found again, and known to files of the first version once they are migrated."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from engine.clock import SystemClock
from engine.model import Heartbeat
from engine.store.migrations import MIGRATIONS, migrate, prepare
from engine.store.store import Store

NEW = Heartbeat("a" * 32, 5.0)
FULL = Heartbeat("b" * 32, 5.0, 6.0, 7.0, 8.0, 1.5, 137, "no\0space \udcff left")


async def test_each_job_has_one_row_that_is_the_newest(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "x.db", SystemClock())
    try:
        await store.writer.must(NEW, FULL)
        await store.writer.must(replace(NEW, succeeded_at=9.0))
        found = {beat.key: beat for beat in await store.reader.heartbeats()}
    finally:
        await store.close()
    assert found == {
        NEW.key: replace(NEW, succeeded_at=9.0),
        FULL.key: replace(FULL, note="no\u2400space ? left"),
    }


async def test_a_file_of_the_first_version_learns_of_heartbeats(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    prepare(db, 0.0)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("DROP TABLE heartbeats")
        connection.execute("PRAGMA user_version = 1")
        migrate(connection, MIGRATIONS[:2])
        assert connection.execute("SELECT count(*) FROM heartbeats").fetchone() == (0,)
