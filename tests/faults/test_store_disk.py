"""Full disks and places that cannot be written: sentences, and nothing lost that was stored."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest

from engine.clock import VirtualClock
from engine.errors import StoreError
from engine.store import migrations
from engine.store.migrations import prepare
from engine.store.store import Store
from tests.engine.store.samples import START, alert, execution, log, recording

NOBODY = 65_534


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "tocsin.db", VirtualClock(START))
    yield store
    await store.close()


async def limit_pages(store: Store, more: int | None) -> None:
    """Let the file grow by `more` pages only, as a disk that is nearly full would; None lifts the limit."""

    async def limit(connection: aiosqlite.Connection) -> None:
        pages = next(iter(await connection.execute_fetchall("PRAGMA page_count")))[0]
        wanted = 2**30 if more is None else pages + more
        await connection.execute_fetchall(f"PRAGMA max_page_count = {wanted}")

    await store.writer.run(limit)


async def test_a_full_disk_is_told_and_survived(store: Store) -> None:
    await store.writer.must(execution(1))
    await limit_pages(store, 0)
    store.writer.offer(*(log("x" * 3_000) for _ in range(50)))
    with pytest.raises(StoreError, match="the disk is full"):
        await store.writer.must(*(alert(number, message="y" * 3_000) for number in range(50)))
    assert store.writer.dropped == 50
    assert "the disk is full" in store.writer.last_error
    assert (await store.reader.execution(1)).id == 1
    assert await store.reader.alerts() == ()
    await limit_pages(store, None)
    await store.writer.must(alert(1))
    assert store.writer.last_error == ""
    assert (await store.reader.alert(1)).alert == alert(1)


async def test_awaited_rows_get_the_room_that_telemetry_does_not_fit_in(store: Store) -> None:
    await store.writer.must(alert(1))
    await limit_pages(store, 2)
    store.writer.offer(*(recording(number) for number in range(1, 200)))
    await store.writer.must(alert(2))
    assert len(await store.reader.alerts()) == 2
    assert await store.reader.executions() == ()
    assert store.writer.dropped == sum(1 + 2 + 3 + 8 + 3 for _ in range(1, 200))


async def test_a_file_that_was_taken_away_takes_nothing_in(tmp_path: Path) -> None:
    db, elsewhere = tmp_path / "tocsin.db", tmp_path / "elsewhere.db"
    store = await Store.open(db, VirtualClock(START))
    await store.writer.must(alert(1))
    db.rename(elsewhere)
    store.writer.offer(recording(1))
    with pytest.raises(StoreError, match="was removed or replaced while in use"):
        await store.writer.must(alert(2))
    assert "removed" in store.writer.last_error
    assert store.writer.dropped == 1 + 2 + 3 + 8 + 3
    db.write_bytes(b"another file")
    with pytest.raises(StoreError, match="was removed or replaced while in use"):
        await store.writer.must(alert(2))
    elsewhere.rename(db)
    await store.writer.must(alert(3))
    assert {one.id for one in await store.reader.alerts()} == {1, 3}
    await store.close()


async def test_a_disk_that_is_full_at_the_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = tmp_path / "tocsin.db"
    cramped = (("PRAGMA max_page_count = 3", *migrations.MIGRATIONS[0]),)
    monkeypatch.setattr(migrations, "MIGRATIONS", cramped)
    monkeypatch.setattr(migrations.migrate, "__defaults__", (cramped, None))
    with pytest.raises(StoreError, match="the disk is full"):
        await Store.open(db, VirtualClock(START))
    assert os.listdir(tmp_path) == []


OPEN = f"""
import asyncio, os, sys
from pathlib import Path
from engine.clock import SystemClock
from engine.errors import StoreError
from engine.store.store import Store
# Loads what comes late: the library may lie where nobody cannot read it.
asyncio.run(asyncio.to_thread(int))
if os.getuid() == 0:
    os.setgid({NOBODY})
    os.setuid({NOBODY})
try:
    asyncio.run(Store.open(Path(sys.argv[1]), SystemClock()))
except StoreError as error:
    print(error.message)
    print(error.hint)
"""


@pytest.mark.parametrize("existing", [False, True])
def test_a_place_that_cannot_be_written_is_told(existing: bool) -> None:
    # Not under tmp_path, whose parents only their owner may enter.
    place = Path(tempfile.mkdtemp(prefix="tocsin-"))
    db = place / "tocsin.db"
    try:
        if existing:
            prepare(db, START)
            db.chmod(0o644)
        place.chmod(0o555)
        result = subprocess.run(
            [sys.executable, "-c", OPEN, str(db)], capture_output=True, text=True, timeout=20, check=False
        )
        message, hint = result.stdout.splitlines()
        assert str(db) in message
        assert hint
        assert result.stderr == ""
    finally:
        place.chmod(0o755)
        for file in place.iterdir():
            file.unlink()
        place.rmdir()


async def test_committed_rows_are_whole_after_reopening_a_full_file(tmp_path: Path) -> None:
    db = tmp_path / "tocsin.db"
    store = await Store.open(db, VirtualClock(START))
    await store.writer.must(recording(1))
    await limit_pages(store, 0)
    store.writer.offer(*(log("x" * 3_000) for _ in range(50)))
    await store.close()
    assert store.writer.dropped == 50
    again = await Store.open(db, VirtualClock(START))
    assert (await again.reader.execution(1)).id == 1
    await again.close()
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
