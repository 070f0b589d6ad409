"""Wires the rooms together and keeps them running; holds no domain logic of its own."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.alerts.backlog import Backlog
from engine.alerts.manager import AlertManager
from engine.canary import CANARY_INTERVAL, Canary, with_own_rule
from engine.client import EngineInfo, WorkflowStatus
from engine.clock import Clock
from engine.commands import obey
from engine.config.schema import Workflow
from engine.config.types import parse_address
from engine.control import ControlServer
from engine.errors import NotFoundError
from engine.feed import Feed, RowListener
from engine.health import UPTIME_WINDOW, HealthMonitor, Signals
from engine.hearing import Hearing
from engine.model import (
    Execution,
    Health,
    HealthCheck,
    LogLevel,
    LogRecord,
    Outcome,
    Topic,
)
from engine.notify.messages import compose
from engine.notify.outbox import Outbox
from engine.overview import status_of
from engine.paths import socket_path
from engine.publisher import Publisher
from engine.recorder import Recorder
from engine.redaction import Redactor
from engine.store.lock import InstanceLock
from engine.store.reader import Reader
from engine.store.store import Store
from engine.supervisor import Supervisor
from engine.text import plain
from engine.version import __version__
from engine.workflows.limits import HostLimits
from engine.workflows.narration import jump_message
from engine.workflows.responses import keeper
from engine.workflows.runner import Runner
from engine.workflows.scheduler import REPLACED, Scheduler

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig

HEALTH_INTERVAL = 2.0
PRUNE_INTERVAL = 3600.0
RESTORED_EXECUTIONS = 200


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
        self._redactor = Redactor({*loaded.secrets, *(c.url for c in loaded.config.channels.values())})
        self._lock = InstanceLock(db)
        self._supervisor = Supervisor(clock, self._log)
        self.publisher = Publisher()
        self._feed = Feed(self.publisher)

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
            try:
                await self._wire()
            except BaseException:
                await self._store.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        self._spawn(scheduled)
        self._say(f"started: {len(self._config.workflows)} workflows, {len(self._config.rules)} rules")

    async def stop(self, grace: float = 10.0) -> None:
        """Finish what runs within `grace` seconds, keep what is queued, leave the file clean."""
        await self._scheduler.drain(grace * 0.5)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace * 0.1):
                await self._backlog.settled()
        self._say("stopped")
        await self._control.close()
        await self._hearing.close()
        await self._supervisor.stop(grace * 0.2)
        await self._canary.close()
        await self._runner.close()
        await self._outbox.close()
        await self._store.close()
        self.publisher.close()
        self._lock.release()

    def on_rows(self, listener: RowListener) -> None:
        """Call `listener` in the loop with rows when committed, and with health checks when found."""
        self._feed.add(listener)

    async def run_once(self) -> tuple[Execution, ...]:
        """Run every workflow once; returns their executions in the order of the file."""
        await self._scheduler.run_once()
        await self._backlog.settled()
        await self._store.writer.flush()
        finished = (self._recorder.finished(workflow.id) for workflow in self._config.workflows)
        return tuple(execution for execution in finished if execution is not None)

    @property
    def reader(self) -> Reader:
        return self._store.reader

    @property
    def heartbeat_port(self) -> int:
        """Where jobs are heard, when there are any."""
        return self._hearing.port

    @property
    def alerts(self) -> AlertManager:
        return self._alerts

    async def run_now(self, workflow_id: str) -> None:
        self._scheduler.run_now(workflow_id)

    def _wake(self, workflow_id: str) -> None:
        if not self._scheduler.is_paused(workflow_id):
            self._scheduler.run_now(workflow_id)

    async def set_paused(self, paused: bool, workflow_id: str | None = None) -> None:
        self._scheduler.set_paused(paused, workflow_id)
        what = "" if workflow_id is None else f" {workflow_id}"
        self._say(f"{'paused' if paused else 'resumed'}{what}")
        self.publisher.changed(Topic.ENGINE, Topic.HEALTH)

    async def reset_breaker(self, target: str) -> None:
        if not self._runner.breakers.reset(target):
            raise NotFoundError(f"there is no circuit breaker of {plain(target)}")
        self._say(f"reset the circuit breaker of {plain(target)}")
        self.publisher.changed(Topic.ENGINE)

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
        workflows, scheduler, runner = self._config.workflows, self._scheduler, self._runner
        return tuple(status_of(each, activity.get(each.id), scheduler, runner) for each in workflows)

    async def _wire(self) -> None:
        """Build the rooms on what the file remembers."""
        config, store, clock = self._config, self._store, self._clock
        store.writer.on_commit = self._feed.committed
        store.writer.redact = self._redactor
        execution_id, alert_id = await store.reader.next_ids()
        cursors = await store.reader.cursors()
        recent = {
            workflow.id: await store.reader.recent_executions(workflow.id, RESTORED_EXECUTIONS)
            for workflow in config.workflows
        }
        self._hearing = await Hearing.open(config, store, clock, self._log)
        self._canary = Canary(clock, tuple(map(parse_address, config.settings.canary)), self._log)
        self._runner = Runner(
            clock=clock,
            variables=self._loaded.variables,
            retries=config.retries,
            workflows=config.workflows,
            on_log=self._log,
            types=self._hearing.types(),
            on_breaker=lambda change: store.writer.offer(change.memory),
            breakers=await store.reader.breakers(),
            limits=HostLimits(clock, config.settings.per_host) if config.settings.per_host else None,
            keep=await keeper(config.settings.responses, store, clock, self._redactor),
        )
        scheduled = [workflow for workflow in config.workflows if not workflow.on_call]
        self._health = HealthMonitor(
            clock=clock,
            workflows=scheduled,
            emit=self._note_health,
            history=await store.reader.health_history(clock.now() - UPTIME_WINDOW),
            watches_network=self._canary.is_watching,
        )
        self._recorder = Recorder(
            clock=clock, writer=store.writer, health=self._health, first_id=execution_id
        )
        self._scheduler = Scheduler(
            clock=clock,
            workflows=scheduled,
            start=self._execute,
            skipped=self._recorder.skipped,
            concurrency=config.settings.concurrency,
            cursors=cursors,
            advanced=store.writer.offer,
            log=self._log,
            jumped=lambda shift: self._warn(jump_message(shift)),
        )
        self._wire_judges(alert_id)
        await self._restore_alerts(recent)
        self._recorder.cut_off(config.workflows, cursors, recent)
        self._control = ControlServer(socket_path(self._db), self._command)
        await self._hearing.start(self._wake)
        try:
            await self._control.start()
        except BaseException:
            await self._hearing.close()
            raise

    def _wire_judges(self, first_alert: int) -> None:
        config, store, clock = self._config, self._store, self._clock
        self._outbox = Outbox(
            channels=config.channels, store=store, clock=clock, changed=self.publisher.changed, log=self._log
        )
        self._alerts = AlertManager(
            config=with_own_rule(config),
            writer=store.writer,
            clock=clock,
            first_id=first_alert,
            changed=self.publisher.changed,
            notified=self._outbox.poke,
            compose=compose,
            breaker=self._runner.breaker_of,
        )
        self._backlog = Backlog(self._alerts.on_execution, self._alerts.remember, self._warn)

    async def _restore_alerts(self, recent: dict[str, tuple[Execution, ...]]) -> None:
        reader = self._store.reader
        open_alerts = await reader.open_alerts()
        announced = {alert.id: await reader.announced(alert.id) for alert in open_alerts}
        self._alerts.restore(open_alerts, await reader.last_alerts(), recent, announced)
        for executions in recent.values():
            for execution in reversed(executions[:2]):
                self._health.observe(execution)

    def _spawn(self, scheduled: bool) -> None:
        supervisor = self._supervisor
        if scheduled:
            supervisor.spawn("scheduler", self._scheduler.run)
        supervisor.spawn("rules", self._backlog.run)
        supervisor.spawn("outbox", self._outbox.run)
        supervisor.every("health", HEALTH_INTERVAL, self._assess)
        supervisor.every("alerts", self._config.settings.evaluation_interval, self._evaluate)
        if self._canary.is_watching:
            supervisor.every("canary", CANARY_INTERVAL, self._canary.look)
        supervisor.every("retention", PRUNE_INTERVAL, self._prune)

    async def _execute(self, workflow: Workflow, slot: float) -> Outcome:
        execution_id = self._recorder.next_id()
        try:
            recording = await self._canary.judged(await self._runner.run(workflow, execution_id, slot))
        except asyncio.CancelledError as error:
            reason = REPLACED if REPLACED in error.args else "engine ended"
            self._recorder.interrupted(workflow, slot, reason)
            raise
        # What is only kept in memory is shown and sent, too.
        recording = self._redactor(recording)
        self._recorder.record(recording)
        self._backlog.add(recording.execution)
        return recording.execution.outcome

    async def _assess(self) -> None:
        await self.current_health()
        self.publisher.changed(Topic.HEALTH, Topic.ENGINE)

    async def _evaluate(self) -> None:
        await self._alerts.tick(await self.current_health())

    async def _prune(self) -> None:
        await self._store.prune(self._clock.now() - self._config.settings.retention)

    def _note_health(self, check: HealthCheck) -> None:
        check = self._redactor(check)
        self._store.writer.offer(check)
        self._feed.found(check)

    def _log(self, record: LogRecord) -> None:
        self._store.writer.offer(record)

    def _warn(self, message: str) -> None:
        self._log(LogRecord(at=self._clock.now(), level=LogLevel.WARNING, message=message))

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
            offline=self._canary.offline,
        )

    async def _command(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return await obey(self, command, arguments)
