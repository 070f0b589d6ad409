"""Breakers, pauses, overlaps and limits in the whole engine, over restarts and through the control socket."""

from __future__ import annotations

import asyncio
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.attached import FileClient
from engine.config.loader import LoadedConfig, load_config
from engine.errors import NotFoundError
from engine.model import Alert, AlertState, BreakerState, Outcome, Recording
from tests.engine.test_engine import running
from tests.servers import Target, http_target


def configuration(tmp_path: Path, body: str) -> LoadedConfig:
    path = tmp_path / "rules.yaml"
    path.write_text("version: 1\n" + textwrap.dedent(body))
    return load_config(path)


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with http_target() as server:
        yield server


def guarded(tmp_path: Path, url: str) -> LoadedConfig:
    return configuration(
        tmp_path,
        f"""
        workflows:
          - id: shop
            name: Shop
            every: 50ms
            retry: {{max_attempts: 1}}
            breaker: {{threshold: 3, reset: 1h}}
            steps: [{{id: front, http: {{url: "{url}/"}}}}]
        rules:
          - id: down
            name: Down
            conditions: [{{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}}]
          - id: guarded
            name: Left alone
            conditions: [{{type: THRESHOLD, metric: workflow.breaker, operator: "==", value: open}}]
        """,
    )


def skipped(reason: str, after: int = 0) -> Callable[[Any], bool]:
    return lambda row: (
        isinstance(row, Recording) and row.execution.reason == reason and row.execution.id > after
    )


async def test_an_open_breaker_is_an_alert_is_no_news_and_outlives_a_restart(
    tmp_path: Path, target: Target
) -> None:
    loaded, db = guarded(tmp_path, target.url), tmp_path / "t.db"
    target.status = 503
    async with running(loaded, db) as (engine, watch):
        first = await watch.for_row(skipped("breaker"))
        await watch.for_row(
            lambda row: isinstance(row, Alert) and (row.rule_id, row.state) == ("guarded", AlertState.FIRING)
        )
        await watch.for_row(skipped("breaker", after=first.execution.id))
        (status,) = await engine.workflow_statuses(0, first.execution.started_at + 60)
        assert (status.success_rate, status.executions) == (0.0, 3)
        down = [alert for alert in await engine.reader.alerts() if alert.rule_id == "down"]
        assert [alert.state for alert in down] == [AlertState.FIRING]
        assert target.hits == 3
        spans = [span for row in watch.rows if isinstance(row, Recording) for span in row.spans]
        events = [event.attributes for span in spans for event in span.events if event.name == "breaker"]
        assert [dict(event) for event in events] == [{"before": "CLOSED", "after": "OPEN"}]
    target.status = 200
    async with running(loaded, db) as (engine, watch):
        await watch.for_row(skipped("breaker"))
        assert target.hits == 3
        client = await FileClient.open(db)
        try:
            with pytest.raises(NotFoundError, match="http://nobody"):
                await client.reset_breaker("http://nobody")
            await client.reset_breaker(f"http://127.0.0.1:{target.port}")
        finally:
            client.close()
        await watch.for_row(lambda row: isinstance(row, Recording) and row.execution.outcome is Outcome.OK)
        (status,) = await engine.workflow_statuses(0, 1)
        (breaker,) = status.breakers
        assert (breaker.target, breaker.state) == (f"http://127.0.0.1:{target.port}", BreakerState.CLOSED)
    async with running(loaded, db) as (engine, _):
        assert await engine.reader.breakers() == ()


async def test_one_workflow_is_paused_through_the_socket_and_stays_so(tmp_path: Path, target: Target) -> None:
    loaded, db = guarded(tmp_path, target.url), tmp_path / "t.db"
    async with running(loaded, db) as (engine, watch):
        await watch.for_row(lambda row: isinstance(row, Recording))
        client = await FileClient.open(db)
        try:
            with pytest.raises(NotFoundError):
                await client.set_paused(True, "nobody")
            await client.set_paused(True, "shop")
        finally:
            client.close()
        (status,) = await engine.workflow_statuses(0, 1)
        assert (status.paused, status.next_at, (await engine.info()).paused) == (True, None, False)
    hits = target.hits
    async with running(loaded, db) as (engine, watch):
        (status,) = await engine.workflow_statuses(0, 1)
        assert status.paused
        assert target.hits == hits
        await engine.set_paused(False, "shop")
        await watch.for_row(lambda row: isinstance(row, Recording) and row.execution.outcome is Outcome.OK)


async def test_the_socket_tells_what_the_file_does_not_know(tmp_path: Path, target: Target) -> None:
    loaded, db = guarded(tmp_path, target.url), tmp_path / "t.db"
    target.status = 503
    address = f"http://127.0.0.1:{target.port}"
    async with running(loaded, db) as (engine, watch):
        await watch.for_row(skipped("breaker"))
        client = await FileClient.open(db)
        try:
            (status,) = await client.workflows(0, time.time() + 1)
            (own,) = await engine.workflow_statuses(0, time.time() + 1)
            assert (status.id, status.schedule, status.steps) == ("shop", own.schedule, ("front",))
            assert status.executions >= 3
            assert status.breakers[0].state is BreakerState.OPEN
            (breaker,) = await client.breakers()
            assert (breaker.target, breaker.state, breaker.failures) == (address, BreakerState.OPEN, 3)
            assert breaker.since is not None
            assert breaker.trial_at == pytest.approx(breaker.since + 3600, abs=1)
            (again,) = await engine.breakers()
            assert again.since == breaker.since
        finally:
            client.close()
    client = await FileClient.open(db)
    try:
        (status,) = await client.workflows(0, breaker.since + 100)
        assert (status.id, status.schedule, status.breakers) == ("shop", "", ())
        (left,) = await client.breakers()
        assert (left.target, left.state, left.failures, left.trial_at) == (
            address,
            BreakerState.OPEN,
            3,
            None,
        )
    finally:
        client.close()


@asynccontextmanager
async def slow_target() -> AsyncIterator[tuple[str, list[int]]]:
    """A server that holds each request until its peer goes; `[now, most]` requests at the same time."""
    there = [0, 0]

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there[0] += 1
        there[1] = max(there)
        try:
            while await reader.read(1024):
                pass
        except ConnectionError:
            pass
        finally:
            there[0] -= 1
            writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", there


async def test_a_replaced_run_is_recorded_as_such(tmp_path: Path) -> None:
    async with slow_target() as (url, there):
        loaded = configuration(
            tmp_path,
            f"""
            workflows:
              - id: slow
                name: Slow
                every: 100ms
                timeout: 500ms
                overlap: replace
                steps: [{{id: front, http: {{url: "{url}/"}}}}]
            """,
        )
        async with running(loaded, tmp_path / "t.db") as (_, watch):
            row = await watch.for_row(skipped("replaced"))
            assert row.execution.outcome is Outcome.INTERRUPTED
            await watch.for_row(skipped("replaced", after=row.execution.id))
        assert there[1] == 1


async def test_a_host_is_not_asked_by_more_at_once_than_allowed(tmp_path: Path) -> None:
    async with slow_target() as (url, there):
        flows = "\n".join(
            f"""
              - id: w{number}
                name: W{number}
                every: 1h
                timeout: 300ms
                retry: {{max_attempts: 1}}
                steps: [{{id: s, http: {{url: "{url}/"}}}}]"""
            for number in range(4)
        )
        loaded = configuration(
            tmp_path,
            f"""
            settings: {{per_host: 2}}
            workflows:{flows}
            """,
        )
        async with running(loaded, tmp_path / "t.db") as (_, watch):
            busy = await watch.for_row(skipped("host busy"))
            assert busy.execution.outcome is Outcome.SKIPPED
        assert there[1] == 2
