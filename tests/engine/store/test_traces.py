"""The inside of an execution is packed and unpacked without loss; what recurs is stored once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import VirtualClock
from engine.model import Attempt, Outcome, Recording, Span, SpanEvent, SpanKind, SpanLink, SpanStatus
from engine.store import shapes
from engine.store.encode import to_json
from engine.store.limits import Kind
from engine.store.retention import Cut, prune
from engine.store.store import Store
from engine.store.traces import Inside, pack, unpack
from tests.engine.store.samples import (
    FAILURE,
    START,
    attempts,
    execution,
    recording,
    span,
    trace_of,
)

DAY = 86_400.0

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(texts, st.none(), st.booleans(), st.integers(-(2**70), 2**70), numbers)
times = st.floats(0, 4e9)
attributes = st.dictionaries(texts, scalars, max_size=6)
outcomes = st.sampled_from([Outcome.OK, Outcome.FAILED])


@st.composite
def insides(draw: st.DrawFn) -> Inside:
    ids = draw(st.lists(st.integers(0, 2**64 - 1), max_size=5, unique=True))
    names = [f"{number:016x}" for number in ids]
    spans = tuple(
        Span(
            trace_id=trace_of(1),
            span_id=name,
            parent_id=draw(st.sampled_from([None, *names, "f" * 16, "odd"])),
            name=draw(texts),
            kind=draw(st.sampled_from(SpanKind)),
            started_at=draw(times),
            duration=draw(times),
            status=draw(st.sampled_from(SpanStatus)),
            attributes=draw(attributes),
            events=tuple(draw(st.lists(st.builds(SpanEvent, times, texts, attributes), max_size=2))),
            execution_id=1,
            links=tuple(draw(st.lists(st.builds(SpanLink, texts, texts, attributes), max_size=2))),
        )
        for name in names
    )
    failures = st.sampled_from([None, FAILURE])
    tries = st.builds(Attempt, st.integers(1, 9), times, times, outcomes, failures)
    return Inside(tuple(draw(st.lists(tries, max_size=3))), spans)


@given(insides())
def test_what_is_unpacked_is_what_was_packed(inside: Inside) -> None:
    packed = pack(execution(1, trace_id=trace_of(1), attempts=inside.attempts), inside.spans)
    if packed is None:
        assert inside == Inside()
        return
    assert packed.loose == ()
    assert unpack(to_json(packed.shape), packed.numbers, 1, trace_of(1)) == inside


def test_numbers_are_no_part_of_the_shape_but_all_else_is() -> None:
    def shape(**changes: Any) -> object:
        of = recording(1)
        packed = pack(of.execution, (replace(of.spans[0], **changes), *of.spans[1:]))
        assert packed is not None
        return packed.shape

    same = shape(attributes={"status": 200, "took": 0.5, "ok": True})
    assert shape(attributes={"status": 503, "took": 9.5, "ok": True}, duration=7.0, started_at=1.0) == same
    assert shape(attributes={"status": 200.0, "took": 0.5, "ok": True}) != same
    assert shape(attributes={"status": 200, "took": 0.5, "ok": False}) != same
    assert shape(attributes={"status": True, "took": 0.5, "ok": True}) != same
    assert shape(attributes={"status": 200, "took": 0.5, "ok": True}, name="other") != same


async def test_spans_that_do_not_fit_in_are_kept_all_the_same(store: Store) -> None:
    mine = recording(1)
    foreign = span(7, trace_id=trace_of(2), execution_id=1)
    oddly_named = span(8, span_id="not hexadecimal", execution_id=1)
    await store.writer.must(replace(mine, spans=(*mine.spans, foreign, oddly_named)))
    assert await store.reader.trace(trace_of(1)) == (oddly_named, *mine.spans)
    assert await store.reader.trace(trace_of(2)) == (foreign,)


async def test_late_spans_join_their_trace(store: Store) -> None:
    await store.writer.must(recording(1))
    late = span(99, "a" * 16, started_at=START, links=(SpanLink(trace_of(5), "b" * 16, {"n": 1}),))
    await store.writer.must(late)
    found = await store.reader.trace(trace_of(1))
    assert found[0] == late
    assert len(found) == 4


async def test_a_number_that_is_none_becomes_nothing(store: Store) -> None:
    mine = recording(1)
    odd = replace(mine.spans[0], attributes={"nan": float("nan"), "half": "\ud800", "n": 1})
    await store.writer.must(replace(mine, spans=(odd,)))
    (found,) = await store.reader.trace(trace_of(1))
    assert found.attributes == {"nan": None, "half": "?", "n": 1}


async def test_executions_that_share_a_trace_are_read_together(store: Store) -> None:
    other = recording(2)
    spans = tuple(replace(one, trace_id=trace_of(1)) for one in other.spans)
    shared = Recording(replace(other.execution, trace_id=trace_of(1)), spans)
    await store.writer.must(recording(1), shared, recording(3))
    assert await store.reader.trace(trace_of(1)) == (*recording(1).spans, *spans)


def query(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql).fetchall()


async def test_a_shape_is_stored_when_it_comes_again(store: Store, db: Path, clock: VirtualClock) -> None:
    for number in range(1, 4):
        await store.writer.must(recording(number))
    assert query(db, "SELECT typeof(shape) FROM traces") == [("text",), ("integer",), ("integer",)]
    await store.close()
    again = await Store.open(db, clock)
    await again.writer.must(recording(4))
    assert await again.reader.trace(trace_of(1)) == recording(1).spans
    assert await again.reader.trace(trace_of(4)) == recording(4).spans
    assert (await again.reader.execution(4)).attempts == attempts()
    await again.close()
    assert query(db, "SELECT count(*) FROM shapes") == [(1,)]
    assert query(db, "SELECT typeof(shape) FROM traces WHERE execution_id = 4") == [("integer",)]


async def test_a_shape_of_a_failed_batch_is_learnt_again(store: Store, db: Path) -> None:
    await store.writer.must(recording(1))
    with pytest.raises(Exception, match="UNIQUE"):
        await store.writer.must(recording(2), execution(1))
    await store.writer.must(recording(2), recording(3))
    assert query(db, "SELECT DISTINCT shape FROM traces WHERE execution_id > 1") == [(1,)]
    assert await store.reader.trace(trace_of(3)) == recording(3).spans


async def test_there_is_a_bound_on_shapes(store: Store, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "LIMIT", 0)
    await store.writer.must(recording(1), recording(2))
    assert query(db, "SELECT count(*) FROM shapes") == [(0,)]
    assert await store.reader.trace(trace_of(2)) == recording(2).spans


async def forget_executions(store: Store, before: float) -> None:
    await prune(store.writer, {Kind.EXECUTIONS: Cut(before)})


async def test_shapes_in_use_stay_and_others_leave(store: Store, db: Path) -> None:
    def later(number: int, days: float, name: str) -> Recording:
        of = recording(number)
        started = replace(of.execution, started_at=START + days * DAY)
        return Recording(started, tuple(replace(one, name=name) for one in of.spans))

    await store.writer.must(*(later(number, 0, "old") for number in range(1, 4)))
    await store.writer.must(*(later(number, 0, "used") for number in range(4, 7)))
    await store.writer.must(later(7, 5, "used"), later(8, 5, "last"))
    await forget_executions(store, START + 4 * DAY)
    assert query(db, "SELECT id FROM shapes") == [(2,)]
    assert [one.name for one in await store.reader.trace(trace_of(7))] == ["used"] * 3


async def test_the_shape_of_the_newest_execution_never_leaves(store: Store) -> None:
    await store.writer.must(recording(1), recording(2))
    await forget_executions(store, START + 100 * DAY)
    assert await store.reader.trace(trace_of(2)) == recording(2).spans


async def test_a_trace_whose_shape_is_gone_tells_nothing(store: Store) -> None:
    await store.writer.must(recording(1), recording(2))
    await store.writer.run(lambda connection: connection.execute_fetchall("DELETE FROM shapes"))
    assert await store.reader.trace(trace_of(2)) == ()
    assert (await store.reader.execution(2)).attempts == ()
