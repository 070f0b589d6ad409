"""Batches, durability and what happens to rows that cannot be written."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.errors import StoreError
from engine.model import LogLevel, NotificationState
from engine.store.migrations import prepare
from engine.store.store import Store
from engine.store.writer import Row, Writer
from tests.engine.store.samples import START, alert, execution, log, notification, point, recording

CLASHING = execution(1, workflow_name="Somebody else")


def count(db: Path, table: str) -> int:
    with closing(sqlite3.connect(db)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


async def test_offered_rows_wait_for_the_interval(store: Store, clock: VirtualClock, db: Path) -> None:
    committed = asyncio.Event()
    store.writer.on_commit = lambda rows: committed.set()
    store.writer.offer(log("one"))
    await clock.advance(0.2)
    assert count(db, "logs") == 0
    assert store.writer.queued == 1
    await clock.advance(0.1)
    await asyncio.wait_for(committed.wait(), 5)
    assert count(db, "logs") == 1
    assert store.writer.queued == 0
    assert store.writer.last_commit_at == clock.now()


async def test_must_takes_offered_rows_along(store: Store, db: Path) -> None:
    store.writer.offer(log("one"))
    await store.writer.must(alert(1))
    assert (count(db, "logs"), count(db, "alerts")) == (1, 1)


async def test_the_listener_hears_of_committed_rows(store: Store) -> None:
    heard: list[Row] = []
    store.writer.on_commit = heard.extend
    await store.writer.must(alert(1))
    assert heard == [alert(1)]


async def test_rows_of_one_must_are_stored_together_or_not_at_all(store: Store, db: Path) -> None:
    await store.writer.must(execution(1))
    with pytest.raises(StoreError):
        await store.writer.must(alert(1), CLASHING, notification(1))
    assert (count(db, "alerts"), count(db, "notifications")) == (0, 0)


async def test_one_bad_row_does_not_cost_the_others(store: Store, db: Path) -> None:
    store.writer.offer(execution(1))
    await store.writer.flush()
    for number in range(20):
        store.writer.offer(log(f"line {number}"))
    store.writer.offer(CLASHING, log("goes down with it"), point(1.0))
    for number in range(20):
        store.writer.offer(log(f"later {number}"))
    await store.writer.must(alert(1))
    await store.writer.flush()
    messages = [record.message for record in (await store.reader.logs("could not be stored")).records]
    assert messages == [f"3 records could not be stored: {db}: UNIQUE constraint failed: executions.id"]
    assert count(db, "logs") == 41
    assert store.writer.dropped == 3
    assert store.writer.last_error == ""


async def test_something_that_is_no_row_is_refused(store: Store) -> None:
    with pytest.raises(StoreError):
        await store.writer.must("nonsense")  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        await store.writer.must(log("x", at=float("nan")))
    await store.writer.must(log("x"))


async def test_a_series_of_a_failed_batch_gets_its_number_later(store: Store, db: Path) -> None:
    with pytest.raises(StoreError):
        await store.writer.must(point(1.0), execution(1), CLASHING)
    await store.writer.must(point(2.0))
    assert (count(db, "series"), count(db, "points")) == (1, 1)


async def test_a_cancelled_caller_disturbs_nobody(store: Store, db: Path) -> None:
    gone = asyncio.create_task(store.writer.must(alert(1)))
    stays = asyncio.create_task(store.writer.must(alert(2)))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert count(db, "alerts") == 2


async def test_many_callers_share_commits(store: Store, db: Path) -> None:
    commits: list[int] = []
    store.writer.on_commit = lambda rows: commits.append(len(rows))
    await asyncio.gather(*(store.writer.must(alert(number)) for number in range(1, 101)))
    assert count(db, "alerts") == 100
    assert len(commits) < 20


async def test_more_than_a_batch_is_written_without_waiting(store: Store, db: Path) -> None:
    for number in range(6_000):
        store.writer.offer(log(f"line {number}"))
    await store.writer.flush()
    assert count(db, "logs") == 6_000
    assert store.writer.dropped == 0


async def test_the_queue_is_bounded_while_a_stranger_holds_the_lock(db: Path, clock: VirtualClock) -> None:
    prepare(db, START)
    writer = await Writer.open(db, clock, capacity=50, patience=0.2)
    with closing(sqlite3.connect(db, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        kept = sum(writer.offer(log(f"line {number}")) for number in range(80))
        with pytest.raises(StoreError, match="locked by another program"):
            await writer.must(alert(1))
        # The one beyond the bound tells of those that found no room.
        assert (kept, writer.dropped, writer.queued) == (50, 30, 51)
        assert "locked" in writer.last_error
        stranger.execute("ROLLBACK")
    await writer.flush()
    assert writer.last_error == ""
    await writer.must(alert(1))
    await writer.close()
    assert (count(db, "logs"), count(db, "alerts")) == (51, 1)


async def test_losses_are_told_every_ten_seconds_and_at_the_end(db: Path, clock: VirtualClock) -> None:
    prepare(db, START)
    writer = await Writer.open(db, clock, capacity=3)

    async def lose() -> None:
        writer.offer(log("a"), log("b"), log("c"))
        writer.offer(log("no room"))
        await writer.flush()

    await lose()
    await lose()
    await clock.advance(9.0)
    await lose()
    assert told(db) == [1]
    await clock.advance(1.5)
    await writer.must(alert(1))
    assert told(db) == [1, 2]
    await lose()
    await writer.close()
    assert told(db) == [1, 2, 1]


async def test_what_tells_of_losses_is_told_later_when_it_is_lost_too(db: Path, clock: VirtualClock) -> None:
    prepare(db, START)
    writer = await Writer.open(db, clock)
    await writer.run(lambda connection: connection.execute_fetchall("PRAGMA query_only = ON"))
    for _ in range(3):
        writer.offer(log("a line"))
        with pytest.raises(StoreError, match="read-only"):
            await writer.must(alert(1))
        await clock.advance(11.0)
    await writer.run(lambda connection: connection.execute_fetchall("PRAGMA query_only = OFF"))
    await clock.advance(11.0)
    await writer.must(alert(1))
    await writer.close()
    assert (told(db), writer.dropped) == ([3], 3)


def told(db: Path) -> list[int]:
    """The numbers of lost records that the log speaks of, oldest first."""
    with closing(sqlite3.connect(db)) as connection:
        lines = connection.execute(
            "SELECT level, message FROM logs WHERE message LIKE '%could not be stored%' ORDER BY id"
        ).fetchall()
    assert all(level == LogLevel.WARNING for level, _ in lines)
    return [int(message.split()[0]) for _, message in lines]


async def test_a_must_waits_for_a_short_lock(db: Path, clock: VirtualClock) -> None:
    prepare(db, START)
    writer = await Writer.open(db, clock, patience=20)
    with closing(sqlite3.connect(db, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(writer.must(alert(1)))
        done, _ = await asyncio.wait({waiting}, timeout=0.1)
        assert not done
        stranger.execute("COMMIT")
    await waiting
    await writer.close()
    assert count(db, "alerts") == 1


async def test_closing_while_locked_ends_and_counts(db: Path, clock: VirtualClock) -> None:
    prepare(db, START)
    writer = await Writer.open(db, clock, patience=0.1)
    with closing(sqlite3.connect(db, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        writer.offer(log("lost"))
        await asyncio.wait_for(writer.close(), 5)
    assert writer.dropped == 1
    assert not writer.offer(log("too late"))
    with pytest.raises(StoreError, match="closed"):
        await writer.must(alert(1))


async def test_closing_stores_what_waits_and_leaves_no_journal(store: Store, db: Path) -> None:
    store.writer.offer(recording(1))
    await store.close()
    await store.close()
    assert count(db, "executions") == 1
    assert not db.with_name(db.name + "-wal").exists()
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'clean'").fetchone() == (1,)


async def test_a_cancelled_writer_refuses_and_can_be_closed(db: Path, clock: VirtualClock) -> None:
    prepare(db, START)
    writer = await Writer.open(db, clock)
    writer.offer(log("never written"))
    assert writer._task is not None
    writer._task.cancel()
    await asyncio.wait({writer._task})
    assert writer.dropped == 1
    with pytest.raises(StoreError):
        await writer.must(alert(1))
    await writer.close()


async def test_interrupted_sending_is_queued_again(store: Store, db: Path, clock: VirtualClock) -> None:
    await store.writer.must(notification(1, state=NotificationState.SENDING, tries=1))
    await store.close()
    again = await Store.open(db, clock)
    (rescued,) = await again.reader.due_notifications(clock.now())
    await again.close()
    assert rescued == notification(1, tries=1, next_at=clock.now())
