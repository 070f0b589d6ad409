from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.attached import FileClient
from engine.client import EngineClient, EngineInfo
from engine.clock import VirtualClock
from engine.control import ControlServer, pack
from engine.errors import ConflictError, EngineUnavailableError, LockedError, NotFoundError, StoreError
from engine.model import (
    Alert,
    AlertEventKind,
    AlertState,
    Execution,
    HealthCheck,
    HealthStatus,
    Notification,
    NotificationState,
    Outcome,
    Priority,
    Recording,
    Severity,
)
from engine.paths import socket_path
from engine.store.lock import InstanceLock
from engine.store.store import Store

NOW = VirtualClock().now()
ALERT = Alert(
    id=1,
    fingerprint="down|login",
    rule_id="down",
    rule_name="Login is down",
    subject="login",
    severity=Severity.CRITICAL,
    state=AlertState.FIRING,
    message="workflow.status (failed) == failed",
    started_at=NOW - 600,
    last_true_at=NOW - 10,
    fired_at=NOW - 600,
)
FIRED = Notification(
    key="1:fired:ops",
    alert_id=1,
    channel="ops",
    transition=AlertEventKind.FIRED,
    severity=Severity.CRITICAL,
    title="t",
    body="b",
    created_at=NOW - 600,
    state=NotificationState.SENT,
)
EXECUTION = Execution(
    7, "login", "User login", Priority.CRITICAL, "ab" * 16, NOW - 30, NOW - 30, 0.25, Outcome.OK
)


@pytest.fixture
async def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with one alert that one channel was told of; the socket's directory is private too."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = tmp_path / "t.db"
    store = await Store.open(path, VirtualClock())
    await store.writer.must(ALERT, FIRED, replace(ALERT, id=2, fingerprint="x|y", state=AlertState.PENDING))
    await store.writer.must(Recording(EXECUTION))
    await store.close()
    return path


@asynccontextmanager
async def _client(path: Path) -> AsyncIterator[EngineClient]:
    client = await FileClient.open(path, VirtualClock())
    try:
        yield client
    finally:
        client.close()


class FakeEngine:
    """Holds the lock and the socket of a database, and remembers the commands it was given."""

    def __init__(self, path: Path) -> None:
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self._lock = InstanceLock(path)
        self._server = ControlServer(socket_path(path), self._handle)
        self._info = EngineInfo("1", "local", "rules.yaml", str(path), NOW, 2, 3, 4)

    async def __aenter__(self) -> FakeEngine:
        self._lock.acquire()
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()
        self._lock.release()

    async def _handle(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.commands.append((command, arguments))
        match command:
            case "info":
                return pack(self._info)
            case "acknowledge" | "resolve":
                if arguments["alert_id"] != 1:
                    raise NotFoundError(f"there is no alert {arguments['alert_id']}")
                return pack(replace(ALERT, acked_by=arguments["author"], ack_note=arguments["note"]))
        return {}


async def test_it_reads_what_the_file_knows(path: Path) -> None:
    async with _client(path) as client:
        assert [alert.id for alert in await client.alerts()] == [1, 2]
        assert (await client.alert(1)).notifications == (FIRED,)
        assert (await client.execution(7)).workflow_name == "User login"
        (workflow,) = await client.workflows(NOW - 3_600, NOW)
        assert (workflow.id, workflow.name, workflow.priority) == ("login", "User login", Priority.CRITICAL)
        assert (workflow.last, workflow.executions, workflow.success_rate) == (EXECUTION, 1, 1.0)
        info = await client.info()
        assert (info.live, info.database, info.workflows) == (False, str(path), 1)
        client.subscribe(lambda topics: None)()


async def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        await FileClient.open(tmp_path / "none.db")


async def test_an_alert_is_acknowledged_on_the_file(path: Path) -> None:
    async with _client(path) as client:
        alert = await client.acknowledge(1, "ann", "on it")
        assert (alert.state, alert.acked_at, alert.acked_by) == (AlertState.ACKNOWLEDGED, NOW, "ann")
        detail = await client.alert(1)
        assert detail.alert == alert
        assert [(event.kind, event.author, event.note) for event in detail.events] == [
            (AlertEventKind.ACKNOWLEDGED, "ann", "on it")
        ]
        assert detail.notifications == (FIRED,)
        with pytest.raises(ConflictError):
            await client.acknowledge(1, "ben")


async def test_a_resolve_on_the_file_queues_what_has_to_be_told(path: Path) -> None:
    async with _client(path) as client:
        alert = await client.resolve(1, "ann", "rolled back")
        assert (alert.state, alert.resolved_at) == (AlertState.RESOLVED, NOW)
        _, told = (await client.alert(1)).notifications
        assert (told.key, told.state, told.next_at) == ("1:resolved:ops", NotificationState.QUEUED, 0.0)
        assert told.title == "[RESOLVED] Login is down · login"
        assert "Resolved by ann\nNote: rolled back" in told.body
        with pytest.raises(ConflictError):
            await client.resolve(1, "ben")


async def test_what_is_not_there_or_not_firing_is_refused_and_the_lock_given_back(path: Path) -> None:
    async with _client(path) as client:
        with pytest.raises(NotFoundError):
            await client.resolve(99, "ann")
        with pytest.raises(ConflictError):
            await client.resolve(2, "ann")
        assert InstanceLock.holder(path) is None
        await client.acknowledge(1, "ann")


async def test_with_an_engine_commands_go_to_it(path: Path) -> None:
    async with FakeEngine(path) as engine, _client(path) as client:
        alert = await client.acknowledge(1, "ann", "ä")
        assert (alert.acked_by, alert.ack_note) == ("ann", "ä")
        await client.acknowledge(1, "ann", lasting=600.0)
        await client.run_now("login")
        await client.set_paused(True)
        info = await client.info()
        assert (info.live, info.attached) == (True, True)
        with pytest.raises(NotFoundError, match="no alert 5"):
            await client.resolve(5, "ann")
        assert engine.commands == [
            ("acknowledge", {"alert_id": 1, "author": "ann", "note": "ä"}),
            ("acknowledge", {"alert_id": 1, "author": "ann", "note": "", "lasting": 600.0}),
            ("run_now", {"workflow_id": "login"}),
            ("set_paused", {"paused": True}),
            ("info", {}),
            ("resolve", {"alert_id": 5, "author": "ann", "note": ""}),
        ]
        assert (await client.alert(1)).alert == ALERT, "the file is the engine's to write"


async def test_two_engines_cannot_hold_one_file(path: Path) -> None:
    async with FakeEngine(path), _client(path) as client:
        with pytest.raises(LockedError):
            await FakeEngine(path).__aenter__()
        assert (await client.info()).live


async def test_an_engine_that_holds_the_file_and_does_not_answer_is_a_sentence(path: Path) -> None:
    lock = InstanceLock(path)
    lock.acquire()
    try:
        async with _client(path) as client:
            with pytest.raises(EngineUnavailableError, match="cannot be reached"):
                await client.acknowledge(1, "ann")
    finally:
        lock.release()


async def test_some_commands_need_an_engine(path: Path) -> None:
    async with _client(path) as client:
        with pytest.raises(EngineUnavailableError, match="no engine runs"):
            await client.run_now("login")
        with pytest.raises(EngineUnavailableError, match="no engine runs"):
            await client.set_paused(True)


async def test_health_comes_from_the_stored_checks(path: Path) -> None:
    checks = [
        HealthCheck(NOW - 300, "store", HealthStatus.HEALTHY, 100.0),
        HealthCheck(NOW - 90, "workflow:login", HealthStatus.HEALTHY, 100.0),
        HealthCheck(NOW - 60, "workflow:login", HealthStatus.UNHEALTHY, 0.0, "down"),
        HealthCheck(NOW - 60, "scheduler", HealthStatus.HEALTHY, 100.0),
        HealthCheck(NOW - 5, "workflow:login", HealthStatus.UNHEALTHY, 0.0, "still down"),
    ]
    store = await Store.open(path, VirtualClock())
    await store.writer.must(*checks)
    await store.close()
    async with _client(path) as client:
        health = await client.health()
    parts = {part.name: part for part in health.components}
    assert (parts["store"].status, parts["store"].detail) == (HealthStatus.UNKNOWN, "not checked any more")
    login = parts["workflow:login"]
    assert (login.status, login.detail, login.since) == (HealthStatus.UNHEALTHY, "still down", NOW - 60)
    assert login.uptime == pytest.approx(1 / 3)
    assert health.score == pytest.approx(100 * 2 / (2 + 4))
    assert health.status is HealthStatus.UNHEALTHY


async def test_without_checks_health_is_unknown(path: Path) -> None:
    async with _client(path) as client:
        health = await client.health()
        assert (health.status, health.components) == (HealthStatus.UNKNOWN, ())


async def test_closing_twice_ends_all_threads(path: Path) -> None:
    before = set(threading.enumerate())
    client = await FileClient.open(path, VirtualClock())
    started = set(threading.enumerate()) - before
    assert started
    client.close()
    client.close()
    for thread in started:
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()
    with pytest.raises(StoreError):
        await client.alerts()


def test_a_program_that_closes_it_ends(path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from engine.attached import FileClient

async def main():
    client = await FileClient.open(Path(sys.argv[1]))
    try:
        print(len(await client.alerts()))
    finally:
        client.close()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=30
    )
    assert (done.stdout, done.stderr) == ("2\n", "")


async def test_an_acknowledgement_cancelled_midway_gives_the_lock_back(path: Path) -> None:
    async with _client(path) as client:
        task = asyncio.create_task(client.acknowledge(1, "ann"))
        await asyncio.sleep(0)
        assert InstanceLock.holder(path) is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert InstanceLock.holder(path) is None
        assert (await client.alert(1)).alert.state in (AlertState.FIRING, AlertState.ACKNOWLEDGED)
