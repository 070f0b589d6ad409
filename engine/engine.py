"""Wires the rooms together and keeps them running; holds no domain logic of its own."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.alerts.backlog import Backlog
from engine.alerts.manager import AlertManager
from engine.canary import CANARY_INTERVAL, Canary
from engine.client import EngineInfo, WorkflowStatus
from engine.clock import Clock
from engine.commands import obey
from engine.config.schema import Workflow
from engine.config.shown import shown
from engine.config.types import parse_address
from engine.control import ControlServer
from engine.errors import NotFoundError
from engine.exporter import Exporter
from engine.feed import Feed, RowListener
from engine.health import UPTIME_WINDOW, HealthMonitor, Signals
from engine.hearing import Hearing
from engine.model import (
    BreakerStatus,
    Execution,
    Health,
    HealthCheck,
    LogLevel,
    LogRecord,
    Outcome,
    ScheduleCursor,
    Topic,
)
from engine.notify.messages import compose
from engine.notify.outbox import Outbox
from engine.overview import status_of
from engine.own_rules import with_own_rules
from engine.paths import socket_path
from engine.publisher import Publisher
from engine.recorder import Recorder
from engine.redaction import Redactor
from engine.restoring import recent_executions, restore
from engine.sources.following import Sources
from engine.store.care import LOOK_INTERVAL, Caretaker
from engine.store.lock import InstanceLock
from engine.store.provenance import Run, note
from engine.store.reader import Reader
from engine.store.rollups import ROLLUP_INTERVAL, catch_up, forget
from engine.store.store import Store
from engine.supervisor import Supervisor
from engine.telemetry.sampling import Sampler
from engine.text import counted, plain
from engine.version import __version__
from engine.workflows.limits import HostLimits
from engine.workflows.narration import jump_message
from engine.workflows.responses import keeper
from engine.workflows.runner import Runner
from engine.workflows.scheduler import REPLACED, Scheduler

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig

HEALTH_INTERVAL = 2.0


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
        urls = {channel.url for channel in self._config.channels.values()}
        self._redactor = Redactor({*loaded.secrets, *urls, *self._config.settings.tracing.secrets})
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
            settings = self._config.settings
            limits = settings.storage.limits(settings.retention)
            self._store = await Store.open(self._db, self._clock, limits)
            try:
                await self._wire()
            except BaseException:
                await self._store.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        self._spawn(scheduled)
        workflows, rules = len(self._config.workflows), len(self._config.rules)
        self._say(f"started: {counted(workflows, 'workflow')}, {counted(rules, 'rule')}")

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
        self._sources.close()
        await self._canary.close()
        await self._runner.close()
        await self._outbox.close()
        await self._store.close()
        await self._exporter.close(grace * 0.1)
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

    async def set_paused(self, paused: bool, workflow_id: str | None = None) -> None:
        self._scheduler.set_paused(paused, workflow_id)
        what = "" if workflow_id is None else f" {workflow_id}"
        self._say(f"{'paused' if paused else 'resumed'}{what}")
        self.publisher.changed(Topic.ENGINE, Topic.HEALTH)

    async def breakers(self) -> tuple[BreakerStatus, ...]:
        """The circuit breakers, those that let least through first."""
        return self._runner.breakers.statuses()

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
            dropped_by_kind=writer.dropped_by_kind,
            unexported=self._exporter.dropped,
            running=self._scheduler.running,
            paused=self._scheduler.paused,
            ailing={name: self._redactor.text(str(it)) for name, it in self._supervisor.ailing.items()},
        )

    async def current_health(self) -> Health:
        """Health as of now."""
        return self._health.assess(await self._signals())

    async def workflow_statuses(self, since: float, until: float) -> tuple[WorkflowStatus, ...]:
        activity = await self.reader.workflow_activity(since, until)
        workflows, scheduler, runner = self._config.workflows, self._scheduler, self._runner
        return tuple(status_of(each, activity.get(each.id), scheduler, runner) for each in workflows)

    def workflow_page(self, first: int, count: int) -> tuple[WorkflowStatus, ...]:
        """Some of the workflows, by their places in the file; what they have done is not told."""
        workflows, scheduler, runner = self._config.workflows, self._scheduler, self._runner
        return tuple(status_of(each, None, scheduler, runner) for each in workflows[first : first + count])

    async def _wire(self) -> None:
        """Build the rooms on what the file remembers."""
        config, store, clock = self._config, self._store, self._clock
        store.writer.on_commit = self._feed.committed
        store.writer.redact = self._redactor
        self._exporter = Exporter(config.settings.tracing.export, clock, self._log)
        if self._exporter.is_wanted:
            self._feed.add(self._exporter.take)
        self._caretaker = Caretaker(self._db, clock, self._log, store.condition)
        execution_id, alert_id = await store.reader.next_ids()
        cursors = await store.reader.cursors()
        recent = await recent_executions(store.reader, config.workflows)
        self._hearing = await Hearing.open(config, store, clock, self._log)
        self._canary = Canary(clock, tuple(map(parse_address, config.settings.canary)), self._log)
        await self._wire_checks(cursors, execution_id)
        await note(store.writer, self._run(execution_id), shown(self._loaded.text, self._redactor.text))
        self._wire_judges(alert_id)
        await restore(store.reader, recent, self._alerts, self._health)
        self._recorder.cut_off(config.workflows, cursors, recent)
        self._control = ControlServer(socket_path(self._db), self._command)
        self._sources = Sources(
            config.sources,
            self._loaded.path.parent,
            clock,
            await store.reader.source_files(),
            store.writer.must,
            self._log,
        )
        await self._hearing.start(self._scheduler.wake, self._runner.execution_of)
        try:
            await self._control.start()
        except BaseException:
            await self._hearing.close()
            raise

    async def _wire_checks(self, cursors: dict[str, ScheduleCursor], first_execution: int) -> None:
        """What runs workflows, and where their executions end."""
        config, store, clock = self._config, self._store, self._clock
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
            classify=config.settings.classify,
            sampler=Sampler(config.settings.tracing.sample, config.settings.tracing.slow),
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
            clock=clock, writer=store.writer, health=self._health, first_id=first_execution
        )
        self._scheduler = Scheduler(
            clock=clock,
            workflows=config.workflows,
            start=self._execute,
            skipped=self._recorder.skipped,
            concurrency=config.settings.concurrency,
            cursors=cursors,
            advanced=store.writer.offer,
            claim=store.writer.must,
            log=self._log,
            jumped=lambda shift: self._warn(jump_message(shift)),
        )

    def _run(self, first_execution: int) -> Run:
        """What is remembered of this run; its number comes from the file."""
        loaded = self._loaded
        path = str(loaded.path.absolute())
        return Run(0, self._started_at, __version__, loaded.digest, loaded.environment, path, first_execution)

    def _wire_judges(self, first_alert: int) -> None:
        config, store, clock = self._config, self._store, self._clock
        self._outbox = Outbox(
            channels=config.channels, store=store, clock=clock, changed=self.publisher.changed, log=self._log
        )
        self._alerts = AlertManager(
            config=with_own_rules(config),
            writer=store.writer,
            clock=clock,
            first_id=first_alert,
            changed=self.publisher.changed,
            notified=self._outbox.poke,
            compose=compose,
            breaker=self._runner.breaker_of,
        )
        self._backlog = Backlog(self._alerts.on_execution, self._alerts.remember, self._warn)

    def _spawn(self, scheduled: bool) -> None:
        supervisor = self._supervisor
        if scheduled:
            supervisor.spawn("scheduler", self._scheduler.run)
            self._sources.spawn(supervisor)
        supervisor.spawn("rules", self._backlog.run)
        supervisor.spawn("outbox", self._outbox.run)
        if self._exporter.is_wanted:
            supervisor.spawn("export", self._exporter.run)
        supervisor.every("health", HEALTH_INTERVAL, self._assess)
        supervisor.every("alerts", self._config.settings.evaluation_interval, self._evaluate)
        if self._canary.is_watching:
            supervisor.every("canary", CANARY_INTERVAL, self._canary.look)
        supervisor.spawn("housekeeping", self._store.keeper.watch)
        supervisor.spawn("retention", self._store.keeper.tend)
        supervisor.every("roll-ups", ROLLUP_INTERVAL, self._roll_up)
        supervisor.every("database care", LOOK_INTERVAL, self._caretaker.look)

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
        self._hearing.joining.ended(recording.execution)
        self._backlog.add(recording.execution)
        return recording.execution.outcome

    async def _assess(self) -> None:
        await self.current_health()
        self.publisher.changed(Topic.HEALTH, Topic.ENGINE)

    async def _evaluate(self) -> None:
        await self._alerts.tick(await self.current_health())

    async def _roll_up(self) -> None:
        now, writer = self._clock.now(), self._store.writer
        if await catch_up(writer, self.reader.pool, now):
            await forget(writer, self._config.settings.rollups.befores(now))

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
            overload=scheduler.overload,
            paused=scheduler.paused,
            store_error=writer.last_error,
            store_queued=writer.queued,
            last_commit_at=writer.last_commit_at,
            dropped=writer.dropped,
            dropped_by_kind=writer.dropped_by_kind,
            oldest_undelivered=oldest,
            dead=self._outbox.recent_deaths,
            offline=self._canary.offline,
            store_notice=self._caretaker.trouble or self._store.keeper.trouble,
            store_caution=self._store.keeper.caution,
            ailing=self._supervisor.ailing,
        )

    async def _command(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return await obey(self, command, arguments)
