"""Which files are taken, made, migrated and checked."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.errors import StoreError
from engine.store.lock import InstanceLock
from engine.store.migrations import MIGRATIONS, VERSION, inspect, migrate, prepare
from engine.store.reader import Reader
from engine.store.store import Store
from tests.engine.store.samples import START, log, recording


def pragma(db: Path, name: str) -> object:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def content_of(db: Path) -> bytes:
    return db.read_bytes()


async def refused(db: Path, clock: VirtualClock) -> str:
    """The sentence of the refusal, the same for the engine and for a reader; the file is left as it was."""
    before = content_of(db)
    with pytest.raises(StoreError) as by_store:
        await Store.open(db, clock)
    with pytest.raises(StoreError) as by_reader:
        await Reader.open(db)
    assert content_of(db) == before
    assert by_store.value.message == by_reader.value.message
    return by_store.value.message


async def test_a_new_file_is_private_whole_and_marked(store: Store, db: Path) -> None:
    await store.writer.must(log("something"))
    for name in (db.name, db.name + "-wal", db.name + "-shm"):
        assert db.with_name(name).stat().st_mode & 0o777 == 0o600
    assert db.parent.stat().st_mode & 0o777 == 0o700
    assert pragma(db, "journal_mode") == "wal"
    assert pragma(db, "auto_vacuum") == 2
    assert pragma(db, "user_version") == VERSION
    inspect(db)
    assert names(db.parent) == [db.name, db.name + "-shm", db.name + "-wal"]


async def test_a_half_made_file_of_a_killed_engine_is_in_nobodys_way(db: Path, clock: VirtualClock) -> None:
    db.parent.mkdir()
    db.with_name(db.name + ".new").write_bytes(b"half")
    store = await Store.open(db, clock)
    await store.close()
    assert names(db.parent) == [db.name]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"workflows:\n  - id: login\n" * 20, "is not a Tocsin database"),
        (b"\0" * 8192, "is not a Tocsin database"),
    ],
)
async def test_files_that_are_not_ours_are_left_alone(
    tmp_path: Path, clock: VirtualClock, content: bytes, sentence: str
) -> None:
    db = tmp_path / "x.db"
    db.write_bytes(content)
    assert sentence in await refused(db, clock)
    assert names(tmp_path) == ["x.db"]


async def test_a_database_of_another_program_is_left_alone(tmp_path: Path, clock: VirtualClock) -> None:
    db = tmp_path / "x.db"
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    assert "is not a Tocsin database" in await refused(db, clock)


async def test_a_file_of_a_newer_version_is_left_alone(db: Path, clock: VirtualClock) -> None:
    prepare(db, START)
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "written by a newer Tocsin" in await refused(db, clock)


async def test_a_missing_file_is_not_made_by_a_reader(db: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        await Reader.open(db)
    assert not db.parent.exists()


async def test_a_directory_is_no_database(tmp_path: Path, clock: VirtualClock) -> None:
    with pytest.raises(StoreError, match=r"[Dd]irectory"):
        await Store.open(tmp_path, clock)


async def test_a_journal_without_its_database_is_not_replayed(db: Path, clock: VirtualClock) -> None:
    db.parent.mkdir()
    db.with_name(db.name + "-wal").write_bytes(b"rows")
    with pytest.raises(StoreError, match=r"its journal .* remains"):
        await Store.open(db, clock)
    assert db.name not in names(db.parent)


async def test_a_reader_sees_what_a_killed_engine_left(store: Store, db: Path) -> None:
    await store.writer.must(recording(1))
    reader = await Reader.open(db)
    assert len(await reader.executions()) == 1
    await reader.close()
    await reader.close()
    with pytest.raises(StoreError, match="closed"):
        await reader.executions()


def test_a_failing_migration_leaves_the_old_schema_whole(db: Path) -> None:
    prepare(db, START)
    more = (*MIGRATIONS, ("CREATE TABLE extra (id INTEGER)", "CREATE TABLE logs (id INTEGER)"))
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, more)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'extra'").fetchone() == (
            0,
        )
    assert pragma(db, "user_version") == VERSION


def test_only_missing_migrations_are_applied(db: Path) -> None:
    prepare(db, START)
    more = (*MIGRATIONS, ("CREATE TABLE extra (id INTEGER)",))
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        migrate(connection, more)
        migrate(connection, more)
    assert pragma(db, "user_version") == VERSION + 1
    prepare_again = pytest.raises(StoreError, match="newer")
    with prepare_again:
        prepare(db, START)


def mark_unclean(db: Path, *statements: str) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = 0 WHERE key = 'clean'")
        for statement in statements:
            connection.execute(statement)


def damage(db: Path) -> None:
    with db.open("r+b") as file:
        for page in range(10, db.stat().st_size // 4096, 3):
            file.seek(page * 4096)
            file.write(os.urandom(4096))


async def test_a_drifted_search_index_is_built_anew_after_a_crash(
    store: Store, db: Path, clock: VirtualClock
) -> None:
    await store.writer.must(log("alpha"), log("beta"))
    await store.close()
    mark_unclean(db, "DELETE FROM logs WHERE message = 'alpha'")
    again = await Store.open(db, clock)
    assert (await again.reader.logs("beta")).records
    await again.close()
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("INSERT INTO logs_fts (logs_fts, rank) VALUES ('integrity-check', 1)")


async def test_damage_is_found_after_a_crash(store: Store, db: Path, clock: VirtualClock) -> None:
    store.writer.offer(*(recording(number) for number in range(1, 60)))
    await store.writer.flush()
    await store.close()
    mark_unclean(db)
    damage(db)
    again = await Store.open(db, clock)
    try:
        assert "was damaged" in again.condition.notice
        assert await again.reader.executions() == ()
    finally:
        await again.close()
    assert [name for name in names(db.parent) if name.startswith(f"{db.name}.corrupt-")]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: path.symlink_to("gone.db"), "does not exist"),
    ],
    ids=["pipe", "circle of links", "link to nothing"],
)
async def test_what_is_no_file_is_told_at_once(
    tmp_path: Path, clock: VirtualClock, make: Callable[[Path], object], sentence: str
) -> None:
    db = tmp_path / "odd.db"
    make(db)
    lock = InstanceLock(db)
    lock.acquire()
    try:
        with pytest.raises(StoreError, match=sentence):
            await Store.open(db, clock)
    finally:
        lock.release()
    with pytest.raises(StoreError, match=sentence):
        await Reader.open(db)
