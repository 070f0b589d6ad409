"""Points share samples, samples share layouts."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.clock import VirtualClock
from engine.errors import StoreError
from engine.model import Point, Recording
from engine.store import series
from engine.store.store import Store
from tests.engine.store.samples import START, execution, point, recording


def query(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql).fetchall()


def numbered(count: int, at: float = START, first: int = 0) -> Sequence[Point]:
    return [point(float(number), at, f"metric.{number}") for number in range(first, first + count)]


async def test_points_of_one_moment_share_samples(store: Store, db: Path) -> None:
    store.writer.offer(*numbered(20))
    store.writer.offer(*numbered(20, START + 1))
    await store.writer.flush()
    assert query(db, "SELECT count(*), count(DISTINCT layout) FROM samples") == [(6, 3)]
    assert query(db, "SELECT name, at, value FROM points JOIN series ON id = series ORDER BY at, series") == [
        (one.name, one.at, one.value) for one in (*numbered(20), *numbered(20, START + 1))
    ]


async def test_points_seen_together_keep_their_own_times(store: Store, db: Path) -> None:
    await store.writer.must(*numbered(2))
    await store.writer.must(point(5.0, START + 1, "metric.0"), point(6.0, START + 2, "metric.1"))
    assert query(db, "SELECT series, at - 1700000000.0, value FROM points ORDER BY at, series") == [
        (1, 0, 0), (2, 0, 1), (1, 1, 5), (2, 2, 6),
    ]  # fmt: skip


async def test_executions_of_one_moment_do_not_mix(store: Store, db: Path) -> None:
    def at_once(number: int) -> Recording:
        labels = (("workflow", f"w{number}"),)
        points = tuple(Point(name, labels, START, float(number)) for name in ("a", "b", "c"))
        return Recording(execution(number), points=points)

    await store.writer.must(*map(at_once, range(1, 4)))
    await store.writer.must(*map(at_once, (6, 4, 5)))
    assert query(db, "SELECT count(*), count(DISTINCT layout) FROM samples") == [(6, 6)]
    found = query(db, "SELECT labels, value FROM points JOIN series ON id = series")
    assert {(labels, value) for labels, value in found} == {
        (f'[["workflow","w{number}"]]', float(number)) for number in range(1, 7)
    }


async def test_layouts_are_known_after_a_restart(store: Store, db: Path, clock: VirtualClock) -> None:
    await store.writer.must(recording(1))
    await store.close()
    again = await Store.open(db, clock)
    await again.writer.must(recording(2), point(7.0, START, "another"))
    await again.close()
    assert query(db, "SELECT layout FROM samples ORDER BY id") == [(1,), (1,), (2,)]
    assert query(db, "SELECT count(*) FROM series") == [(9,)]


async def test_beyond_the_bound_of_layouts_each_point_is_a_sample(
    store: Store, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "LAYOUT_LIMIT", 1)
    await store.writer.must(*numbered(3), *numbered(2, START + 1))
    assert query(db, "SELECT count(*), count(DISTINCT layout) FROM samples") == [(3, 3)]
    assert query(db, "SELECT at - 1700000000.0, value FROM points ORDER BY at, value") == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1),
    ]  # fmt: skip


async def test_points_beyond_the_bound_of_series_are_counted(
    store: Store, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "SERIES_LIMIT", 2)
    await store.writer.must(*numbered(5))
    await store.writer.must(*numbered(5, START + 1))
    assert query(db, "SELECT count(*) FROM points") == [(4,)]
    assert store.writer.dropped == 6


async def test_what_a_failed_batch_numbered_is_numbered_again(store: Store, db: Path) -> None:
    await store.writer.must(execution(1), point(1.0, name="first"))
    with pytest.raises(StoreError):
        await store.writer.must(Recording(execution(2), points=tuple(numbered(9))), execution(1))
    await store.writer.must(*numbered(2, first=5))
    assert query(db, "SELECT id, name FROM series") == [(1, "first"), (2, "metric.5"), (3, "metric.6")]
    assert query(db, "SELECT id, place, series FROM layouts") == [(1, 0, 1), (2, 0, 2), (2, 1, 3)]
