"""Spans in protobuf are what they are in JSON; whatever else comes is refused or clamped."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from engine.clock import VirtualClock
from engine.joining import MAX_SPANS, Joining
from engine.listener import BODY_LIMIT, Listener
from engine.model import Signal, SpanKind, SpanStatus
from engine.store.store import Store
from engine.telemetry import otlp_protobuf
from engine.telemetry.otlp_protobuf import MEDIA_TYPE, read_spans
from engine.telemetry.otlp_reading import UnreadableError
from tests.engine.store.samples import START, execution, trace_of

TOKEN = "t" * 20
NANOS = int(START * 1e9)


def request(*spans: ProtoSpan) -> bytes:
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "till"
    group.scope_spans.add().spans.extend(spans)
    return bytes(made.SerializeToString())


def span(
    number: int = 1, trace: str = trace_of(1), start: int = NANOS, end: int = NANOS + 10**9
) -> ProtoSpan:
    return ProtoSpan(
        trace_id=bytes.fromhex(trace),
        span_id=number.to_bytes(8, "big"),
        name=f"work {number}",
        start_time_unix_nano=start,
        end_time_unix_nano=end,
    )


def test_a_span_is_read_whole() -> None:
    sent = span()
    sent.parent_span_id = (9).to_bytes(8, "big")
    sent.kind = ProtoSpan.SPAN_KIND_SERVER
    sent.status.code = Status.STATUS_CODE_ERROR
    sent.status.message = "no money"
    sent.attributes.add(key="n").value.int_value = -(2**60)
    sent.attributes.add(key="share").value.double_value = float("nan")
    sent.events.add(name="asked", time_unix_nano=NANOS + 5)
    sent.links.add(trace_id=b"\x0d" * 16, span_id=b"\x0e" * 8)
    (found,) = read_spans(request(sent)).spans
    assert (found.trace_id, found.span_id, found.parent_id) == (trace_of(1), f"{1:016x}", f"{9:016x}")
    assert (found.name, found.kind, found.status) == ("work 1", SpanKind.SERVER, SpanStatus.ERROR)
    assert (found.started_at, found.duration) == (START, 1.0)
    assert found.attributes == {
        "service.name": "till",
        "n": -(2**60),
        "share": "nan",
        "error.message": "no money",
    }
    assert [event.name for event in found.events] == ["asked"]
    assert [(link.trace_id, link.span_id) for link in found.links] == [("0d" * 16, "0e" * 8)]


@pytest.mark.parametrize(
    ("start", "end", "duration"),
    [(0, 10**9, 1.0), (NANOS, NANOS - 1, 0.0), (4_102_444_800 * 10**9, 4_102_444_801 * 10**9, 1.0)],
)
def test_row_74_odd_times_are_clamped(start: int, end: int, duration: float) -> None:
    (found,) = read_spans(request(span(start=start, end=end))).spans
    assert (found.started_at, found.duration) == (start / 1e9, duration)


def test_row_74_times_beyond_all_measure_and_bad_identifiers_cost_their_span_alone() -> None:
    bad = [span(2, end=2**64 - 1, start=2**64 - 2), span(0), span(3, trace="0" * 32), ProtoSpan(name="x")]
    found = read_spans(request(span(), *bad))
    assert (len(found.spans), found.unreadable) == (1, 4)


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(0, 255))
def test_row_74_malformed_bytes_are_refused_and_never_crash(noise: bytes, place: int, byte: int) -> None:
    good = bytearray(request(span()))
    good[place % len(good)] = byte
    for body in (noise, bytes(good), bytes(good)[: place % len(good)]):
        with suppress(UnreadableError):
            read_spans(body)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = await Store.open(tmp_path / "t.db", VirtualClock(START))
    yield made
    await made.close()


async def nobody(token: str, signal: Signal, note: bytes, exit_code: int | None, traceparent: str) -> bool:
    return False


@pytest.fixture
async def client(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    joining = Joining(TOKEN, store)
    joining.ended(execution(1))
    listener = Listener("127.0.0.1", 0, nobody, joining.heard)
    await listener.start()
    base = f"http://127.0.0.1:{listener.port}/{TOKEN}"
    async with httpx.AsyncClient(base_url=base, headers={"content-type": MEDIA_TYPE}) as made:
        yield made
    await listener.close()


async def test_spans_are_taken_and_answered_in_protobuf(client: httpx.AsyncClient, store: Store) -> None:
    taken = await client.post("/v1/traces", content=request(span()))
    assert (taken.status_code, taken.headers["content-type"], taken.content) == (200, MEDIA_TYPE, b"")
    packed = {"content-encoding": "gzip"}
    partly = await client.post("/v1/traces", content=gzip.compress(request(span(2), span(0))), headers=packed)
    answer = ExportTraceServiceResponse.FromString(partly.content)
    assert answer.partial_success.rejected_spans == 1
    await store.writer.flush()
    assert {one.name for one in await store.reader.trace(trace_of(1))} == {"work 1", "work 2"}


async def test_row_74_bombs_duplicates_and_floods_are_bounded(
    client: httpx.AsyncClient, store: Store
) -> None:
    packed = {"content-encoding": "gzip"}
    bomb = await client.post("/v1/traces", content=gzip.compress(b"\0" * (BODY_LIMIT * 50)), headers=packed)
    assert (bomb.status_code, bomb.text) == (400, f"this is cut off, or longer than {BODY_LIMIT} bytes\n")
    wrong = await client.post("/v1/traces", content=b"\xff" * 100)
    assert (wrong.status_code, wrong.text) == (400, "this is no OTLP/protobuf document of spans\n")
    for _ in range(2):
        assert (await client.post("/v1/traces", content=request(span()))).status_code == 200
    flood = await client.post("/v1/traces", content=request(*(span(n) for n in range(1, MAX_SPANS + 100))))
    assert ExportTraceServiceResponse.FromString(flood.content).partial_success.rejected_spans == 101
    await store.writer.flush()
    assert len(await store.reader.trace(trace_of(1))) <= MAX_SPANS


async def test_without_the_extra_it_is_said_what_to_do(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_protobuf, "find_spec", lambda name: None)
    refused = await client.post("/v1/traces", content=request(span()))
    assert refused.status_code == 415
    assert refused.text == "send OTLP as JSON, or install tocsin[otlp] where this runs for protobuf\n"
    plain = json.dumps({"resourceSpans": []})
    headers = {"content-type": "application/json; charset=utf-8"}
    assert (await client.post("/v1/traces", content=plain, headers=headers)).text == "{}\n"
