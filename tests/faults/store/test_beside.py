"""A console beside an engine: the engine restarts, the database is exchanged, and it goes on reading."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.attached import FileClient
from engine.clock import VirtualClock
from engine.errors import StoreError
from engine.store.backup import back_up, copy, restore
from engine.store.files import companions
from engine.store.opening import suspicion
from engine.store.questions import ask
from tests.engine.store.samples import START, log, recording
from tests.faults.store.files import assert_sound, lines_in, opened, query, set_aside, spoil

ENGINES = 4
COMPETE = """
import sys
from pathlib import Path
from engine.errors import LockedError
from engine.store.lock import InstanceLock
from engine.store.migrations import prepare
lock = InstanceLock(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    lock.acquire()
    prepare(Path(sys.argv[1]), 1.0)
    print("mine", flush=True)
except LockedError as error:
    print(error.message, flush=True)
sys.stdin.readline()
"""

LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT message FROM logs ORDER BY id DESC LIMIT 1").fetchone()[0])
connection.close()
"""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
async def db(tmp_path: Path, clock: VirtualClock) -> Path:
    db = tmp_path / "state" / "tocsin.db"
    await run(db, clock, "first")
    return db


@pytest.fixture
async def beside(db: Path, clock: VirtualClock) -> AsyncIterator[FileClient]:
    client = await FileClient.open(db, clock)
    yield client
    client.close()


async def run(db: Path, clock: VirtualClock, *lines: str) -> None:
    """An engine runs for a moment and logs `lines`."""
    async with opened(db, clock) as store:
        for line in lines:
            await store.writer.must(log(line))


def move(source: Path, target: Path) -> None:
    source.rename(target)


def looked_at(db: Path) -> subprocess.CompletedProcess[str]:
    """Another program reads the last line, and goes."""
    return subprocess.run([sys.executable, "-c", LOOK, db], capture_output=True, text=True, timeout=20)


async def lines_of(client: FileClient) -> list[str]:
    return [record.message for record in (await client.logs()).records]


async def test_it_goes_on_when_engines_come_and_go(db: Path, beside: FileClient, clock: VirtualClock) -> None:
    for number in range(5):
        async with opened(db, clock) as store:
            await store.writer.must(log(f"engine {number}"))
            assert (await lines_of(beside))[0] == f"engine {number}"
        assert len(await lines_of(beside)) == number + 2
    assert_sound(db)


async def test_it_goes_over_to_a_database_that_is_restored(
    db: Path, beside: FileClient, clock: VirtualClock
) -> None:
    backup = back_up(db, START)
    await run(db, clock, "second")
    assert await lines_of(beside) == ["second", "first"]
    restore(db, backup, START)
    assert await lines_of(beside) == ["first"]
    async with opened(db, clock) as store:
        await store.writer.must(log("third"))
        assert await lines_of(beside) == ["third", "first"]
    assert await lines_of(beside) == ["third", "first"]


async def test_it_goes_over_to_a_database_that_begins_anew(
    db: Path, beside: FileClient, clock: VirtualClock
) -> None:
    await run(db, clock, *(f"line {number} {'x' * 900}" for number in range(60)))
    assert len(await lines_of(beside)) == 61
    spoil(db)
    suspicion(db).touch()
    async with opened(db, clock) as store:
        assert "begins anew" in store.condition.notice
        assert await lines_of(beside) == []
        await store.writer.must(log("anew"))
        assert await lines_of(beside) == ["anew"]


async def test_its_end_takes_nothing_from_the_database_that_came(db: Path, clock: VirtualClock) -> None:
    """A connection that ends may remove the write-ahead log that has the name of its own."""
    client = await FileClient.open(db, clock)
    assert await lines_of(client) == ["first"]
    restore(db, back_up(db, START), START)
    async with opened(db, clock) as store:
        await store.writer.must(log("kept in the log"), recording(1))
        client.close()
        assert companions(db)[0].stat().st_size
        assert lines_in(db) == 5
    assert lines_in(db) == 5


async def test_questions_that_are_under_way_are_answered(
    db: Path, beside: FileClient, clock: VirtualClock
) -> None:
    backup = back_up(db, START)

    async def ask() -> list[list[str]]:
        return [await lines_of(beside) for _ in range(40)]

    async def exchange() -> list[list[str]]:
        for number in range(5):
            await asyncio.to_thread(restore, db, backup, START + number)
        return [await lines_of(beside)]

    answers = await asyncio.gather(ask(), ask(), ask(), ask(), exchange())
    assert all(answer == ["first"] for asked in answers for answer in asked)
    assert len(set_aside(db)) == 5


async def test_without_a_database_it_says_so_and_comes_back(
    db: Path, beside: FileClient, clock: VirtualClock
) -> None:
    move(db, db.with_name("elsewhere.db"))
    for _ in range(2):
        with pytest.raises(StoreError, match=r"tocsin\.db does not exist"):
            await lines_of(beside)
    move(db.with_name("elsewhere.db"), db)
    assert await lines_of(beside) == ["first"]


def test_of_engines_that_start_at_once_one_gets_the_database(tmp_path: Path) -> None:
    db = tmp_path / "tocsin.db"
    command = [sys.executable, "-c", COMPETE, str(db)]
    engines = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(ENGINES)
    ]
    try:
        for word in ("ready", "answer"):
            answers = []
            for engine in engines:
                assert engine.stdout is not None
                answers.append(engine.stdout.readline().strip())
            for engine in engines:
                assert engine.stdin is not None
                engine.stdin.write("go\n")
                engine.stdin.flush()
            assert word == "answer" or answers == ["ready"] * ENGINES
    finally:
        for engine in engines:
            engine.kill()
            with engine:
                pass
    refusals = [answer for answer in answers if answer != "mine"]
    assert len(refusals) == ENGINES - 1
    assert all("is in use by an engine" in answer for answer in refusals)
    assert query(db, "PRAGMA quick_check") == [("ok",)]


async def test_whoever_looks_leaves_a_running_engine_its_log(
    db: Path, clock: VirtualClock, tmp_path: Path
) -> None:
    async with opened(db, clock) as store:
        await store.writer.must(log("looked for"))
        # What this process looks at the file for must not cost it its locks.
        await asyncio.to_thread(copy, db, tmp_path / "copy.db")
        ask(db, "SELECT 1")
        kept = [path.stat().st_ino for path in companions(db)]
        seen = await asyncio.to_thread(looked_at, db)
        assert (seen.stdout, seen.stderr) == ("looked for\n", "")
        assert [path.stat().st_ino for path in companions(db)] == kept
