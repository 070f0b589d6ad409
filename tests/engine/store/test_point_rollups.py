"""What series came to is known by the minute, the hour and the day, long after the points have left."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.rollups import RollupsSpec
from engine.model import Point, PointBucket
from engine.store import points, rollups
from engine.store.gists import Gist, pack, packed, unpack
from engine.store.limits import Kind
from engine.store.migrations import MIGRATIONS, migrate
from engine.store.periods import DAY, HOUR, MINUTE, Watermark
from engine.store.retention import Cut, prune
from engine.store.rollups import catch_up, forget
from engine.store.store import Store
from engine.telemetry.sketch import RELATIVE_ERROR

BEGIN = 1_700_006_400 // DAY * DAY + DAY
"""Midnight, UTC."""
SHOP, TILL = (("workflow", "shop"),), (("workflow", "till"),)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


def points_of(hours: int, every: int = 20, labels: tuple[tuple[str, str], ...] = SHOP) -> list[Point]:
    """Durations and a counter of the same moments."""
    chance = random.Random(3)
    points: list[Point] = []
    for number in range(hours * HOUR // every):
        at = BEGIN + number * every + 0.25
        points.append(Point("step.duration", labels, at, chance.lognormvariate(-1, 1)))
        points.append(Point("asked_total", labels, at, float(number % 1_000 * 3)))
    return points


async def put(store: Store, points: Sequence[Point]) -> None:
    for start in range(0, len(points), 10_000):
        await store.writer.must(*points[start : start + 10_000])


def tables(db: Path, sql: str) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql).fetchall()


def assert_alike(found: Sequence[PointBucket], exact: Sequence[PointBucket]) -> None:
    for one, other in zip(found, exact, strict=True):
        assert (one.at, one.width, one.count) == (other.at, other.width, other.count)
        assert (one.rate is None) is (other.rate is None)
        for name in ("mean", "minimum", "maximum", *(["rate"] if one.rate is not None else [])):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-6), name
        for name in ("p50", "p90", "p95", "p99"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=RELATIVE_ERROR), name


RANGES = [
    (BEGIN, BEGIN + 2 * DAY, 2),
    (BEGIN, BEGIN + 2 * DAY, 8),
    (BEGIN + MINUTE * 17, BEGIN + 2 * DAY - MINUTE * 41, 7),
    (BEGIN, BEGIN + 30 * HOUR, 450),
    (BEGIN + 5 * HOUR, BEGIN + 5 * HOUR + 1_000, 5),
]


@pytest.mark.parametrize("name", ["step.duration", "asked_total"])
async def test_roll_ups_tell_what_the_points_did(store: Store, db: Path, name: str) -> None:
    await put(store, points_of(2 * 24 + 1))
    exact = [await store.reader.points(name, *bounds) for bounds in RANGES]
    assert sum(one.count for one in exact[0]) == 2 * DAY // 20
    assert await catch_up(store.writer, store.reader.pool, BEGIN + 2 * DAY + 100) == 2 * 24 + 2
    assert {width for (width,) in tables(db, "SELECT DISTINCT width FROM point_rollups")} == {
        MINUTE,
        HOUR,
        DAY,
    }
    for bounds, expected in zip(RANGES, exact, strict=True):
        if bounds[0] % MINUTE == 0 and (bounds[1] - bounds[0]) / bounds[2] % MINUTE == 0:
            assert_alike(await store.reader.points(name, *bounds), expected)

    # What is known by then does not need the points themselves.
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute(f"DELETE FROM samples WHERE at < {BEGIN + 2 * DAY}")
    assert_alike(await store.reader.points(name, *RANGES[1]), exact[1])
    found = await store.reader.points(name, *RANGES[2])
    assert sum(one.count for one in found) == pytest.approx(sum(one.count for one in exact[2]), abs=4)


async def test_buckets_that_end_within_a_minute_are_a_minute_off_at_most(store: Store) -> None:
    await put(store, points_of(5))
    since, until = BEGIN + 100.0, BEGIN + 4.4 * HOUR
    exact = await store.reader.points("step.duration", since, until, 30)
    await catch_up(store.writer, store.reader.pool, BEGIN + 5 * HOUR + 100)
    found = await store.reader.points("step.duration", since, until, 30)
    for one, other in zip(found, exact, strict=True):
        assert abs(one.count - other.count) <= 2 * MINUTE // 20
    assert found != exact


async def test_short_buckets_are_exact(store: Store) -> None:
    await put(store, points_of(2))
    bounds = (BEGIN + 7.0, BEGIN + 6_000.0, 30)
    exact = await store.reader.points("asked_total", *bounds)
    await catch_up(store.writer, store.reader.pool, BEGIN + 2 * HOUR + 100)
    assert await store.reader.points("asked_total", *bounds) == exact


async def test_points_that_come_late_are_counted(store: Store, db: Path) -> None:
    await put(store, points_of(3))
    await catch_up(store.writer, store.reader.pool, BEGIN + 3 * HOUR + 100)
    await store.writer.must(Point("step.duration", SHOP, BEGIN + 2.9 * HOUR, 1e6))
    assert tables(db, "SELECT width, at FROM rollups_due") == [(HOUR, BEGIN + 2 * HOUR)]
    for _ in range(2):
        (_, _, last) = await store.reader.points("step.duration", BEGIN, BEGIN + 3 * HOUR, 3)
        assert (last.count, last.maximum) == (HOUR // 20 + 1, 1e6)
        await catch_up(store.writer, store.reader.pool, BEGIN + 3 * HOUR + 100)
    assert tables(db, "SELECT width, at FROM rollups_due") == []


async def test_an_hour_whose_points_have_left_is_not_forgotten_when_one_comes_late(store: Store) -> None:
    await put(store, points_of(3))
    await catch_up(store.writer, store.reader.pool, BEGIN + 3 * HOUR + 100)
    await prune(store.writer, {Kind.POINTS: Cut(BEGIN + 2 * HOUR)})
    await store.writer.must(Point("step.duration", SHOP, BEGIN + 90.0, 1e6))
    await catch_up(store.writer, store.reader.pool, BEGIN + 3 * HOUR + 100)
    (first, _, _) = await store.reader.points("step.duration", BEGIN, BEGIN + 3 * HOUR, 3)
    assert first.count == HOUR // 20


async def test_series_are_told_apart(store: Store) -> None:
    both = zip(points_of(2), points_of(2, labels=TILL), strict=True)
    await put(store, [point for pair in both for point in pair])
    await catch_up(store.writer, store.reader.pool, BEGIN + 2 * HOUR + 100)
    alone = await store.reader.points("asked_total", BEGIN, BEGIN + 2 * HOUR, 2, {"workflow": "till"})
    together = await store.reader.points("asked_total", BEGIN, BEGIN + 2 * HOUR, 2)
    assert [one.count for one in alone] == [HOUR // 20] * 2
    assert [one.count for one in together] == [2 * HOUR // 20] * 2
    for one, all_ in zip(alone, together, strict=True):
        assert one.rate is not None
        assert all_.rate == pytest.approx(2 * one.rate)


async def test_they_leave_when_they_are_old(store: Store, db: Path) -> None:
    await put(store, points_of(26))
    await catch_up(store.writer, store.reader.pool, BEGIN + 26 * HOUR + 100)
    counted = "SELECT width, count(*) FROM point_rollups GROUP BY 1 ORDER BY 1"
    assert tables(db, counted) == [(MINUTE, 26), (HOUR, 26), (DAY, 1)]
    await forget(store.writer, RollupsSpec().befores(BEGIN + 2 * DAY + 3 * HOUR))
    assert tables(db, counted) == [(MINUTE, 23), (HOUR, 26), (DAY, 1)]
    # What there is by the minute goes with its points, when there is too little room for those.
    await prune(store.writer, {Kind.POINTS: Cut(BEGIN + 20 * HOUR)})
    assert tables(db, counted) == [(MINUTE, 7), (HOUR, 26), (DAY, 1)]
    await forget(store.writer, RollupsSpec().befores(BEGIN + 1_000 * DAY))
    assert tables(db, counted) == []


def derive(connection: sqlite3.Connection) -> None:
    """All that is due, as the engine does."""
    watermark = Watermark()
    watermark.load(connection)
    while (derived := rollups._derive_next(connection)) is not None:
        rollups._store(derived, watermark, connection)


def test_an_older_file_gets_them_for_its_last_week() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:6])
        until = BEGIN + 10 * DAY + 5 * HOUR
        connection.execute("INSERT INTO meta VALUES ('rolled_until', ?)", (float(until),))
        connection.execute("INSERT INTO series VALUES (1, 'step.duration', '[]')")
        connection.execute("INSERT INTO layouts VALUES (1, 0, 1)")
        moments = ((at + 5.0,) for at in range(BEGIN, until, HOUR))
        connection.executemany("INSERT INTO samples (layout, at, v0) VALUES (1, ?, 1.0)", moments)
        migrate(connection)
        connection.execute("BEGIN")
        for width, count in ((None, 0), (HOUR, 7 * 24 + 5), (DAY, 7)):
            if width:
                derive(connection)
            found = points.buckets("step.duration", {}, BEGIN, BEGIN + 10 * DAY, 10, connection)
            assert [one.count for one in found] == [24] * 10
            sql = "SELECT count(*) FROM point_rollups WHERE width = ?"
            assert connection.execute(sql, (width,)).fetchone() == (count,)
        sql = "SELECT min(at), sum(samples) FROM point_rollups WHERE width = ?"
        assert connection.execute(sql, (DAY,)).fetchone() == (BEGIN + 3 * DAY, 7 * 24)


@given(st.lists(st.lists(numbers, max_size=40), min_size=1, max_size=8), st.booleans())
def test_what_is_packed_is_unpacked(columns: list[list[float]], is_counter: bool) -> None:
    parts = [(7, [packed(values, is_counter) for values in columns])]
    found = {place: gist for _, place, gist in unpack(pack(parts, len(columns)), frozenset(range(8)))}
    assert set(found) == {place for place, values in enumerate(columns) if values}
    for place, gist in found.items():
        values = columns[place]
        assert (gist.count, gist.least, gist.greatest) == (len(values), min(values), max(values))
        assert (gist.first, gist.last) == (values[0], values[-1])
        assert gist.total == pytest.approx(sum(values))


@given(st.lists(st.lists(st.integers(0, 1_000), min_size=1, max_size=30), min_size=1, max_size=6))
def test_gists_in_a_row_are_that_of_all(parts: list[list[int]]) -> None:
    whole = Gist()
    for part in parts:
        whole.append(Gist.of([float(value) for value in part]))
    expected = Gist.of([float(value) for part in parts for value in part])
    for name in ("count", "total", "least", "greatest", "first", "last", "growth"):
        assert getattr(whole, name) == getattr(expected, name), name


def test_what_is_too_large_for_a_single_is_kept_whole() -> None:
    ((_, _, gist),) = unpack(pack([(0, [packed([1e300, 2.0], False)])], 1), frozenset({0}))
    assert (gist.first, gist.last) == (1e300, 2.0)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_roll_up_are_refused(data: bytes) -> None:
    good = pack([(0, [packed([1.0, 2.0], False)])], 1)
    for bad in (data, good[:1] + data, good[:-1] + data):
        try:
            list(unpack(bad, frozenset({0})))
        except ValueError:
            continue
