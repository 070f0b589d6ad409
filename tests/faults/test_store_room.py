"""Full disks and files at their limit: alerts are kept, the rest is counted."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.store import housekeeping, wal
from engine.store.ballast import Ballast
from engine.store.integrity import damage
from engine.store.limits import MEBIBYTE, Limits
from engine.store.migrations import prepare
from engine.store.retention import Pace
from engine.store.store import Store
from tests.engine.store.samples import START, alert, event, log, notification, recording
from tests.faults.store.files import opened_until

DISK = 16 * MEBIBYTE
LIMIT = 4 * MEBIBYTE
SMALL = Limits(ballast=2 * MEBIBYTE, floor=5 * MEBIBYTE)
ROWS = int(os.environ.get("TOCSIN_RETENTION_ROWS", "60000"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    if os.getuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("file systems can only be mounted by root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, left: int = 0) -> Path:
    """Let somebody else's file take all of the disk but `left` bytes."""
    filler = place / "somebody.else"
    found = os.statvfs(place)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - left)
    return filler


async def test_on_a_full_disk_alerts_are_kept_and_everything_comes_back(
    disk: Path, at_end: AsyncExitStack
) -> None:
    clock = VirtualClock(START)
    store = await opened_until(at_end, disk / "tocsin.db", clock, SMALL)
    writer, keeper = store.writer, store.keeper
    await clock.advance(housekeeping.BALLAST_AFTER)
    await keeper.look()
    assert keeper.ballast.held == SMALL.ballast
    writer.offer(*(recording(number) for number in range(1, 200)))
    await writer.flush()

    filler = fill(disk)
    writer.offer(*(recording(number) for number in range(200, 1_500)))
    for number in range(1, 40):
        await writer.must(alert(number, message="x" * 4_000), event(number), notification(number))
    assert keeper.ballast.held == 0
    assert keeper.trouble == "the disk is full: only alerts are kept"
    assert {"spans", "points", "log lines", "executions"} <= set(writer.dropped_by_kind)
    assert not set(writer.dropped_by_kind) & {"alerts", "alert events", "notifications"}
    assert writer.last_error == ""
    await keeper.look()
    assert keeper.trouble
    assert len(await store.reader.alerts(limit=100)) == 39

    # What is old can still be removed.
    before = (disk / "tocsin.db").stat().st_size
    await clock.advance(SMALL.keep + 86_400.0)
    assert await keeper.prune() > 190
    assert (disk / "tocsin.db").stat().st_size < before

    filler.unlink()
    await keeper.look()
    assert (keeper.trouble, keeper.caution, keeper.ballast.held) == ("", "", SMALL.ballast)
    writer.offer(recording(2_000))
    await writer.flush()
    assert (await store.reader.execution(2_000)).attempts
    told = (await store.reader.logs("could not be stored")).records
    assert any("the disk is full" in line.message for line in told)
    await store.close()
    assert damage(disk / "tocsin.db") == ""


async def test_below_the_floor_only_outcomes_and_alerts_are_kept(disk: Path, at_end: AsyncExitStack) -> None:
    store = await opened_until(at_end, disk / "tocsin.db", VirtualClock(START), SMALL)
    filler = fill(disk, SMALL.floor - MEBIBYTE // 2)
    await store.keeper.look()
    assert "the disk has only" in store.keeper.caution
    assert store.keeper.trouble == ""
    store.writer.offer(recording(1), log("a line"))
    await store.writer.must(alert(1))
    assert (await store.reader.execution(1)).attempts == ()
    assert len(await store.reader.alerts()) == 1
    assert store.writer.dropped_by_kind == {"attempts": 2, "spans": 3, "points": 8, "log lines": 4}
    filler.unlink()
    await store.keeper.look()
    assert store.keeper.caution == ""
    await store.close()


START_ENGINE = """
import asyncio, sys
from pathlib import Path
from engine.clock import SystemClock
from engine.errors import StoreError
from engine.store.store import Store

async def main():
    store = await Store.open(Path(sys.argv[1]), SystemClock())
    await store.close()

try:
    asyncio.run(main())
except StoreError as error:
    print(error.message)
    sys.exit(3)
"""


def start(db: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", START_ENGINE, str(db)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_a_disk_that_is_full_at_the_start_ends_it_with_a_sentence(disk: Path) -> None:
    fill(disk)
    ended = start(disk / "tocsin.db")
    assert (ended.returncode, ended.stderr) == (3, "")
    assert "the disk is full" in ended.stdout
    assert [entry.name for entry in disk.iterdir()] == ["somebody.else"]


def test_an_engine_starts_on_a_full_disk_with_the_room_of_its_ballast(disk: Path) -> None:
    db = disk / "tocsin.db"
    prepare(db, START)
    ballast = Ballast(db, SMALL.ballast)
    assert ballast.hold()
    fill(disk)
    ended = start(db)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert ballast.held == 0


@pytest.fixture
async def crowded(tmp_path: Path) -> AsyncIterator[Store]:
    limits = Limits(size=LIMIT, floor=0, ballast=0)
    store = await Store.open(tmp_path / "tocsin.db", VirtualClock(START), limits)
    yield store
    await store.close()


async def test_the_file_never_exceeds_its_limit_and_alerts_still_fit(crowded: Store, tmp_path: Path) -> None:
    store, db, number = crowded, tmp_path / "tocsin.db", 0
    largest = 0
    while not store.keeper.trouble:
        store.writer.offer(*(recording(number := number + 1) for _ in range(200)))
        await store.writer.flush()
        largest = max(largest, db.stat().st_size)
    assert "has reached its limit of 4.0 MiB" in store.keeper.trouble
    for one in range(1, 20):
        await store.writer.must(alert(one, message="x" * 1_000))
        largest = max(largest, db.stat().st_size)
    assert await store.keeper.prune() > 0
    await store.keeper.look()
    assert (store.keeper.trouble, store.keeper.caution) == ("", "")
    store.writer.offer(recording(number + 1))
    await store.writer.flush()
    assert (await store.reader.execution(number + 1)).attempts
    assert len(await store.reader.alerts()) == 19
    assert largest <= LIMIT
    assert db.stat().st_size < 0.85 * LIMIT


async def test_the_keeper_makes_room_by_itself(tmp_path: Path, at_end: AsyncExitStack) -> None:
    clock = VirtualClock(START)
    store = await opened_until(at_end, tmp_path / "t.db", clock, Limits(size=LIMIT, floor=0, ballast=0))
    tasks = [asyncio.create_task(work()) for work in (store.keeper.watch, store.keeper.tend)]
    for task in tasks:
        at_end.callback(task.cancel)
    async with asyncio.timeout(100):
        for first in range(1, 10_000, 200):
            store.writer.offer(*(recording(number) for number in range(first, first + 200)))
            await store.writer.flush()
            await clock.advance(10)
        while store.keeper.trouble:
            await store.writer.flush()
            await clock.advance(10)
    assert (await store.reader.next_ids())[0] > 5_000
    assert await store.reader.executions(since=None, limit=1)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await store.close()
    assert (tmp_path / "t.db").stat().st_size <= LIMIT


async def test_a_flood_of_lines_does_not_cost_the_history_of_executions(crowded: Store) -> None:
    crowded.writer.offer(*(recording(number) for number in range(1, 300)))
    line = 0
    while not crowded.keeper.trouble:
        crowded.writer.offer(*(log(f"flood {(line := line + 1)}") for _ in range(1_000)))
        await crowded.writer.flush()
    newest = (await crowded.reader.logs("flood")).records[0]
    assert await crowded.keeper.prune() > 10_000
    assert len(await crowded.reader.executions(limit=1_000)) == 299
    assert (await crowded.reader.logs("flood")).records[0] == newest


async def test_many_rows_leave_in_short_steps_and_the_file_shrinks(
    tmp_path: Path, at_end: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[float] = []
    learn = Pace.took

    def took(pace: Pace, seconds: float) -> None:
        steps.append(seconds)
        learn(pace, seconds)

    monkeypatch.setattr(Pace, "took", took)
    clock, db = VirtualClock(START), tmp_path / "tocsin.db"
    store = await opened_until(at_end, db, clock, Limits(floor=0, ballast=0))
    for first in range(0, ROWS, 5_000):
        lines = (
            log(f"line {number} of shop-{number % 50}", at=START + number)
            for number in range(first, first + 5_000)
        )
        store.writer.offer(*lines)
        await store.writer.flush()
    await store.writer.run(wal.empty)
    before = db.stat().st_size
    await clock.advance(Limits().keep + ROWS * 0.9)
    assert await store.keeper.prune() == ROWS * 9 // 10
    assert db.stat().st_size < before / 4
    steps.sort()
    assert steps[int(len(steps) * 0.9)] < 0.06
    assert len((await store.reader.logs("line")).records) > 0
    await store.close()
    assert damage(db) == ""


async def test_a_short_visit_to_a_large_file_is_held_to_nothing(
    tmp_path: Path, at_end: AsyncExitStack
) -> None:
    clock, db = VirtualClock(START), tmp_path / "tocsin.db"
    await (await Store.open(db, clock, Limits(size=8 * MEBIBYTE))).close()
    visit = await opened_until(at_end, db, clock, None)
    for first in range(1, 4_000, 500):
        visit.writer.offer(*(recording(number) for number in range(first, first + 500)))
        await visit.writer.flush()
    await visit.writer.must(*(alert(number, message="x" * 2_000) for number in range(1, 2_000)))
    assert visit.writer.dropped == 0
    await visit.close()
    assert db.stat().st_size > 8 * MEBIBYTE
    with closing(sqlite3.connect(db)) as connection:
        noted = connection.execute("SELECT value FROM meta WHERE key = 'max_size'").fetchone()
    assert noted == (8 * MEBIBYTE,)
