"""Roll-ups say what the rows say, whatever comes late, breaks off or has gone."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.client import Bucket
from engine.clock import VirtualClock
from engine.errors import StoreError
from engine.model import Direction, Execution, HealthStatus, MetricsSummary, Outcome
from engine.store import rollups, statistics
from engine.store.periods import DAY, HOUR, RAW, Piece, Rolled
from engine.store.rollups import catch_up, forget
from engine.store.store import Store
from tests.engine.store.samples import execution, health_check

MIDNIGHT = 1_700_006_400.0
OUTCOMES = (Outcome.OK, Outcome.OK, Outcome.DEGRADED, Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED)


def made_up(count: int, hours: float, first: int = 1, start: float = MIDNIGHT) -> list[Execution]:
    """Executions of three workflows, evenly over some hours."""
    chance = random.Random(first)
    return [
        execution(
            first + 10 * place,
            workflow_id=f"w{place % 3}",
            started_at=start + place * hours * HOUR / count,
            duration=chance.lognormvariate(-1, 0.7),
            outcome=chance.choice(OUTCOMES),
        )
        for place in range(count)
    ]


def rows(db: Path, table: str = "execution_rollups") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()


async def roll_up(store: Store, now: float) -> int:
    return await catch_up(store.writer, store.reader.pool, now)


async def summed(store: Store, since: float, until: float) -> MetricsSummary:
    return await statistics.summary(store.reader.pool, since, until, UTC)


def counts(found: MetricsSummary) -> tuple[Any, ...]:
    """What is exact in a summary."""
    each = [(one.workflow_id, one.executions, one.success_rate) for one in found.workflows]
    pattern = [(hour.hour, hour.executions, hour.success_rate) for hour in found.pattern]
    return found.executions, found.outcomes, found.success_rate, each, pattern, found.health


async def test_a_summary_is_the_same_from_roll_ups_and_from_rows(store: Store, db: Path) -> None:
    await store.writer.must(*made_up(9_000, 60.0))
    ranges = [(0.0, 60.0), (0.5, 59.5), (23.7, 48.2), (24.0, 48.0), (1.0, 2.0), (3.1, 3.2), (-5.0, 90.0)]
    spans = [(MIDNIGHT + a * HOUR, MIDNIGHT + b * HOUR) for a, b in ranges]
    exact = [await summed(store, *span) for span in spans]
    assert await roll_up(store, MIDNIGHT + 58.3 * HOUR) == 58 + 2
    for span, before in zip(spans, exact, strict=True):
        after = await summed(store, *span)
        assert counts(after) == counts(before)
        for name in ("p50", "p90", "p95", "p99", "mean"):
            assert getattr(after, name) == pytest.approx(getattr(before, name), rel=0.0101)
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("DELETE FROM executions WHERE started_at < ?", (MIDNIGHT + 50 * HOUR,))
    assert counts(await summed(store, *spans[0])) == counts(exact[0])


async def test_rows_that_come_late_are_counted_once(store: Store) -> None:
    await store.writer.must(*made_up(600, 48.0))
    await roll_up(store, MIDNIGHT + 49 * HOUR)
    late = execution(688, workflow_id="w9", started_at=MIDNIGHT + 5.5 * HOUR, duration=3.0)
    await store.writer.must(late)
    day = MIDNIGHT, MIDNIGHT + DAY
    before = await summed(store, *day)
    # Its hour, then the day that the hour belongs to.
    assert await roll_up(store, MIDNIGHT + 49 * HOUR) == 2
    assert await roll_up(store, MIDNIGHT + 49 * HOUR) == 0
    after = await summed(store, *day)
    assert counts(after) == counts(before)
    assert after.workflows[-1].p99 == pytest.approx(3.0, rel=0.01)
    assert after.executions == sum(each.executions for each in after.workflows)


async def test_a_row_that_comes_while_its_hour_is_derived_is_not_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.writer.must(*made_up(100, 1.0))
    come = [execution(2, workflow_id="w0", started_at=MIDNIGHT + 1)]

    async def run(job: Any, deadline: float | None = None) -> Any:
        derived = await original(job, deadline)
        while come:
            await store.writer.must(come.pop())
        return derived

    original = store.reader.pool.run
    monkeypatch.setattr(store.reader.pool, "run", run)
    assert await roll_up(store, MIDNIGHT + 2 * HOUR) == 1 + 1
    monkeypatch.undo()
    found = await summed(store, MIDNIGHT, MIDNIGHT + HOUR)
    assert sum(found.outcomes.values()) == 101


async def test_what_broke_off_is_done_by_the_next_engine(
    db: Path, store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.writer.must(*made_up(500, 30.0))

    def broken(*_: object) -> int:
        raise sqlite3.OperationalError("the power went")

    monkeypatch.setattr(rollups, "_store", broken)
    with pytest.raises(StoreError):
        await roll_up(store, MIDNIGHT + 31 * HOUR)
    monkeypatch.undo()
    whole = MIDNIGHT, MIDNIGHT + 30 * HOUR
    exact = counts(await summed(store, *whole))
    await store.close()
    again = await Store.open(db, clock)
    try:
        await again.writer.must(execution(2, workflow_id="w0", started_at=MIDNIGHT + 7, duration=1.0))
        assert await roll_up(again, MIDNIGHT + 31 * HOUR) == 30 + 1
        found = await summed(again, *whole)
        assert sum(found.outcomes.values()) == sum(exact[1].values()) + 1
    finally:
        await again.close()


async def test_a_removed_hour_keeps_what_it_came_to(store: Store, db: Path) -> None:
    await store.writer.must(*made_up(300, 3.0))
    await roll_up(store, MIDNIGHT + 4 * HOUR)
    kept = rows(db)
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("DELETE FROM executions WHERE started_at < ?", (MIDNIGHT + 2 * HOUR,))
    await store.writer.must(execution(2, started_at=MIDNIGHT + 60))
    assert await roll_up(store, MIDNIGHT + 4 * HOUR) == 1
    assert rows(db) == kept


async def test_each_width_is_kept_for_as_long_as_it_is_told(store: Store, db: Path) -> None:
    await store.writer.must(*made_up(500, 72.0))
    await roll_up(store, MIDNIGHT + 73 * HOUR)
    assert await forget(store.writer, {HOUR: MIDNIGHT + 70 * HOUR, DAY: MIDNIGHT + 24 * HOUR}) == 70 + 1
    assert {(row[0], row[1] - MIDNIGHT) for row in rows(db)} == {
        (HOUR, 70.0 * HOUR), (HOUR, 71.0 * HOUR), (DAY, 24.0 * HOUR), (DAY, 48.0 * HOUR)
    }  # fmt: skip
    assert await forget(store.writer, {HOUR: MIDNIGHT + 70 * HOUR}) == 0
    found = await summed(store, MIDNIGHT - HOUR, MIDNIGHT + 80 * HOUR)
    assert sum(found.outcomes.values()) == 500


async def test_health_and_the_pattern_of_the_day(store: Store) -> None:
    def check(minute: int, status: HealthStatus) -> Any:
        score = 100.0 if status is HealthStatus.HEALTHY else 40.0
        return replace(
            health_check(), at=MIDNIGHT + 60 * minute, component="store", status=status, score=score
        )

    bad = range(60, 90)
    await store.writer.must(
        *(check(m, HealthStatus.UNHEALTHY if m in bad else HealthStatus.HEALTHY) for m in range(180)),
        *made_up(300, 2.0, start=MIDNIGHT + 9 * HOUR),
        *made_up(300, 2.0, first=5_000, start=MIDNIGHT + 33 * HOUR),
    )
    before = await summed(store, MIDNIGHT, MIDNIGHT + 2 * DAY)
    await roll_up(store, MIDNIGHT + 2 * DAY + 90)
    found = await summed(store, MIDNIGHT, MIDNIGHT + 2 * DAY)
    assert found.health == before.health
    (part,) = found.health
    assert (part.component, part.checks) == ("store", 180)
    assert part.uptime == pytest.approx(150 / 180)
    assert part.score == pytest.approx((150 * 100 + 30 * 40) / 180)
    assert [hour.hour for hour in found.pattern] == [9, 10]
    assert sum(hour.executions for hour in found.pattern) == found.executions


async def test_the_previous_period_and_the_trends(store: Store) -> None:
    def run(number: int, hour: float, duration: float) -> Execution:
        return execution(number, started_at=MIDNIGHT + hour * HOUR, duration=duration)

    slower = [run(10_000 + n, n / 10, 1.0 + 0.01 * n + 0.02 * (n % 3)) for n in range(1, 480)]
    await store.writer.must(*slower, *(run(1 + n, -48 + n / 5, 0.5) for n in range(200)))
    for _ in range(2):
        found = await summed(store, MIDNIGHT, MIDNIGHT + 2 * DAY)
        assert found.previous is not None
        assert (found.previous.executions, found.previous.success_rate) == (200, 1.0)
        assert found.previous.p95 == pytest.approx(0.5, rel=0.01)
        assert found.trends is not None
        assert found.trends.performance.direction is Direction.DEGRADING
        assert found.trends.executions.direction is Direction.STABLE
        assert found.trends.success_rate.direction is Direction.STABLE
        await roll_up(store, MIDNIGHT + 2 * DAY + 90)
    short = await summed(store, MIDNIGHT + HOUR, MIDNIGHT + 5 * HOUR)
    assert short.trends is not None
    assert short.trends.performance.direction is Direction.DEGRADING


@pytest.mark.parametrize("workflow_id", [None, "w1"])
async def test_long_buckets_are_the_same_from_roll_ups_and_from_rows(
    store: Store, workflow_id: str | None
) -> None:
    await store.writer.must(*made_up(6_000, 60.0))

    async def asked() -> tuple[Bucket, ...]:
        since = MIDNIGHT - 20 * 60
        return await store.reader.buckets(since, since + 63 * HOUR, 9, workflow_id)

    before = await asked()
    await roll_up(store, MIDNIGHT + 59 * HOUR)
    after = await asked()
    exact = [(one.at, one.width, one.count, one.successes, one.maximum) for one in before]
    assert [(one.at, one.width, one.count, one.successes, one.maximum) for one in after] == exact
    for one, other in zip(after, before, strict=True):
        assert one.p50 == pytest.approx(other.p50, rel=0.0101)
        assert one.p95 == pytest.approx(other.p95, rel=0.0101)
    everything = made_up(6_000, 60.0)
    counted = [each for each in everything if each.outcome is not Outcome.SKIPPED]
    mine = [each for each in counted if workflow_id in (None, each.workflow_id)]
    assert sum(one.count for one in after) == len(mine)


@given(
    since=st.integers(0, 10 * DAY),
    length=st.integers(1, 5 * DAY),
    until=st.integers(0, 250).map(lambda hour: hour * HOUR),
    due=st.frozensets(st.integers(0, 240).map(lambda hour: (HOUR, hour * HOUR)), max_size=5),
    coarsest=st.sampled_from((HOUR, DAY)),
)
def test_pieces_cover_a_range_once(
    since: int, length: int, until: int, due: frozenset[tuple[int, int]], coarsest: int
) -> None:
    due |= {(DAY, at - at % DAY) for _, at in due}
    pieces = Rolled(until, due).pieces(since, since + length, coarsest)
    assert [piece.since for piece in pieces] == [since, *(piece.until for piece in pieces[:-1])]
    assert pieces[-1].until == since + length
    for width, start, end in pieces:
        if width != RAW:
            assert width <= coarsest
            assert start % width == end % width == 0
            assert end <= until
            assert not any((width, at) in due for at in range(int(start), int(end), width))
            # No gap in the hours that a day is put together from.
            assert not any(start <= at < end for each, at in due if each == HOUR)


def test_whole_days_come_first() -> None:
    rolled = Rolled(10 * DAY + 5 * HOUR, frozenset())
    assert rolled.pieces(HOUR - 60, 10 * DAY + 6 * HOUR) == [
        Piece(RAW, HOUR - 60, HOUR),
        Piece(HOUR, HOUR, DAY),
        Piece(DAY, DAY, 10 * DAY),
        Piece(HOUR, 10 * DAY, 10 * DAY + 5 * HOUR),
        Piece(RAW, 10 * DAY + 5 * HOUR, 10 * DAY + 6 * HOUR),
    ]
