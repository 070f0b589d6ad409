"""Wires the rooms together and keeps them running; holds no domain logic of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.alerts.manager import AlertManager
from engine.client import EngineInfo, WorkflowStatus
from engine.clock import Clock
from engine.config.schema import Workflow
from engine.control import ControlServer, pack
from engine.errors import NotFoundError, TocsinError
from engine.health import UPTIME_WINDOW, HealthMonitor, Signals
from engine.model import (
    Alert,
    Execution,
    Health,
    HealthCheck,
    LogLevel,
    LogRecord,
    Notification,
    Outcome,
    Recording,
    ScheduleCursor,
    Topic,
)
from engine.notify.messages import compose
from engine.notify.outbox import Outbox
from engine.paths import socket_path
from engine.publisher import Publisher
from engine.store.lock import InstanceLock
from engine.store.reader import Reader
from engine.store.statistics import Activity
from engine.store.store import Store
from engine.store.writer import Row
from engine.supervisor import Supervisor
from engine.telemetry.tracing import new_trace_id
from engine.text import own_words, plain
from engine.version import __version__
from engine.workflows.runner import Runner
from engine.workflows.scheduler import Scheduler

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig

HEALTH_INTERVAL = 2.0
PRUNE_INTERVAL = 3600.0
RESTORED_EXECUTIONS = 200

RowListener = Callable[[Sequence[Row]], None]

_TOPICS: dict[type[Any], tuple[Topic, ...]] = {
    Recording: (Topic.EXECUTIONS, Topic.LOGS),
    Alert: (Topic.ALERTS,),
    Notification: (Topic.NOTIFICATIONS,),
    HealthCheck: (Topic.HEALTH,),
    LogRecord: (Topic.LOGS,),
}


class Engine:
    """One configuration, run against one database.

    Args:
        loaded: the configuration, its environment chosen.
        db: the database file; made when missing.
        clock: the real one unless a test says otherwise.
    """

    def __init__(self, loaded: LoadedConfig, db: Path, clock: Clock) -> None:
        self._loaded = loaded
        self._config = loaded.config
        self._db = db
        self._clock = clock
        self._started_at = clock.now()
        self._lock = InstanceLock(db)
        self._row_listeners: list[RowListener] = []
        self._finished: dict[str, Execution] = {}
        self._supervisor = Supervisor(clock, self._log)
        self.publisher = Publisher()

    async def start(self, *, scheduled: bool = True) -> None:
        """Take the database, restore what was, and run.

        Args:
            scheduled: False starts nothing by itself; `run_once()` does.

        Raises:
            StoreError: the database is held by another engine, or unusable.
        """
        self._lock.acquire()
        try:
            self._store = await Store.open(self._db, self._clock)
        except BaseException:
            self._lock.release()
            raise
        try:
            await self._wire()
        except BaseException:
            await self._store.close()
            self._lock.release()
            raise
        self._spawn(scheduled)
        self._say(f"started: {len(self._config.workflows)} workflows, {len(self._config.rules)} rules")

    async def stop(self, grace: float = 10.0) -> None:
        """Finish what runs within `grace` seconds, keep what is queued, leave the file clean."""
        await self._scheduler.drain(grace * 0.5)
        self._say("stopped")
        await self._control.close()
        await self._supervisor.stop(grace * 0.2)
        await self._runner.close()
        await self._outbox.close()
        await self._store.close()
        self.publisher.close()
        self._lock.release()

    def on_rows(self, listener: RowListener) -> None:
        """Call `listener` in the engine's loop with rows that have been committed."""
        self._row_listeners.append(listener)

    async def run_once(self) -> tuple[Execution, ...]:
        """Run every workflow once; returns their executions in the order of the file."""
        await self._scheduler.run_once()
        await self._store.writer.flush()
        return tuple(self._finished[w.id] for w in self._config.workflows if w.id in self._finished)

    @property
    def reader(self) -> Reader:
        return self._store.reader

    @property
    def alerts(self) -> AlertManager:
        return self._alerts

    async def run_now(self, workflow_id: str) -> None:
        self._scheduler.run_now(workflow_id)

    async def set_paused(self, paused: bool) -> None:
        self._scheduler.set_paused(paused)
        self._say("paused" if paused else "resumed")
        self.publisher.changed(Topic.ENGINE, Topic.HEALTH)

    async def info(self) -> EngineInfo:
        writer = self._store.writer
        return EngineInfo(
            version=__version__,
            environment=self._loaded.environment,
            config=str(self._loaded.path),
            database=str(self._db),
            started_at=self._started_at,
            workflows=len(self._config.workflows),
            rules=len(self._config.rules),
            channels=len(self._config.channels),
            queued=writer.queued,
            dropped=writer.dropped,
            running=self._scheduler.running,
            paused=self._scheduler.paused,
        )

    async def current_health(self) -> Health:
        """Health as of now."""
        return self._health.assess(await self._signals())

    async def workflow_statuses(self, since: float, until: float) -> tuple[WorkflowStatus, ...]:
        activity = await self.reader.workflow_activity(since, until)
        return tuple(self._status(workflow, activity.get(workflow.id)) for workflow in self._config.workflows)

    async def _wire(self) -> None:
        """Build the rooms on what the file remembers."""
        config, store, clock = self._config, self._store, self._clock
        store.writer.on_commit = self._committed
        execution_id, alert_id = await store.reader.next_ids()
        self._execution_ids = itertools.count(execution_id)
        cursors = await store.reader.cursors()
        recent = {
            workflow.id: await store.reader.recent_executions(workflow.id, RESTORED_EXECUTIONS)
            for workflow in config.workflows
        }
        self._runner = Runner(
            clock=clock, variables=self._loaded.variables, retries=config.retries, on_log=self._log
        )
        self._scheduler = Scheduler(
            clock=clock,
            workflows=config.workflows,
            start=self._execute,
            skipped=self._skipped,
            concurrency=config.settings.concurrency,
            cursors=cursors,
            advanced=store.writer.offer,
            log=self._log,
        )
        self._outbox = Outbox(
            channels=config.channels, store=store, clock=clock, changed=self.publisher.changed, log=self._log
        )
        self._health = HealthMonitor(
            clock=clock,
            workflows=config.workflows,
            emit=store.writer.offer,
            history=await store.reader.health_history(clock.now() - UPTIME_WINDOW),
        )
        self._alerts = AlertManager(
            config=config,
            writer=store.writer,
            clock=clock,
            first_id=alert_id,
            changed=self.publisher.changed,
            notified=self._outbox.poke,
            compose=compose,
        )
        await self._restore_alerts(recent)
        self._record_interrupted(cursors, recent)
        self._control = ControlServer(socket_path(self._db), self._command)
        await self._control.start()

    async def _restore_alerts(self, recent: dict[str, tuple[Execution, ...]]) -> None:
        reader = self._store.reader
        open_alerts = await reader.open_alerts()
        announced = {alert.id: await reader.announced(alert.id) for alert in open_alerts}
        self._alerts.restore(open_alerts, await reader.last_alerts(), recent, announced)
        for executions in recent.values():
            for execution in reversed(executions[:2]):
                self._health.observe(execution)

    def _record_interrupted(
        self, cursors: dict[str, ScheduleCursor], recent: dict[str, tuple[Execution, ...]]
    ) -> None:
        """A slot that was begun but left no execution was cut off by the end of the last run."""
        for workflow in self._config.workflows:
            cursor, executions = cursors.get(workflow.id), recent[workflow.id]
            if cursor and executions and cursor.last_slot > max(e.scheduled_at for e in executions[:20]):
                self._record(self._blank(workflow, cursor.last_slot, Outcome.INTERRUPTED, "engine ended"))

    def _spawn(self, scheduled: bool) -> None:
        supervisor = self._supervisor
        if scheduled:
            supervisor.spawn("scheduler", self._scheduler.run)
        supervisor.spawn("outbox", self._outbox.run)
        supervisor.every("health", HEALTH_INTERVAL, self._assess)
        supervisor.every("alerts", self._config.settings.evaluation_interval, self._evaluate)
        supervisor.every("retention", PRUNE_INTERVAL, self._prune)

    async def _execute(self, workflow: Workflow, slot: float) -> None:
        execution_id = next(self._execution_ids)
        try:
            recording = await self._runner.run(workflow, execution_id, slot)
        except asyncio.CancelledError:
            self._record(self._blank(workflow, slot, Outcome.INTERRUPTED, "engine ended"))
            raise
        self._record(recording)
        await self._alerts.on_execution(recording.execution)

    def _skipped(self, workflow: Workflow, slot: float, reason: str) -> None:
        self._record(self._blank(workflow, slot, Outcome.SKIPPED, reason))

    def _record(self, recording: Recording) -> None:
        execution = recording.execution
        self._store.writer.offer(recording)
        self._health.observe(execution)
        self._finished[execution.workflow_id] = execution

    def _blank(self, workflow: Workflow, slot: float, outcome: Outcome, reason: str) -> Recording:
        """An execution that did not take place, or not to its end."""
        return Recording(
            Execution(
                id=next(self._execution_ids),
                workflow_id=workflow.id,
                workflow_name=workflow.name,
                priority=workflow.priority,
                trace_id=new_trace_id(),
                scheduled_at=slot,
                started_at=self._clock.now(),
                duration=0.0,
                outcome=outcome,
                reason=reason,
            )
        )

    async def _assess(self) -> None:
        await self.current_health()
        self.publisher.changed(Topic.HEALTH, Topic.ENGINE)

    async def _evaluate(self) -> None:
        await self._alerts.tick(await self.current_health())

    async def _prune(self) -> None:
        await self._store.prune(self._clock.now() - self._config.settings.retention)

    def _committed(self, rows: Sequence[Row]) -> None:
        self.publisher.changed(*{topic for row in rows for topic in _TOPICS.get(type(row), ())})
        for listener in self._row_listeners:
            listener(rows)

    def _log(self, record: LogRecord) -> None:
        self._store.writer.offer(record)

    def _say(self, message: str) -> None:
        self._log(LogRecord(at=self._clock.now(), level=LogLevel.INFO, message=f"engine {message}"))

    async def _signals(self) -> Signals:
        """What the health monitor judges the engine's parts by."""
        writer, scheduler = self._store.writer, self._scheduler
        _, _, oldest = await self.reader.pending_notifications()
        return Signals(
            beat_age=scheduler.beat_age,
            lag=scheduler.lag,
            paused=scheduler.paused,
            store_error=writer.last_error,
            store_queued=writer.queued,
            last_commit_at=writer.last_commit_at,
            dropped=writer.dropped,
            oldest_undelivered=oldest,
            dead=self._outbox.recent_deaths,
        )

    def _status(self, workflow: Workflow, activity: Activity | None) -> WorkflowStatus:
        activity = activity or Activity()
        return WorkflowStatus(
            id=workflow.id,
            name=workflow.name,
            priority=workflow.priority,
            schedule=workflow.schedule,
            tags=workflow.tags,
            last=activity.last,
            recent=activity.recent,
            durations=activity.durations,
            executions=activity.executions,
            success_rate=activity.success_rate,
            p50=activity.p50,
            p95=activity.p95,
            next_at=self._scheduler.next_at(workflow.id),
            running=self._scheduler.is_running(workflow.id),
            breakers=self._runner.breakers_of(workflow.id),
            steps=tuple(step.id for step in workflow.steps),
        )

    async def _command(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """One command of the control socket. Raises TocsinError for what cannot be done."""
        try:
            match command:
                case "ping":
                    return {"version": __version__}
                case "info":
                    return pack(await self.info())
                case "acknowledge":
                    return pack(await self._alerts.acknowledge(**arguments))
                case "resolve":
                    return pack(await self._alerts.resolve(**arguments))
                case "run_now":
                    await self.run_now(**arguments)
                case "set_paused":
                    await self.set_paused(**arguments)
                case _:
                    raise NotFoundError(f"there is no command {plain(command)}")
        except TypeError as error:
            raise TocsinError(f"{command}: {own_words(error)}") from error
        return {}
