"""What is remembered between two questions makes no difference to their answers."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import VirtualClock
from engine.model import Execution, Outcome
from engine.past import Past
from engine.store import activity
from engine.store.activity import Activities
from engine.store.buckets import Buckets
from engine.store.periods import HOUR
from engine.store.rollups import catch_up
from engine.store.store import Store
from tests.engine.store.samples import START, execution

WIDTH = 10.0
NUMBERS = st.integers(1, 60)
"""Written in any order, as an execution is written when it ends."""
QUESTIONS = st.tuples(st.sampled_from([0.0, 1.0, 7.5, 25.0]), st.sampled_from([60.0, 120.0]))
"""How far the range has moved on, and how long it is."""


async def _same(store: Store, since: float, until: float) -> None:
    pool, count = store.reader.pool, round((until - since) / WIDTH)
    found = await store.reader.workflow_activity(since, until)
    assert found == await Activities(pool).between(since, until) == await activity.once(pool, since, until)
    for workflow in (None, "w1"):
        parts = await store.reader.buckets(since, until, count, workflow)
        assert parts == await Buckets(pool).over(since, until, count, workflow)
    steps = math.floor(since / WIDTH) * WIDTH, math.ceil(until / WIDTH) * WIDTH
    count = round((steps[1] - steps[0]) / WIDTH)
    assert await store.reader.buckets(*steps, count) == await Buckets(pool).over(*steps, count, None)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.lists(NUMBERS, max_size=8), QUESTIONS), min_size=2, max_size=8))
def test_a_remembered_answer_is_that_of_who_asks_for_the_first_time(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[list[int], tuple[float, float]]]
) -> None:
    async def play(place: Path) -> None:
        store, written, until = await Store.open(place / "db", VirtualClock(START)), set[int](), START + 20
        try:
            for numbers, (moved, length) in turns:
                fresh = set(numbers) - written
                written |= fresh
                await store.writer.must(*(_one(number) for number in sorted(fresh)))
                until += moved
                await _same(store, until - length, until)
        finally:
            await store.close()

    asyncio.run(play(tmp_path_factory.mktemp("activity")))


def _one(number: int) -> Execution:
    outcome = (Outcome.OK, Outcome.FAILED, Outcome.SKIPPED)[number % 3]
    return execution(
        number, workflow_id=f"w{number % 7}", outcome=outcome, duration=number % 5 + 1.0,
        started_at=START + number * 1.5,
    )  # fmt: skip


async def test_only_what_has_changed_is_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.writer.must(*(execution(n, workflow_id=f"w{n}") for n in range(1, 41)))
    await store.reader.workflow_activity(START, START + 50)
    # Who looks back meanwhile does not displace what is remembered.
    await Past(store.reader).workflows(START, START + 10, START + 10)
    read, found = [], activity._found

    def noted(connection: sqlite3.Connection, *asked: object) -> object:
        read.append(asked[-1])
        return found(connection, *asked)  # type: ignore[arg-type]

    monkeypatch.setattr(activity, "_found", noted)
    await store.writer.must(execution(41, workflow_id="w9"))
    again = await store.reader.workflow_activity(START + 3, START + 53)
    assert read == [{"w1", "w2", "w9"}]
    assert (again["w1"].executions, again["w9"].executions) == (0, 2)


async def test_what_is_rolled_up_or_removed_is_noticed(store: Store, db: Path) -> None:
    start = START // HOUR * HOUR
    await store.writer.must(
        *(execution(n, workflow_id=f"w{n % 3}", started_at=start + n * 60.0) for n in range(1, 200))
    )
    since, until = start + 30.0, start + 3.5 * HOUR
    await _same(store, since, until)
    await catch_up(store.writer, store.reader.pool, until)
    await _same(store, since + 1, until + 1)
    late = execution(200, workflow_id="w0", started_at=start + 90 * 60.0, outcome=Outcome.FAILED)
    await store.writer.must(late)
    await _same(store, since + 2, until + 2)
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("DELETE FROM executions WHERE id <= 150")
        connection.commit()
    await _same(store, since + 3, until + 3)
