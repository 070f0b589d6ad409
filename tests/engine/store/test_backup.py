"""Copies of a database, and what becomes of one that is damaged."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.errors import StoreError
from engine.store.backup import KEPT, back_up, backups, begin_anew, copy, restore, verify
from engine.store.integrity import damage, mend_search
from engine.store.store import Store
from engine.store.upkeep import measure, vacuum
from tests.engine.store.samples import START, log, recording


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def content_of(path: Path) -> bytes:
    return path.read_bytes()


async def filled(db: Path, clock: VirtualClock, lines: int = 200) -> None:
    store = await Store.open(db, clock)
    await store.writer.must(*(log(f"line {number} {'x' * 200}") for number in range(lines)), recording(1))
    await store.close()


async def lines_of(db: Path, clock: VirtualClock) -> list[str]:
    store = await Store.open(db, clock)
    try:
        return [record.message.split(" x")[0] for record in (await store.reader.logs(limit=1_000)).records]
    finally:
        await store.close()


def spoil(db: Path, seed: int = 1) -> None:
    """Random bytes over pages behind the first, as a bad disk leaves them."""
    noise = random.Random(seed)
    with db.open("r+b") as file:
        for page in range(2, os.path.getsize(db) // 4096, 3):
            file.seek(page * 4096)
            file.write(noise.randbytes(4096))


async def test_a_copy_holds_everything_in_one_private_file(
    db: Path, clock: VirtualClock, tmp_path: Path
) -> None:
    await filled(db, clock)
    target, told = tmp_path / "copy.db", []
    copy(db, target, lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0
    assert mode_of(target) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["copy.db", "state"]
    assert len(await lines_of(target, clock)) == 203


async def test_a_copy_is_taken_beside_a_writer(db: Path, clock: VirtualClock, tmp_path: Path) -> None:
    await filled(db, clock, lines=20_000)
    copying = threading.Event()
    failures: list[BaseException] = []

    def copy_now() -> None:
        try:
            copy(db, tmp_path / "copy.db", lambda done, total: copying.set())
        except BaseException as error:
            failures.append(error)
        finally:
            copying.set()

    store = await Store.open(db, clock)
    try:
        thread = threading.Thread(target=copy_now)
        thread.start()
        copying.wait(10)
        for _ in range(20):
            await store.writer.must(log("meanwhile"))
        thread.join(20)
    finally:
        await store.close()
    assert not failures
    verify(tmp_path / "copy.db")
    assert len(measure(tmp_path / "copy.db").tables) > 5


async def test_nothing_is_overwritten(db: Path, clock: VirtualClock, tmp_path: Path) -> None:
    await filled(db, clock)
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        copy(db, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


async def test_a_damaged_database_is_not_copied(db: Path, clock: VirtualClock, tmp_path: Path) -> None:
    await filled(db, clock)
    spoil(db)
    with pytest.raises(StoreError, match="is damaged"):
        copy(db, tmp_path / "copy.db")
    assert sorted(os.listdir(tmp_path)) == ["state"]


async def test_restoring_keeps_what_was_there(db: Path, clock: VirtualClock, tmp_path: Path) -> None:
    await filled(db, clock, lines=3)
    copy(db, tmp_path / "copy.db")
    store = await Store.open(db, clock)
    await store.writer.must(log("later"))
    await store.close()
    kept = restore(db, tmp_path / "copy.db", START)
    assert kept is not None
    assert len(await lines_of(db, clock)) == 6
    assert len(await lines_of(kept / db.name, clock)) == 7
    assert mode_of(db) == 0o600


async def test_what_is_no_sound_backup_is_refused(db: Path, clock: VirtualClock, tmp_path: Path) -> None:
    await filled(db, clock)
    before = content_of(db)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    bad = tmp_path / "bad.db"
    copy(db, bad)
    spoil(bad)
    newer = tmp_path / "newer.db"
    copy(db, newer)
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 99")
    for source, sentence in (
        (other, "not a Tocsin"),
        (bad, "damaged"),
        (newer, "newer"),
        (tmp_path / "no", "not exist"),
    ):
        with pytest.raises(StoreError, match=sentence):
            restore(db, source, START)
    assert content_of(db) == before


async def test_the_newest_automatic_backups_stay(db: Path, clock: VirtualClock) -> None:
    await filled(db, clock, lines=3)
    taken = [back_up(db, START + 86_400 * day) for day in range(KEPT + 2)]
    assert backups(db) == tuple(reversed(taken[-KEPT:]))
    assert mode_of(db.with_name(db.name + ".backups")) == 0o700


async def test_a_failed_backup_costs_no_older_one(db: Path, clock: VirtualClock) -> None:
    await filled(db, clock)
    taken = [back_up(db, START + day) for day in range(KEPT)]
    spoil(db)
    with pytest.raises(StoreError, match="damaged"):
        back_up(db, START + KEPT)
    assert backups(db) == tuple(reversed(taken))


async def test_beginning_anew_takes_the_newest_sound_backup(db: Path, clock: VirtualClock) -> None:
    await filled(db, clock, lines=3)
    sound = back_up(db, START)
    spoil(back_up(db, START + 1))
    store = await Store.open(db, clock)
    await store.writer.must(*(log(f"later {'x' * 500}") for _ in range(100)))
    await store.close()
    spoil(db)
    damaged = content_of(db)
    kept, backup = begin_anew(db, START + 2)
    assert backup == sound
    assert content_of(kept / db.name) == damaged
    assert len(await lines_of(db, clock)) == 6


async def test_without_a_backup_a_new_database_takes_the_place(db: Path, clock: VirtualClock) -> None:
    await filled(db, clock)
    spoil(db)
    damaged = content_of(db)
    kept, backup = begin_anew(db, START)
    assert backup is None
    assert sorted(os.listdir(db.parent)) == [db.name, kept.name]
    assert os.listdir(kept) == [db.name]
    assert content_of(kept / db.name) == damaged
    assert await lines_of(db, clock) == []


@pytest.mark.parametrize("seed", range(20))
async def test_garbage_in_pages_is_seen(db: Path, clock: VirtualClock, seed: int) -> None:
    await filled(db, clock)
    assert damage(db) == ""
    spoil(db, seed)
    assert damage(db)


async def test_a_search_index_that_drifted_is_built_anew(db: Path, clock: VirtualClock) -> None:
    await filled(db, clock, lines=3)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        assert mend_search(connection) is False
        connection.execute("DELETE FROM logs WHERE id = 2")
        assert damage(db) == ""
        assert mend_search(connection) is True
        assert mend_search(connection) is False


async def test_vacuum_gives_space_back(db: Path, clock: VirtualClock) -> None:
    await filled(db, clock, lines=5_000)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("DELETE FROM logs WHERE id > 10")
        connection.execute("INSERT INTO logs_fts (logs_fts) VALUES ('rebuild')")
    before, after = vacuum(db)
    assert after < before / 4
    assert len(await lines_of(db, clock)) == 10


async def test_measuring_adds_up(db: Path, clock: VirtualClock) -> None:
    await filled(db, clock)
    use = measure(db)
    rows = {table.name: table.rows for table in use.tables}
    assert rows["executions"] == 1
    assert rows["logs"] == rows["logs_fts"] == 203
    assert 0.8 * use.file < sum(table.size for table in use.tables) <= use.file
