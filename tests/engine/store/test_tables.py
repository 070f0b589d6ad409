"""Rows of any number come out as they went in, and questions go before the writing."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from engine.store import courtesy
from engine.store.courtesy import Courtesy
from engine.store.store import Store
from engine.store.tables import PART, TURNS
from tests.engine.store.samples import START, log, recording, trace_of

DEADLINE = 10.0


@pytest.mark.parametrize("count", [1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 2])
async def test_as_many_rows_as_wanted_come_out_as_they_went_in(store: Store, count: int) -> None:
    given = [recording(number) for number in range(1, count + 1)]
    store.writer.offer(*given)
    await store.writer.flush()
    found = await store.reader.executions(limit=count + 1)
    assert [one.id for one in reversed(found)] == [one.execution.id for one in given]
    for one in (given[0], given[-1]):
        assert await store.reader.execution(one.execution.id) == one.execution
        assert await store.reader.trace(trace_of(one.execution.id)) == one.spans
    lines = (await store.reader.logs(limit=1_000)).records
    assert [line.message for line in reversed(lines)] == [line.message for one in given for line in one.logs]


async def test_every_execution_that_comes_late_is_marked(store: Store, db: Path) -> None:
    store.writer.watermark.until = START + 86_400
    await store.writer.must(*(recording(number).execution for number in range(1, 2 * PART + 2)))
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT times FROM rollups_due").fetchall() == [(2 * PART + 1,)]


def test_the_writing_goes_on_when_nobody_asks() -> None:
    assert not Courtesy().give_way()


def test_the_writing_waits_only_so_long() -> None:
    shared = Courtesy()
    with shared.asking():
        with shared.asking():
            assert shared.give_way()
        assert shared.give_way()
    assert not shared.give_way()


async def test_the_writing_goes_on_with_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "LONGEST", 2 * DEADLINE)
    shared = Courtesy()
    async with asyncio.timeout(DEADLINE):
        with shared.asking():
            waiting = asyncio.create_task(asyncio.to_thread(shared.give_way))
            await asyncio.sleep(0)
        await waiting
    assert not shared.give_way()


async def test_a_long_question_holds_the_writing_up_for_some_turns_only(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    gave_way = watched(store, monkeypatch)
    async with asked(store, None):
        await store.writer.must(*(log(f"line {number}") for number in range(PART * (TURNS + 5))))
    assert gave_way == [True] * TURNS


async def test_questions_that_nobody_waits_for_hold_nothing_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    gave_way = watched(store, monkeypatch)
    async with asked(store, DEADLINE):
        await store.writer.must(*(log(f"line {number}") for number in range(PART * 3)))
    assert gave_way == [False] * 3


def watched(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the writing gave way, each time it could have."""
    seen: list[bool] = []
    give_way: Callable[[], bool] = store.writer.courtesy.give_way

    def watch() -> bool:
        seen.append(give_way())
        return seen[-1]

    monkeypatch.setattr(store.writer.courtesy, "give_way", watch)
    return seen


@asynccontextmanager
async def asked(store: Store, deadline: float | None) -> AsyncIterator[None]:
    """A question whose answer takes as long as the block."""
    begun, over = threading.Event(), threading.Event()

    def answer(_: sqlite3.Connection) -> bool:
        begun.set()
        return over.wait(DEADLINE)

    question = asyncio.create_task(store.reader.pool.run(answer, deadline))
    try:
        assert await asyncio.to_thread(begun.wait, DEADLINE)
        yield
    finally:
        over.set()
        assert await question
