"""Spans of other programs, on a real store: whose they are, how many, and who may send them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from engine import joining as module
from engine.clock import VirtualClock
from engine.errors import StoreError
from engine.joining import Joining
from engine.model import Recording, Span, SpanKind
from engine.store.store import Store
from tests.engine.store.samples import START, execution, trace_of

TOKEN = "t" * 20


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = await Store.open(tmp_path / "t.db", VirtualClock(START))
    yield made
    await made.close()


def document(*spans: tuple[str, int]) -> bytes:
    """Spans by trace and number."""
    items = [
        {
            "traceId": trace_id,
            "spanId": f"{number:016x}",
            "name": f"work {number}",
            "startTimeUnixNano": int(START * 1e9) + number,
            "endTimeUnixNano": int(START * 1e9) + number + 1_000_000,
        }
        for trace_id, number in spans
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": items}]}]}).encode()


async def stored(store: Store, trace_id: str) -> list[tuple[str, int | None]]:
    await store.writer.flush()
    return [(span.name, span.execution_id) for span in await store.reader.trace(trace_id)]


def numbers(found: Iterable[tuple[str, int | None]]) -> list[int]:
    return [int(name.split()[1]) for name, _ in found]


async def test_spans_join_what_runs_what_has_just_ended_and_what_is_stored(store: Store) -> None:
    joining = Joining(TOKEN, store)
    joining.running = {trace_of(1): 1}.get
    joining.ended(execution(2))
    store.writer.offer(Recording(execution(3)))
    await store.writer.flush()
    traces = [trace_of(number) for number in (1, 2, 3, 4)]
    assert await joining.heard(TOKEN, document(*((trace, 9) for trace in traces))) == 0
    found = [await stored(store, trace) for trace in traces]
    assert found == [[("work 9", 1)], [("work 9", 2)], [("work 9", 3)], []]


async def test_many_traces_of_others_cost_little_and_leave_nothing(store: Store) -> None:
    """Ours is found among a thousand, although its first bytes are those of others."""
    store.writer.offer(Recording(execution(3)))
    await store.writer.flush()
    joining = Joining(TOKEN, store)
    assert await joining.heard(TOKEN, document(*((trace_of(number), 1) for number in range(1, 1_000)))) == 0
    await store.writer.flush()
    assert await store.reader.joined([trace_of(number) for number in range(1, 1_000)]) == {trace_of(3): 1}


async def test_what_is_sent_again_is_there_once(store: Store) -> None:
    joining = Joining(TOKEN, store)
    joining.ended(execution(1))
    for _ in range(3):
        await joining.heard(TOKEN, document((trace_of(1), 7)))
    assert await stored(store, trace_of(1)) == [("work 7", 1)]


async def test_nobody_takes_the_place_of_a_span_of_ours(store: Store) -> None:
    own = Span(trace_of(1), f"{7:016x}", None, "own 7", SpanKind.CLIENT, START, 0.5, execution_id=1)
    store.writer.offer(Recording(execution(1), (own,)))
    await store.writer.flush()
    assert await Joining(TOKEN, store).heard(TOKEN, document((trace_of(1), 7), (trace_of(1), 8))) == 0
    assert sorted(await stored(store, trace_of(1))) == [("own 7", 1), ("work 8", 1)]


async def test_a_trace_has_room_for_so_many_also_after_a_restart(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SPANS", 3)
    joining = Joining(TOKEN, store)
    joining.ended(execution(1))
    assert await joining.heard(TOKEN, document(*((trace_of(1), number) for number in range(1, 6)))) == 2
    assert numbers(await stored(store, trace_of(1))) == [1, 2, 3]
    again = Joining(TOKEN, store)
    again.ended(execution(1))
    assert await again.heard(TOKEN, document((trace_of(1), 9))) == 1
    assert numbers(await stored(store, trace_of(1))) == [1, 2, 3]


async def test_what_is_remembered_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    joining = Joining(TOKEN, store)
    for number in range(1, 6):
        joining.ended(execution(number))
    assert await joining.heard(TOKEN, document(*((trace_of(number), 1) for number in range(1, 6)))) == 0
    assert [bool(await stored(store, trace_of(number))) for number in range(1, 6)] == [
        False, False, False, True, True,
    ]  # fmt: skip


async def test_only_who_knows_the_token_is_heard(store: Store) -> None:
    for joining in (Joining(TOKEN, store), Joining(None, store)):
        joining.ended(execution(1))
        for token in ("", "None", "t" * 19, "ü"):
            assert await joining.heard(token, document((trace_of(1), 1))) is None
    assert await stored(store, trace_of(1)) == []


async def test_no_room_is_said(store: Store) -> None:
    joining = Joining(TOKEN, store)
    joining.ended(execution(1))
    await store.close()
    with pytest.raises(StoreError):
        await joining.heard(TOKEN, document((trace_of(1), 1)))
