"""What is written is what is read."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import NotFoundError
from engine.model import AlertState, BreakerMemory, BreakerState, NotificationState, Outcome
from engine.store import past
from engine.store.store import Store
from tests.engine.store.samples import (
    FAILURE,
    START,
    alert,
    attempts,
    cursor,
    decision,
    event,
    execution,
    health_check,
    log,
    notification,
    point,
    recording,
    span,
    trace_of,
)


async def test_a_recording_comes_back_whole(store: Store) -> None:
    sent = recording(1)
    assert store.writer.offer(sent)
    await store.writer.flush()
    reader = store.reader
    assert await reader.execution(1) == sent.execution
    assert await reader.executions() == (replace(sent.execution, attempts=()),)
    assert await reader.trace(trace_of(1)) == sent.spans
    page = await reader.logs()
    assert [replace(line, id=0) for line in page.records] == list(reversed(sent.logs))
    assert [line.id for line in page.records] == [3, 2, 1]


async def test_a_failed_execution_keeps_its_failure(store: Store) -> None:
    sent = execution(
        7, outcome=Outcome.FAILED, failure=FAILURE, attempts=attempts(), workflow_name="user-login"
    )
    await store.writer.must(sent)
    assert await store.reader.execution(7) == sent


async def test_an_alert_comes_back_with_all_that_belongs_to_it(store: Store) -> None:
    await store.writer.must(alert(1), event(1), decision(1), notification(1))
    detail = await store.reader.alert(1)
    assert detail.alert == alert(1)
    assert detail.events == (event(1),)
    assert detail.decisions == (decision(1),)
    assert detail.decisions[0].value is True
    assert detail.notifications == (notification(1),)
    assert await store.reader.announced(1) == {"ops"}
    assert await store.reader.announced(2) == frozenset()


async def test_health_checks_and_cursors_come_back(store: Store) -> None:
    store.writer.offer(health_check("early", START - 10), health_check(), cursor(START))
    store.writer.offer(cursor(START + 30))
    await store.writer.flush()
    found = await past.health(store.reader.pool, START, START + 1)
    assert [share.newest for share in found.values()] == [health_check()]
    assert await store.reader.cursors() == {"user-login": cursor(START + 30)}


async def test_a_breaker_is_kept_until_it_closes(store: Store) -> None:
    other = BreakerMemory("http://b", "5 60", BreakerState.OPEN, 7, START)
    store.writer.offer(other, BreakerMemory("http://a", "5 60", BreakerState.OPEN, 5, START))
    trying = BreakerMemory("http://a", "5 60", BreakerState.HALF_OPEN, 5, START + 60)
    store.writer.offer(trying, BreakerMemory("http://c", "5 60", BreakerState.CLOSED, 0, START))
    await store.writer.flush()
    assert await store.reader.breakers() == (trying, other)
    store.writer.offer(BreakerMemory("http://a", "5 60", BreakerState.CLOSED, 0, START + 61))
    await store.writer.flush()
    assert await store.reader.breakers() == (other,)


async def test_points_share_their_series_also_after_a_restart(store: Store, db: Path) -> None:
    store.writer.offer(point(1.0), point(2.0, START + 1), point(float("nan"), START + 2))
    await store.writer.flush()
    await store.close()
    again = await Store.open(db, store.reader._clock)
    again.writer.offer(point(3.0, START + 3), point(9.0, name="other"))
    await again.writer.flush()
    await again.close()
    connection = sqlite3.connect(db)
    rows = connection.execute(
        "SELECT series, at - ?, value FROM points ORDER BY series, at", (START,)
    ).fetchall()
    connection.close()
    assert rows == [(1, 0, 1.0), (1, 1, 2.0), (1, 2, None), (1, 3, 3.0), (2, 0, 9.0)]


async def test_alerts_and_notifications_are_updated_in_place(store: Store) -> None:
    await store.writer.must(alert(1), notification(1))
    acknowledged = alert(1, state=AlertState.ACKNOWLEDGED, acked_by="mia", acked_at=START + 5)
    sent = notification(1, state=NotificationState.SENT, tries=1, sent_at=START + 2, latency=0.5)
    await store.writer.must(acknowledged, sent)
    assert await store.reader.alerts() == (acknowledged,)
    assert await store.reader.notifications() == (sent,)


async def test_spans_without_an_execution_are_found_by_their_trace(store: Store) -> None:
    foreign = span(5, trace_id=trace_of(1), execution_id=None)
    store.writer.offer(recording(1), foreign)
    await store.writer.flush()
    assert foreign in await store.reader.trace(trace_of(1))
    assert len(await store.reader.trace(trace_of(1))) == 4
    assert await store.reader.trace(trace_of(2)) == ()


async def test_hostile_values_are_stored_harmlessly(store: Store) -> None:
    fields = {"big": 2**70, "nan": float("nan"), "half": "\ud800"}
    await store.writer.must(log("a\0b \udcff 東京", fields=fields))
    (line,) = (await store.reader.logs("東京")).records
    assert line.message == "a␀b ? 東京"
    assert line.fields == {"big": 2**70, "nan": None, "half": "?"}


async def test_what_does_not_exist_is_said(store: Store) -> None:
    for number in (5, 2**70, -1):
        with pytest.raises(NotFoundError):
            await store.reader.execution(number)
        with pytest.raises(NotFoundError):
            await store.reader.alert(number)
