"""Sending to a collector, on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.clock import Clock, SystemClock
from engine.model import ErrorType, LogLevel, LogRecord, Point
from engine.resilience.retry import RetryPolicy
from engine.telemetry import otlp_sender
from engine.telemetry.otlp_sender import OtlpSender
from tests.engine.telemetry.test_otlp import a_span

OK = (200, b"{}", "")


@dataclass
class Collector:
    """Takes requests and answers them with what a test lines up, then with OK."""

    port: int = 0
    answers: list[tuple[int, bytes, str]] = field(default_factory=list)
    requests: list[tuple[str, bytes, Any]] = field(default_factory=list)
    is_silent: bool = False
    withheld: int = 0
    """Bytes of each answer that are promised and never come."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                self.requests.append((head.split(b" ")[1].decode(), head.lower(), body))
                if self.is_silent:
                    continue
                status, answer, extra = self.answers.pop(0) if self.answers else OK
                length = len(answer) + self.withheld
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{extra}\r\n".encode() + answer
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class HastyClock(SystemClock):
    """Waits between attempts are noted and take no time; the deadline of a batch never comes."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        if seconds > otlp_sender.TIMEOUT / 2:
            await asyncio.Event().wait()
        self.waits.append(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def sending(clock: Clock | None = None, **options: Any) -> AsyncIterator[tuple[Collector, OtlpSender]]:
    collector = Collector()
    server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
    collector.port = server.sockets[0].getsockname()[1]
    sender = OtlpSender(
        collector.url + "/", {"Authorization": "Bearer t0ken"}, clock=clock or HastyClock(), **options
    )
    async with server:
        yield collector, sender
        await sender.close()


async def test_each_signal_goes_to_its_place() -> None:
    async with sending() as (collector, sender):
        assert await sender.send_spans([a_span()]) == otlp_sender.Sent(accepted=1)
        assert await sender.send_logs([LogRecord(1.0, LogLevel.INFO, "x")] * 2) == otlp_sender.Sent(
            accepted=2
        )
        assert await sender.send_points([Point("p", (), 1.0, 2.0)]) == otlp_sender.Sent(accepted=1)
        assert await sender.send_spans([]) == otlp_sender.Sent()
    assert [(path, *body) for path, _, body in collector.requests] == [
        ("/v1/traces", "resourceSpans"),
        ("/v1/logs", "resourceLogs"),
        ("/v1/metrics", "resourceMetrics"),
    ]
    head = collector.requests[0][1]
    assert b"authorization: bearer t0ken\r\n" in head
    assert b"content-type: application/json\r\n" in head


async def test_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_sender, "BATCH", 4)
    async with sending() as (collector, sender):
        assert (await sender.send_spans([a_span()] * 10)).accepted == 10
    sizes = [len(body["resourceSpans"][0]["scopeSpans"][0]["spans"]) for _, _, body in collector.requests]
    assert sizes == [4, 4, 2]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_what_may_pass_is_tried_again(status: int) -> None:
    clock = HastyClock()
    async with sending(clock) as (collector, sender):
        collector.answers = [(status, b"busy", "retry-after: 7\r\n"), OK]
        sent = await sender.send_spans([a_span()])
    assert (sent.accepted, len(collector.requests), clock.waits) == (1, 2, [7.0])


@pytest.mark.parametrize("status", [302, 400, 401, 404, 408, 413, 500, 501])
async def test_what_will_not_pass_is_given_up_and_the_rest_not_tried(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_sender, "BATCH", 2)
    async with sending() as (collector, sender):
        collector.answers = [OK, (status, b"no\x1b[2J", "location: /elsewhere\r\n")]
        sent = await sender.send_spans([a_span()] * 5)
    assert (sent.accepted, sent.rejected, sent.undelivered, len(collector.requests)) == (2, 0, 3, 2)
    assert sent.failure is not None
    assert (sent.failure.type, sent.failure.message) == (
        ErrorType.PERMANENT,
        f"the collector answered {status}: no",
    )


@pytest.mark.parametrize(
    ("answer", "rejected", "note"),
    [
        (b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too old"}}', 2, "too old"),
        (b'{"partialSuccess": {"rejectedSpans": 99}}', 3, ""),
        (b'{"partialSuccess": {"errorMessage": "a warning"}}', 0, "a warning"),
        (b'{"partialSuccess": null}', 0, ""),
        (b'{"partialSuccess": {"rejectedSpans": "many"}}', 0, ""),
        (b"[" * 60_000, 0, ""),
        (b"x" * 200_000, 0, ""),
        (b"", 0, ""),
    ],
)
async def test_a_partial_success_is_counted(answer: bytes, rejected: int, note: str) -> None:
    async with sending() as (collector, sender):
        collector.answers = [(200, answer, "")]
        sent = await sender.send_spans([a_span()] * 3)
    assert sent == otlp_sender.Sent(accepted=3 - rejected, rejected=rejected, note=note)


async def test_a_silent_collector_holds_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_sender, "ATTEMPT_TIMEOUT", 0.05)
    clock = HastyClock()
    async with sending(clock, policy=RetryPolicy(max_attempts=2)) as (collector, sender):
        collector.is_silent = True
        sent = await sender.send_points([Point("p", (), 1.0, 2.0)])
    assert (sent.undelivered, len(clock.waits)) == (1, 1)
    assert sent.failure is not None
    assert sent.failure.type is ErrorType.TIMEOUT
    assert sent.failure.message == "the collector did not answer within 0.05 s"


async def test_an_answer_without_end_is_not_waited_for() -> None:
    async with sending(policy=RetryPolicy(max_attempts=1)) as (collector, sender):
        collector.answers, collector.withheld = [(200, b" " * 100_000, "")], 10**9
        assert (await sender.send_spans([a_span()])).accepted == 1


async def test_all_attempts_together_have_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_sender, "TIMEOUT", 0.1)
    async with sending(SystemClock()) as (collector, sender):
        collector.is_silent = True
        sent = await sender.send_spans([a_span()])
    assert sent.failure is not None
    assert (sent.undelivered, sent.failure.type) == (1, ErrorType.TIMEOUT)


async def test_a_dead_collector_is_a_failure_and_no_exception() -> None:
    clock = HastyClock()
    async with sending(clock) as (_, sender):
        pass
    sent = await sender.send_spans([a_span()])
    await sender.close()
    await sender.close()
    assert sent.failure is not None
    assert (sent.undelivered, sent.failure.type, len(clock.waits)) == (1, ErrorType.NETWORK, 2)


@pytest.mark.parametrize(
    "endpoint", ["ftp://127.0.0.1", "nonsense", "http://127.0.0.1:99999", "http://[", ""]
)
async def test_an_endpoint_that_is_none_is_a_failure_and_no_exception(endpoint: str) -> None:
    sender = OtlpSender(endpoint, clock=HastyClock())
    sent = await sender.send_spans([a_span()])
    await sender.close()
    assert sent.undelivered == 1
    assert sent.failure is not None
