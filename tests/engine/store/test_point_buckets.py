"""What is remembered between two questions makes no difference to what the points came to."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import VirtualClock
from engine.model import Point
from engine.store import point_buckets, points
from engine.store.point_buckets import PointBuckets
from engine.store.store import Store
from tests.engine.store.samples import START

WIDTH = 7.5
NAMES = ("step.duration", "queue.depth", "requests_total")
POINTS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from("ab"), st.integers(0, 200)), max_size=6)
"""Of a name and a host, so many seconds after the start: not in the order of time."""


async def _same(store: Store, remembering: dict[str, PointBuckets], steps: float) -> None:
    since = START + steps * WIDTH
    for name in NAMES:
        asked = name, dict[str, str](), since, since + 12 * WIDTH, 12
        first_time = await PointBuckets(store.reader.pool).over(*asked)
        assert await remembering[name].over(*asked) == first_time


def _point(name: str, host: str, after: int) -> Point:
    return Point(name, (("host", host),), START + after, float(after % 17))


@settings(max_examples=25)
@given(st.lists(st.tuples(POINTS, st.sampled_from([0.0, 0.5, 1.0, 4.0])), min_size=2, max_size=8))
def test_a_remembered_answer_is_that_of_who_asks_for_the_first_time(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[list[tuple[str, str, int]], float]]
) -> None:
    async def play(place: Path) -> None:
        store, steps = await Store.open(place / "db", VirtualClock(START)), 0.0
        remembering = {name: PointBuckets(store.reader.pool) for name in NAMES}
        try:
            for written, moved in turns:
                for point in written:
                    await store.writer.must(_point(*point))
                steps += moved
                await _same(store, remembering, steps)
        finally:
            await store.close()

    asyncio.run(play(tmp_path_factory.mktemp("points")))


async def test_only_what_is_new_is_read(store: Store, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.writer.must(*(_point("queue.depth", "a", after) for after in range(80)))
    before = await store.reader.points("queue.depth", START, START + 90.0, 12)
    read, found = [], points.buckets

    def noted(*asked: object) -> object:
        read.append(asked[2:5])
        return found(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(point_buckets, "buckets", noted)
    await store.writer.must(_point("queue.depth", "a", 83))
    after = await store.reader.points("queue.depth", START, START + 90.0, 12)
    assert read == [(START + 82.5, START + 90.0, 1)]
    assert (after[:11], after[11].count) == (before[:11], 1)
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("DELETE FROM samples WHERE id <= 40")
        connection.commit()
    rest = await store.reader.points("queue.depth", START, START + 90.0, 12)
    assert sum(part.count for part in rest) == 41
