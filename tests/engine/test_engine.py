"""The whole engine on real parts: a loopback server, a SQLite file, an alert from fire to resolve."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.config.loader import LoadedConfig, load_config
from engine.engine import Engine
from engine.errors import EngineUnavailableError, LockedError, NotFoundError
from engine.local import LocalClient
from engine.model import (
    Alert,
    AlertEventKind,
    AlertState,
    HealthCheck,
    HealthStatus,
    Outcome,
    Recording,
    Topic,
)
from tests.servers import Target, http_target

CONFIG = """
version: 1
environments:
  test: {{base_url: "{url}"}}
workflows:
  - id: shop
    name: Shop
    priority: critical
    every: 100ms
    timeout: 2s
    retry: {{max_attempts: 1}}
    breaker: false
    steps:
      - id: front
        http: {{url: "{{{{ env.base_url }}}}/front"}}
        expect: ["status == 200"]
rules:
  - id: down
    name: Shop is down
    severity: CRITICAL
    conditions:
      - {{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}}
"""


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with http_target() as server:
        yield server


def configuration(tmp_path: Path, url: str) -> LoadedConfig:
    path = tmp_path / "rules.yaml"
    path.write_text(CONFIG.format(url=url))
    return load_config(path)


class Watch:
    """Waits for committed rows, so that no test sleeps."""

    def __init__(self, engine: Engine) -> None:
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self.rows: list[Any] = []
        engine.on_rows(self._add)

    def _add(self, rows: Any) -> None:
        self.rows.extend(rows)
        task = asyncio.create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def for_row(self, wanted: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: any(map(wanted, self.rows)))
        return next(row for row in self.rows if wanted(row))


@asynccontextmanager
async def running(loaded: LoadedConfig, db: Path) -> AsyncIterator[tuple[Engine, Watch]]:
    engine = Engine(loaded, db, SystemClock())
    watch = Watch(engine)
    await engine.start()
    try:
        yield engine, watch
    finally:
        await engine.stop()


def alert_in(state: AlertState) -> Callable[[Any], bool]:
    return lambda row: isinstance(row, Alert) and row.state is state


async def test_an_alert_lives_from_the_first_failure_to_the_recovery(tmp_path: Path, target: Target) -> None:
    async with running(configuration(tmp_path, target.url), tmp_path / "t.db") as (engine, watch):
        await watch.for_row(lambda row: isinstance(row, Recording))
        assert await engine.reader.alerts() == ()

        target.status = 503
        fired = await watch.for_row(alert_in(AlertState.FIRING))
        assert (fired.rule_id, fired.subject) == ("down", "shop")

        acknowledged = await engine.alerts.acknowledge(fired.id, "ann", "on it")
        assert acknowledged.state is AlertState.ACKNOWLEDGED
        assert (await engine.reader.alert(fired.id)).alert.acked_by == "ann"

        target.status = 200
        await watch.for_row(alert_in(AlertState.RESOLVED))
        detail = await engine.reader.alert(fired.id)
        kinds = [event.kind for event in detail.events]
        assert kinds[-3:] == [AlertEventKind.FIRED, AlertEventKind.ACKNOWLEDGED, AlertEventKind.RESOLVED]
        assert detail.alert.resolved_by == "recovery"
        assert any(
            "503" in execution.error for execution in await engine.reader.executions(failures_only=True)
        )


async def test_a_firing_alert_survives_a_restart_and_resolves_after_it(
    tmp_path: Path, target: Target
) -> None:
    loaded, db = configuration(tmp_path, target.url), tmp_path / "t.db"
    target.status = 500
    async with running(loaded, db) as (_, watch):
        first = await watch.for_row(alert_in(AlertState.FIRING))
    async with running(loaded, db) as (engine, watch):
        await watch.for_row(lambda row: isinstance(row, Recording))
        assert [alert.id for alert in await engine.reader.alerts()] == [first.id]
        target.status = 200
        resolved = await watch.for_row(alert_in(AlertState.RESOLVED))
        assert resolved.id == first.id


async def test_a_locked_file_holds_up_neither_the_checks_nor_the_news_of_it(
    tmp_path: Path, target: Target
) -> None:
    db = tmp_path / "t.db"
    async with running(configuration(tmp_path, target.url), db) as (engine, watch):
        await watch.for_row(lambda row: isinstance(row, Recording))
        with closing(sqlite3.connect(db, isolation_level=None)) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            target.status = 503
            before = target.hits
            # The first failure waits for the file to store its alert.
            await target.more_hits(10)
            check = await watch.for_row(
                lambda row: isinstance(row, HealthCheck) and (row.component, row.score) == ("store", 0.0)
            )
            assert "locked by another program" in check.detail
            assert await engine.reader.alerts() == ()
            stranger.execute("ROLLBACK")
        fired = await watch.for_row(alert_in(AlertState.FIRING))
        during = target.hits - before
    with closing(sqlite3.connect(db)) as connection:
        first, failed = connection.execute(
            "SELECT min(id), count(*) FROM executions WHERE outcome = 'failed'"
        ).fetchone()
    assert fired.execution_id == first
    assert failed >= during


async def test_one_round_ends_when_its_alerts_are_stored(tmp_path: Path, target: Target) -> None:
    target.status = 503
    engine = Engine(configuration(tmp_path, target.url), tmp_path / "t.db", SystemClock())
    await engine.start(scheduled=False)
    try:
        await engine.run_once()
        assert [alert.state for alert in await engine.reader.alerts()] == [AlertState.FIRING]
    finally:
        await engine.stop()


async def test_each_execution_leaves_a_trace_points_and_a_log_line(tmp_path: Path, target: Target) -> None:
    async with running(configuration(tmp_path, target.url), tmp_path / "t.db") as (engine, watch):
        recording = await watch.for_row(lambda row: isinstance(row, Recording))
        execution = await engine.reader.execution(recording.execution.id)
        assert execution.outcome is Outcome.OK
        assert execution.attempt_count == 1
        spans = await engine.reader.trace(execution.trace_id)
        assert [span.name for span in spans] == ["Shop", "attempt 1", "front"]
        assert spans[2].attributes["http.response.status_code"] == 200
        page = await engine.reader.logs("workflow:shop ok")
        assert page.records[-1].execution_id == execution.id
        (status,) = await engine.workflow_statuses(execution.started_at - 60, execution.started_at + 60)
        assert status.last is not None
        assert status.success_rate == 1.0
        assert status.next_at is not None


async def test_one_run_of_everything_without_a_schedule(tmp_path: Path, target: Target) -> None:
    engine = Engine(configuration(tmp_path, target.url), tmp_path / "t.db", SystemClock())
    await engine.start(scheduled=False)
    try:
        (execution,) = await engine.run_once()
        assert execution.outcome is Outcome.OK
        assert target.hits == 1
    finally:
        await engine.stop()


async def test_a_second_engine_on_the_same_file_is_refused_by_name(tmp_path: Path, target: Target) -> None:
    loaded, db = configuration(tmp_path, target.url), tmp_path / "t.db"
    async with running(loaded, db):
        with pytest.raises(LockedError, match=r"t\.db"):
            await Engine(loaded, db, SystemClock()).start()


async def test_a_client_in_another_thread_reads_commands_and_hears_of_changes(
    tmp_path: Path, target: Target
) -> None:
    loaded = configuration(tmp_path, target.url)
    client = await asyncio.to_thread(LocalClient.start, loaded, tmp_path / "t.db")
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[frozenset[Topic]] = asyncio.Queue()
    try:

        def listen(topics: frozenset[Topic]) -> None:
            loop.call_soon_threadsafe(told.put_nowait, topics)

        client.subscribe(listen)
        async with asyncio.timeout(10):
            while Topic.EXECUTIONS not in await told.get():
                pass
        assert (await client.info()).workflows == 1
        assert (await client.executions(limit=1))[0].workflow_id == "shop"
        health = await client.health()
        assert {component.name for component in health.components} >= {"scheduler", "store", "notifier"}
        assert health.status is HealthStatus.HEALTHY
        with pytest.raises(NotFoundError):
            await client.acknowledge(99, "ann")
        await client.set_paused(True)
        assert (await client.info()).paused
        assert [rule.last for rule in await client.rules(0.0)] == [None] * len(await client.rules())
        assert (await client.rule("monitor-store", 0.0)).subjects == ()
        assert await client.replies("shop", until=0.0) == ()
    finally:
        await asyncio.to_thread(client.close)
    with pytest.raises(EngineUnavailableError):
        await client.info()


async def test_a_start_that_fails_tells_whoever_waits(tmp_path: Path, target: Target) -> None:
    loaded, db = configuration(tmp_path, target.url), tmp_path / "t.db"
    async with running(loaded, db):
        with pytest.raises(LockedError):
            await asyncio.to_thread(LocalClient.start, loaded, db)
