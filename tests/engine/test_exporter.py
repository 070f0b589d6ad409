"""Handing telemetry on: in batches, bounded, and with nobody hurt when the collector is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from engine import exporter as module
from engine.clock import SystemClock
from engine.config.tracing import ExportSpec
from engine.exporter import Exporter
from engine.model import (
    Execution,
    LogLevel,
    LogRecord,
    Outcome,
    Point,
    Priority,
    Recording,
    Span,
    SpanKind,
    SpanStatus,
)
from tests.engine.telemetry.test_otlp_sender import OK, Collector, HastyClock

EXECUTION = Execution(1, "shop", "Shop", Priority.NORMAL, "a" * 32, 5.0, 5.0, 0.2, Outcome.OK)


def recording(number: int) -> Recording:
    span = Span("a" * 32, f"{number:016x}", None, "Shop", SpanKind.INTERNAL, 5.0, 0.2, SpanStatus.OK)
    return Recording(
        EXECUTION,
        (span,),
        (Point("workflow.duration", (), 5.0, 0.2),),
        (LogRecord(5.0, LogLevel.INFO, "done"),),
    )


class Log(list[LogRecord]):
    def texts(self) -> list[str]:
        return [record.message.partition(" ")[2].partition(" ")[2] for record in self]


@asynccontextmanager
async def exporting(*signals: str, capacity: int = 100) -> AsyncIterator[tuple[Collector, Exporter, Log]]:
    collector, log = Collector(), Log()
    server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
    collector.port = server.sockets[0].getsockname()[1]
    spec = ExportSpec(url=collector.url, signals=signals or ("traces",))  # type: ignore[arg-type]
    exporter = Exporter(spec, HastyClock(), log.append, capacity)
    async with server:
        task = asyncio.create_task(exporter.run())
        try:
            yield collector, exporter, log
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await exporter.close(1.0)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - gives the others their turns
            await asyncio.sleep(0)


def spans_of(collector: Collector) -> list[str]:
    return [
        span["spanId"]
        for _, _, body in collector.requests
        for span in body.get("resourceSpans", [{"scopeSpans": [{"spans": []}]}])[0]["scopeSpans"][0]["spans"]
    ]


async def test_only_what_is_wanted_is_sent() -> None:
    async with exporting() as (collector, exporter, _):
        exporter.take([recording(1), LogRecord(1.0, LogLevel.INFO, "x"), recording(2)])
        await until(lambda: exporter.delivered == 2)
    assert [path for path, _, _ in collector.requests] == ["/v1/traces"]
    assert spans_of(collector) == [f"{1:016x}", f"{2:016x}"]


async def test_every_signal_may_be_wanted() -> None:
    async with exporting("traces", "logs", "metrics") as (collector, exporter, _):
        exporter.take([recording(1), LogRecord(1.0, LogLevel.INFO, "x")])
        await until(lambda: exporter.delivered == 4)
    assert [path for path, _, _ in collector.requests] == ["/v1/traces", "/v1/logs", "/v1/metrics"]
    assert len(collector.requests[1][2]["resourceLogs"][0]["scopeLogs"][0]["logRecords"]) == 2


async def test_nothing_is_lost_while_the_collector_is_away_and_it_is_told_once() -> None:
    """Six refusals are two rounds of three tries each."""
    async with exporting() as (collector, exporter, log):
        collector.answers = [(503, b"", "")] * 6
        exporter.take([recording(1)])
        await until(lambda: len(collector.requests) >= 3)
        exporter.take([recording(2)])
        await until(lambda: len(log) == 2)
    assert spans_of(collector)[-2:] == [f"{1:016x}", f"{2:016x}"]
    assert exporter.dropped == 0
    assert log.texts() == [
        f"at {collector.url} does not take what it is sent: the collector answered 503: X",
        f"at {collector.url} takes what it is sent again; 0 records were dropped",
    ]


async def test_beyond_the_bound_the_oldest_go_and_are_counted() -> None:
    async with exporting(capacity=3) as (collector, exporter, log):
        collector.answers = [(503, b"", "")] * 3
        exporter.take([recording(number) for number in range(10)])
        await until(lambda: len(log) == 2)
        assert exporter.dropped == 7
        assert spans_of(collector)[-3:] == [f"{number:016x}" for number in (7, 8, 9)]
        assert "7 records were dropped" in log[-1].message


async def test_what_is_refused_for_good_is_dropped_and_counted() -> None:
    async with exporting() as (collector, exporter, log):
        collector.answers = [(401, b"who are you", ""), OK]
        exporter.take([recording(1), recording(2)])
        await until(lambda: bool(log))
        exporter.take([recording(3)])
        await until(lambda: len(log) == 2)
    assert exporter.dropped == 2
    assert "who are you" in log[0].message


async def test_what_a_collector_rejects_is_counted() -> None:
    async with exporting() as (collector, exporter, _):
        collector.answers = [(200, b'{"partialSuccess": {"rejectedSpans": "2"}}', "")]
        exporter.take([recording(number) for number in range(5)])
        await until(lambda: exporter.dropped == 2)


async def test_a_dead_collector_holds_nobody_up() -> None:
    """Nobody listens on the port: taking goes on, within the bound, and so does the end."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    log = Log()
    exporter = Exporter(ExportSpec(url=f"http://127.0.0.1:{port}"), HastyClock(), log.append, 50)
    task = asyncio.create_task(exporter.run())
    exporter.take([recording(1)])
    await until(lambda: bool(log))
    for number in range(500):
        exporter.take([recording(number)])
    assert exporter.dropped >= 450
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await exporter.close(5.0)
    assert len(log) == 1


async def test_the_end_delivers_what_waits() -> None:
    collector, log = Collector(), Log()
    server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
    collector.port = server.sockets[0].getsockname()[1]
    async with server:
        exporter = Exporter(ExportSpec(url=collector.url), SystemClock(), log.append)
        exporter.take([recording(1)])
        await exporter.close(5.0)
    assert len(spans_of(collector)) == 1


async def test_without_a_collector_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAPACITY", 0)
    exporter = Exporter(None, SystemClock(), Log().append)
    assert not exporter.is_wanted
    exporter.take([recording(1)])
    assert exporter.dropped == 0
    await exporter.close(1.0)
