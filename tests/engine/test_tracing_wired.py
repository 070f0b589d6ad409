"""Tracing through the whole engine: what is kept, what is handed on, what joins."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine import exporter
from engine.clock import SystemClock
from engine.config.loader import load_config
from engine.engine import Engine
from engine.errors import ConfigError
from engine.model import Outcome, SpanKind, SpanLink, SpanStatus
from tests.engine.telemetry.test_otlp_sender import Collector

TOKEN = "a-token-of-20-chars-"
JOB = "0123456789abcdef"


class Backend:
    """A server that remembers who called, and may do something while it is being called."""

    def __init__(self) -> None:
        self.port = 0
        self.status = 200
        self.traceparents: list[str] = []
        self.meanwhile: Any = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.traceparents += re.findall(r"(?im)^traceparent: (\S+)", head)
        if self.meanwhile is not None:
            await self.meanwhile(self.traceparents[-1])
        writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    made = Backend()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


@asynccontextmanager
async def engine_of(
    tmp_path: Path, backend: Backend, tracing: dict[str, Any], *extra: dict[str, Any]
) -> AsyncIterator[Engine]:
    config = {
        "version": 1,
        "settings": {"heartbeats": "127.0.0.1:0", "tracing": tracing},
        "workflows": [
            {
                "id": "shop",
                "name": "Shop",
                "every": "1h",
                "retry": {"max_attempts": 1},
                "steps": [{"id": "front", "http": {"url": f"http://127.0.0.1:{backend.port}/"}}],
            },
            {
                "id": "job",
                "name": "Job",
                "every": "1h",
                "retry": {"max_attempts": 1},
                "steps": [{"id": "beat", "heartbeat": {"token": JOB, "period": "1d"}}],
            },
            *extra,
        ],
    }
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps(config))
    engine = Engine(load_config(path), tmp_path / "t.db", SystemClock())
    await engine.start(scheduled=False)
    try:
        yield engine
    finally:
        await engine.stop()


def document(traceparent: str) -> dict[str, Any]:
    """What the backend has to say of a call."""
    _, trace_id, parent, _ = traceparent.split("-")
    span = {
        "traceId": trace_id,
        "spanId": "5e" * 8,
        "parentSpanId": parent,
        "name": "SELECT stock",
        "kind": 2,
        "startTimeUnixNano": str(time.time_ns()),
        "endTimeUnixNano": str(time.time_ns() + 1_000_000),
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "till"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}


async def test_what_is_not_sampled_says_so_and_keeps_its_spans_only_when_it_failed(
    tmp_path: Path, backend: Backend
) -> None:
    async with engine_of(tmp_path, backend, {"sample": 0}) as engine:
        fine, _ = await engine.run_once()
        backend.status = 500
        failed, _ = await engine.run_once()
        assert {header[-3:] for header in backend.traceparents} == {"-00"}
        assert await engine.reader.trace(fine.trace_id) == ()
        assert len((await engine.reader.execution(fine.id)).attempts) == 1
        spans = await engine.reader.trace(failed.trace_id)
    assert [span.status for span in spans] == [SpanStatus.ERROR] * 3


async def test_what_is_stored_reaches_the_collector(tmp_path: Path, backend: Backend) -> None:
    collector = Collector()
    server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
    collector.port = server.sockets[0].getsockname()[1]
    export = {"url": collector.url, "headers": {"x-key": "k3y"}, "signals": ["traces", "metrics"]}
    async with server:
        async with engine_of(tmp_path, backend, {"sample": "100%", "export": export}) as engine:
            executions = await engine.run_once()
        spans = [
            span
            for path, head, body in collector.requests
            if path == "/v1/traces" and b"x-key: k3y" in head
            for span in body["resourceSpans"][0]["scopeSpans"][0]["spans"]
        ]
    assert {span["traceId"] for span in spans} == {execution.trace_id for execution in executions}
    assert len(spans) == 6
    assert {path for path, _, _ in collector.requests} == {"/v1/traces", "/v1/metrics"}


async def test_a_backend_s_span_joins_the_trace_that_called_it(tmp_path: Path, backend: Backend) -> None:
    """While the call goes on, as a tracing library in the backend would send it."""
    async with (
        engine_of(tmp_path, backend, {"accept": TOKEN}) as engine,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        url = f"http://127.0.0.1:{engine.heartbeat_port}/{TOKEN}/v1/traces"

        async def send(traceparent: str) -> None:
            assert (await client.post(url, json=document(traceparent))).json() == {}

        backend.meanwhile = send
        shop, _ = await engine.run_once()
        spans = {span.name: span for span in await engine.reader.trace(shop.trace_id)}
        joined = spans["SELECT stock"]
        assert joined.parent_id == spans["front"].span_id
        assert (joined.kind, joined.execution_id) == (SpanKind.SERVER, shop.id)
        assert joined.attributes == {"service.name": "till"}
        late = document(backend.traceparents[0])
        late["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= {"spanId": "7a" * 8, "name": "cleanup"}
        await client.post(url, json=late)
        await engine.run_once()
        assert "cleanup" in {span.name for span in await engine.reader.trace(shop.trace_id)}


SCRIPT = """
import json, os, sys, time, urllib.request
_, trace, parent, _ = os.environ["TRACEPARENT"].split("-")
now = time.time_ns()
span = {"traceId": trace, "spanId": "3c" * 8, "parentSpanId": parent, "name": "nightly copy"}
span |= {"startTimeUnixNano": now, "endTimeUnixNano": now + 1000}
body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
request = urllib.request.Request(open(sys.argv[1]).read(), body)
request.add_header("content-type", "application/json")
print(urllib.request.urlopen(request, timeout=5).status)
"""


async def test_the_span_of_a_script_hangs_below_the_step_that_ran_it(
    tmp_path: Path, backend: Backend
) -> None:
    place = tmp_path / "endpoint"
    shell = {"command": [sys.executable, "-c", SCRIPT, str(place)]}
    extra = {"id": "copy", "name": "Copy", "every": "1h", "steps": [{"id": "run", "shell": shell}]}
    async with engine_of(tmp_path, backend, {"accept": TOKEN}, extra) as engine:
        place.write_text(f"http://127.0.0.1:{engine.heartbeat_port}/{TOKEN}/v1/traces")
        *_, execution = await engine.run_once()
        spans = {span.name: span for span in await engine.reader.trace(execution.trace_id)}
    assert execution.outcome is Outcome.OK
    assert spans["nightly copy"].parent_id == spans["run"].span_id


async def test_a_job_s_own_span_is_linked_also_after_a_restart(tmp_path: Path, backend: Backend) -> None:
    trace_id, span_id = "a1" * 16, "b2" * 8
    async with (
        engine_of(tmp_path, backend, {}) as engine,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        url = f"http://127.0.0.1:{engine.heartbeat_port}/{JOB}"
        await client.get(url, headers={"traceparent": f"00-{trace_id}-{span_id}-01"})
        await engine.run_once()
        page = await engine.reader.logs(f"trace:{trace_id}")
        assert [(record.message, record.span_id) for record in page.records] == [
            ("heartbeat success", span_id)
        ]
    async with engine_of(tmp_path, backend, {}) as engine:
        _, job = await engine.run_once()
        (step,) = [span for span in await engine.reader.trace(job.trace_id) if span.name == "beat"]
        assert step.links == (SpanLink(trace_id, span_id),)


async def test_the_credentials_of_both_ways_are_hidden(
    tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever refuses a request may repeat what it came with."""
    monkeypatch.setattr(exporter, "GATHERING", 0.01)
    collector = Collector()
    server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
    collector.port = server.sockets[0].getsockname()[1]
    collector.answers = [(403, f"no entry for k3y-for-0tlp or {TOKEN}".encode(), "")] * 9
    export = {"url": collector.url, "headers": {"X-Api-Key": "k3y-for-0tlp"}}
    async with server, engine_of(tmp_path, backend, {"accept": TOKEN, "export": export}) as engine:
        told = asyncio.Event()
        engine.on_rows(lambda rows: told.set() if "no entry" in str(rows) else None)
        await engine.run_once()
        async with asyncio.timeout(10):
            await told.wait()
        page = await engine.reader.logs('"no entry"')
    assert [record.message.partition("403: ")[2] for record in page.records] == ["no entry for *** or ***"]


@pytest.mark.parametrize(
    ("tracing", "words"),
    [
        ({"sample": 2}, "sample"),
        ({"sample": "a tenth"}, "sample"),
        ({"accept": "short"}, "accept"),
        ({"export": {"url": "collector:4317"}}, "base URL"),
        ({"export": {"url": "http://c", "signals": ["spans"]}}, "signals"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, backend: Backend, tracing: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        async with engine_of(tmp_path, backend, tracing):
            pass
    assert words in str(caught.value)
