"""A client for a database that another process runs an engine on, or that nobody does.

Reads come from the file. Commands go to the engine that holds it; without one, acknowledging and resolving
are done on the file itself, and what has to be told waits in it for the next engine.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from engine.alerts import lifecycle
from engine.alerts.announce import audience, notifications
from engine.alerts.lifecycle import Transition
from engine.attached_explaining import AttachedExplaining
from engine.attached_muting import Act, AttachedMuting
from engine.attached_rules import AttachedRules
from engine.client import EngineInfo, Listener, WorkflowStatus
from engine.clock import Clock, SystemClock
from engine.control import (
    pack,
    send_command,
    unpack_alert,
    unpack_breakers,
    unpack_info,
    unpack_notification,
    unpack_pledges,
    unpack_reload,
    unpack_workflows,
)
from engine.errors import EngineUnavailableError, LockedError
from engine.model import (
    Alert,
    AlertEvent,
    BreakerStatus,
    KeptReply,
    Notice,
    Notification,
    ReloadReport,
)
from engine.notify.letters import revived
from engine.notify.messages import compose
from engine.notify.routes import Routing
from engine.past import HEALTH_WINDOW, status_of
from engine.paths import socket_path
from engine.reporting.model import Pledge
from engine.store.following import FollowingPool
from engine.store.lock import InstanceLock
from engine.store.news import FileNews
from engine.store.reader import Activity, Reader
from engine.store.store import Store
from engine.version import __version__

T = TypeVar("T")
WORKFLOWS_A_TIME = 200


class FileClient(AttachedRules, AttachedExplaining, AttachedMuting):
    """An `EngineClient` on a database file. Made by `open()`, ended by `close()`."""

    def __init__(self, path: Path, reader: Reader, clock: Clock) -> None:
        self._path = path
        self._reader = reader
        self._clock = clock
        self.executions = reader.executions
        self.execution = reader.execution
        self.trace = reader.trace
        self.buckets = reader.buckets
        self.logs = reader.logs
        self.log_count = reader.log_count
        self.log_facets = reader.log_facets
        self.summary = reader.summary
        self.series = reader.series
        self.points = reader.points
        self.retries = reader.retries

    @classmethod
    async def open(cls, path: Path, clock: Clock | None = None) -> FileClient:
        """Read `path`, beside an engine or without one, and what takes its place. Raises StoreError."""
        clock = clock or SystemClock()
        return cls(path, Reader(await FollowingPool.open(path), clock), clock)

    def close(self, grace: float = 10.0) -> None:
        """Close the file, within `grace` seconds; may be called while a loop runs."""
        closing = threading.Thread(target=lambda: asyncio.run(self._reader.close()), daemon=True)
        closing.start()
        closing.join(grace)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Looks at the file for what its engine writes."""
        news = FileNews(self._path, listener)
        news.start()
        return news.close

    async def info(self, at: float | None = None) -> EngineInfo:
        """What the engine says of itself, or what the file shows when none runs (`live` is False)."""
        if at is not None:
            return await self._past.info(at)
        if InstanceLock.holder(self._path) is not None:
            return replace(unpack_info(await self._command("info")), attached=True)
        now = self._clock.now()
        runs = await self._reader.runs()
        return EngineInfo(
            version=__version__,
            environment="",
            config="",
            database=str(self._path),
            started_at=now,
            workflows=len(await self._reader.workflow_activity(now - HEALTH_WINDOW, now)),
            rules=0,
            channels=0,
            live=False,
            digest=runs[0].digest if runs else "",
        )

    async def workflows(
        self, since: float, until: float, at: float | None = None
    ) -> tuple[WorkflowStatus, ...]:
        """As the engine knows them; without one those that have run, by name, without their schedules."""
        if at is not None:
            return await self._past.workflows(since, until, at)
        activity = await self._reader.workflow_activity(since, until)
        if InstanceLock.holder(self._path) is not None:
            known = await self._paged("workflows", unpack_workflows)
            return tuple(_with_activity(status, activity.get(status.id)) for status in known)
        statuses = [status_of(workflow_id, known) for workflow_id, known in activity.items()]
        return tuple(sorted(statuses, key=lambda status: (status.name, status.id)))

    async def acknowledge(
        self, alert_id: int, author: str, note: str = "", lasting: float | None = None
    ) -> Alert:
        """Durable when it returns; raises EngineUnavailableError and StoreError as well."""

        def act(alert: Alert, now: float) -> Transition:
            until = None if lasting is None else now + lasting
            return lifecycle.acknowledge(alert, author, note, now, until)

        told: dict[str, Any] = {"alert_id": alert_id, "author": author, "note": note}
        if lasting is not None:
            told["lasting"] = lasting
        return unpack_alert(await self._change("acknowledge", told, partial(_change_alert, alert_id, act)))

    async def resolve(self, alert_id: int, author: str, note: str = "") -> Alert:
        """Durable when it returns; raises EngineUnavailableError and StoreError as well."""

        def act(alert: Alert, now: float) -> Transition:
            return lifecycle.resolve(alert, author, note, now)

        told = {"alert_id": alert_id, "author": author, "note": note}
        return unpack_alert(await self._change("resolve", told, partial(_change_alert, alert_id, act)))

    async def note(self, alert_id: int, author: str, note: str) -> Alert:
        """Durable when it returns; raises EngineUnavailableError and StoreError as well."""

        def act(alert: Alert, now: float) -> Transition:
            return lifecycle.noted(alert, author, note)

        told = {"alert_id": alert_id, "author": author, "note": note}
        return unpack_alert(await self._change("note", told, partial(_change_alert, alert_id, act)))

    async def retry_notification(self, key: str) -> Notification:
        """Without an engine it is queued for the next one."""

        async def act(store: Store, now: float) -> Notification:
            row = await revived(store.reader.pool, key, now)
            await store.writer.must(row)
            return row

        return unpack_notification(await self._change("retry_notification", {"key": key}, act))

    async def notices(self, after: int = 0) -> tuple[Notice, ...]:
        """None: they are for the console that runs the engine."""
        return ()

    async def pledges(self) -> tuple[Pledge, ...]:
        """As the engine knows them; without one the objectives of the configuration that ran last."""
        if InstanceLock.holder(self._path) is not None:
            return await self._paged("pledges", unpack_pledges)
        from engine.reporting.pledges import pledges_in

        runs = await self._reader.runs()
        if not runs:
            return ()
        return pledges_in(await self._reader.configuration(runs[0].digest), runs[0].environment)

    async def replies(
        self, workflow_id: str, *, until: float | None = None, limit: int = 20
    ) -> tuple[KeptReply, ...]:
        """What its steps got back, newest first."""
        from engine.workflows.responses import replies

        return await replies(self._reader, workflow_id, limit, until)

    async def run_now(self, workflow_id: str) -> None:
        """Needs an engine: raises EngineUnavailableError without one, NotFoundError, ConflictError."""
        await self._command("run_now", workflow_id=workflow_id)

    async def set_paused(self, paused: bool, workflow_id: str | None = None) -> None:
        """Needs an engine: raises EngineUnavailableError without one, NotFoundError."""
        which = {} if workflow_id is None else {"workflow_id": workflow_id}
        await self._command("set_paused", paused=paused, **which)

    async def reload(self) -> ReloadReport:
        """Needs an engine: raises EngineUnavailableError without one."""
        return unpack_reload(await self._command("reload"))

    async def breakers(self) -> tuple[BreakerStatus, ...]:
        """As the engine knows them; without one those that were not closed when the last one ended."""
        if InstanceLock.holder(self._path) is not None:
            return unpack_breakers(await self._command("breakers"))
        return tuple(map(BreakerStatus.remembered, await self._reader.breakers()))

    async def reset_breaker(self, target: str) -> None:
        """Needs an engine: raises EngineUnavailableError without one, NotFoundError."""
        await self._command("reset_breaker", target=target)

    async def _paged(self, command: str, unpack: Callable[[dict[str, Any]], tuple[T, ...]]) -> tuple[T, ...]:
        """What is told of all workflows, some of them at a time."""
        told: list[T] = []
        while True:
            page = unpack(await self._command(command, first=len(told), count=WORKFLOWS_A_TIME))
            told += page
            if len(page) < WORKFLOWS_A_TIME:
                return tuple(told)

    async def _command(self, command: str, **arguments: Any) -> dict[str, Any]:
        if InstanceLock.holder(self._path) is None:
            raise EngineUnavailableError("no engine runs on this database", "start one with: tocsin --no-ui")
        return await send_command(socket_path(self._path), {"command": command, **arguments})

    async def _change(self, command: str, told: dict[str, Any], act: Act) -> dict[str, Any]:
        """Let the engine do it; without one, do it on the file while no engine can start."""
        lock = InstanceLock(self._path)
        try:
            lock.acquire()
        except LockedError:
            return await self._command(command, **told)
        try:
            store = await Store.open(self._path, self._clock)
            try:
                return pack(await act(store, self._clock.now()))
            finally:
                await store.close()
        finally:
            lock.release()


async def _change_alert(
    alert_id: int, act: Callable[[Alert, float], Transition], store: Store, now: float
) -> Alert:
    """The transition with its event and what has to be told, in one transaction."""
    detail = await store.reader.alert(alert_id)
    transition = act(detail.alert, now)
    assert transition.kind is not None
    notices, _ = audience(transition, None, {}, await store.reader.announced(alert_id), Routing())
    event = AlertEvent(alert_id, now, transition.kind, transition.author, transition.note)
    queued = notifications(transition, notices, compose, now)
    await store.writer.must(transition.alert, event, *queued)
    return transition.alert


def _with_activity(status: WorkflowStatus, known: Activity | None) -> WorkflowStatus:
    if known is None:
        return status
    return replace(
        status,
        last=known.last,
        recent=known.recent,
        durations=known.durations,
        executions=known.executions,
        success_rate=known.success_rate,
        p50=known.p50,
        p95=known.p95,
    )
