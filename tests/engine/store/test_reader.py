"""Lists, orders and figures."""

from __future__ import annotations

import asyncio
import threading
import weakref
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import VirtualClock, settle
from engine.errors import StoreError
from engine.model import AlertState, NotificationState, Outcome, Severity
from engine.store import pool
from engine.store.store import Store
from engine.store.tally import percentile
from tests.engine.store.samples import START, alert, execution, notification


async def test_executions_are_paged_and_filtered(store: Store) -> None:
    outcomes = [Outcome.OK, Outcome.FAILED, Outcome.SKIPPED, Outcome.ERROR]
    await store.writer.must(
        *(
            execution(number, workflow_id=f"w{number % 2}", outcome=outcomes[number % 4])
            for number in range(1, 101)
        )
    )
    reader = store.reader

    async def ids(**asked: object) -> list[int]:
        return [found.id for found in await reader.executions(**asked)]  # type: ignore[arg-type]

    assert await ids(limit=3) == [100, 99, 98]
    assert await ids(limit=3, before_id=98) == [97, 96, 95]
    assert await ids(workflow_id="w1", limit=2) == [99, 97]
    assert await ids(failures_only=True, limit=3) == [99, 97, 95]
    assert await ids(failures_only=True, workflow_id="w0") == []
    assert await ids(since=START + 97) == [100, 99, 98, 97]
    assert await ids(since=START + 500) == []


async def test_alerts_are_ordered_by_what_matters_now(store: Store) -> None:
    states = [AlertState.RESOLVED, AlertState.PENDING, AlertState.ACKNOWLEDGED, AlertState.FIRING]
    await store.writer.must(
        *(
            alert(
                number,
                state=states[number % 4],
                fingerprint=f"f{number % 3}",
                resolved_at=START + number if number % 4 == 0 else None,
            )
            for number in range(1, 13)
        )
    )
    reader = store.reader
    assert [found.id for found in await reader.alerts()] == [11, 7, 3, 10, 6, 2, 9, 5, 1, 12, 8, 4]
    assert [found.id for found in await reader.alerts(since=START + 12)] == [11, 7, 3, 10, 6, 2, 9, 5, 1, 12]
    assert [found.id for found in await reader.alerts(states=frozenset({AlertState.PENDING}), limit=2)] == [
        9,
        5,
    ]
    assert await reader.alerts(states=frozenset()) == ()
    assert [found.id for found in await reader.open_alerts()] == [1, 2, 3, 5, 6, 7, 9, 10, 11]
    assert [found.id for found in await reader.last_alerts()] == [12, 11, 10]


async def test_due_notifications_come_oldest_first(store: Store, clock: VirtualClock) -> None:
    await store.writer.must(
        notification(3, next_at=START + 5),
        notification(1, next_at=START + 9),
        notification(2, next_at=START + 10),
        notification(4, state=NotificationState.SENDING),
        notification(5, state=NotificationState.SENT),
        notification(6, state=NotificationState.DEAD),
    )
    reader = store.reader
    assert [found.alert_id for found in await reader.due_notifications(START + 9)] == [1, 3]
    assert [found.alert_id for found in await reader.due_notifications(START + 99, limit=2)] == [1, 2]
    assert await reader.pending_notifications() == (4, 1, START + 1)
    assert [found.alert_id for found in await reader.notifications(limit=2)] == [6, 5]


async def test_an_empty_file_answers_everything(store: Store) -> None:
    reader = store.reader
    assert await reader.next_ids() == (1, 1)
    assert await reader.pending_notifications() == (0, 0, None)
    assert await reader.workflow_activity(START, START + 60) == {}
    assert (await reader.summary(START, START + 60)).p95 is None
    assert await reader.health_hours(START) == []
    assert [bucket.count for bucket in await reader.buckets(START, START + 60, 3)] == [0, 0, 0]


async def test_numbers_go_on_after_the_greatest(store: Store) -> None:
    await store.writer.must(execution(41), alert(6))
    assert await store.reader.next_ids() == (42, 7)


async def test_buckets_divide_the_range(store: Store) -> None:
    at = {1: 0, 2: 5, 3: 9.99, 4: 10, 5: 29.9, 6: 30, 7: -0.1}
    await store.writer.must(
        *(execution(number, started_at=START + at[number], duration=float(number)) for number in at),
        execution(8, started_at=START + 1, outcome=Outcome.FAILED, duration=9.0),
        execution(9, started_at=START + 1, outcome=Outcome.SKIPPED, duration=99.0),
        execution(10, started_at=START + 1, workflow_id="other", duration=50.0),
    )
    found = await store.reader.buckets(START, START + 30, 3, workflow_id="user-login")
    assert [(bucket.at - START, bucket.width, bucket.count, bucket.successes) for bucket in found] == [
        (0, 10, 4, 3),
        (10, 10, 1, 1),
        (20, 10, 1, 1),
    ]
    assert (found[0].p50, found[0].maximum) == (2.5, 9.0)
    assert found[0].success_rate == 0.75
    assert [bucket.count for bucket in await store.reader.buckets(START, START + 30, 1)] == [7]


async def test_the_summary_adds_up(store: Store) -> None:
    outcomes = [Outcome.OK] * 6 + [Outcome.DEGRADED, Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED]
    await store.writer.must(
        *(
            execution(n, outcome=outcome, workflow_id=f"w{n % 2}", duration=float(n))
            for n, outcome in enumerate(outcomes, 1)
        ),
        execution(99, started_at=START - 1),
        alert(1, fired_at=START + 1),
        alert(2, fired_at=START + 1, severity=Severity.CRITICAL),
        alert(3, fired_at=None, state=AlertState.PENDING),
        alert(4, fired_at=START - 1),
    )
    found = await store.reader.summary(START, START + 60)
    assert found.executions == 9
    assert found.outcomes == {
        Outcome.OK: 6,
        Outcome.DEGRADED: 1,
        Outcome.FAILED: 1,
        Outcome.ERROR: 1,
        Outcome.SKIPPED: 1,
    }
    assert found.success_rate == pytest.approx(7 / 9)
    assert found.p50 == 5.0
    assert found.alerts == {Severity.WARNING: 1, Severity.CRITICAL: 1}
    assert [(w.workflow_id, w.executions, w.mean) for w in found.workflows] == [
        ("w0", 4, 5.0),
        ("w1", 5, 5.0),
    ]


async def test_activity_tells_what_each_workflow_did(store: Store) -> None:
    await store.writer.must(
        *(
            execution(n, duration=float(n), outcome=Outcome.FAILED if n == 80 else Outcome.OK)
            for n in range(1, 81)
        ),
        execution(81, workflow_id="idle", started_at=START - 5_000),
    )
    found = await store.reader.workflow_activity(START, START + 81)
    login, idle = found["user-login"], found["idle"]
    assert login.last is not None
    assert login.last.id == 80
    assert (len(login.recent), login.recent[-1], login.durations[-1]) == (60, Outcome.FAILED, 80.0)
    assert (login.executions, login.success_rate, login.p50) == (80, 79 / 80, 40.5)
    assert idle.last is not None
    assert (idle.recent, idle.executions, idle.success_rate, idle.p95) == ((), 0, None, None)
    earlier = (await store.reader.workflow_activity(START, START + 11))["user-login"]
    assert earlier.last is not None
    assert (earlier.last.id, earlier.executions) == (10, 10)


async def test_sampling_keeps_counts_exact(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.buckets.SAMPLES", 50)
    await store.writer.must(*(execution(n, duration=float(n)) for n in range(1, 1001)))
    found = await store.reader.summary(START, START + 2_000)
    assert found.executions == 1000
    assert found.p50 == pytest.approx(500, abs=25)
    (bucket,) = await store.reader.buckets(START, START + 2_000, 1)
    assert (bucket.count, bucket.maximum) == (1000, 1000.0)


async def test_a_question_that_takes_too_long_is_broken_off(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "DEADLINE", 0.05)
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    for _ in range(pool.SIZE + 1):
        with pytest.raises(StoreError, match="took too long"):
            await store.reader._pool.fetch(endless)
    monkeypatch.setattr(pool, "DEADLINE", 30)
    assert await store.reader.next_ids() == (1, 1)


async def test_a_question_that_is_given_up_before_it_begins_ends_as_well(store: Store) -> None:
    lending, let = store.reader._pool, threading.Event()
    held = [asyncio.create_task(lending.run(lambda _: let.wait(30))) for _ in range(pool.SIZE)]
    await settle()
    for holder in held:
        holder.cancel()
    await asyncio.wait(held)
    # Their threads are still at work: what is asked now has yet to begin when it is given up.
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    asked = [asyncio.create_task(lending.fetch(endless)) for _ in range(pool.SIZE)]
    await settle()
    for task in asked:
        task.cancel()
    await asyncio.wait(asked)
    let.set()
    assert await store.reader.next_ids() == (1, 1)


async def test_values_that_cannot_be_asked_for_are_store_errors(store: Store) -> None:
    with pytest.raises(StoreError):
        await store.reader.executions(workflow_id="\ud800")
    with pytest.raises(StoreError):
        await store.reader.executions(before_id=2**70)


async def test_broken_text_in_the_file_is_shown_not_fatal(store: Store) -> None:
    async def spoil(connection: object) -> None:
        await connection.execute_fetchall(  # type: ignore[attr-defined]
            "INSERT INTO logs (id, at, level, message) VALUES (1, 0, 9, CAST(x'61ff62' AS TEXT))"
        )

    await store.writer.run(spoil)
    (line,) = (await store.reader.logs()).records
    assert line.message == "a\ufffdb"


async def test_reads_run_beside_each_other(store: Store) -> None:
    await store.writer.must(*(execution(n) for n in range(1, 50)))
    found = await asyncio.gather(*(store.reader.execution(n) for n in range(1, 50)))
    assert [replace(one, attempts=()) for one in found] == [execution(n) for n in range(1, 50)]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_lies_between_its_neighbours(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found is not None
    assert ordered[0] <= found <= ordered[-1] or found == pytest.approx(ordered[-1])
    assert percentile(ordered, 0) == ordered[0]
    assert percentile(ordered, 1) == ordered[-1]


class _Large:
    """What a question reads."""


async def test_a_connection_does_not_keep_what_it_has_answered(store: Store) -> None:
    answer = await store.reader.pool.run(lambda _: _Large())
    kept = weakref.ref(answer)
    del answer
    assert kept() is None
