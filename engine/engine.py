"""Wires the rooms together and keeps them running; holds no domain logic of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.adopting import Adopter
from engine.alerts.manager import AlertManager
from engine.canary import CANARY_INTERVAL
from engine.client import EngineInfo, WorkflowStatus
from engine.clock import Clock
from engine.commands import obey
from engine.config.changes import adopted
from engine.config.schema import Workflow
from engine.config.shown import shown
from engine.control import ControlServer
from engine.errors import NotFoundError, StoreError
from engine.explaining import Explainer
from engine.feed import Feed, RowListener
from engine.health import Signals
from engine.model import (
    BreakerStatus,
    Execution,
    Health,
    LogLevel,
    LogRecord,
    Notification,
    Outcome,
    ReloadReport,
    Topic,
)
from engine.notify.kinds.console import NoticeBoard
from engine.overview import signals_of, status_of
from engine.own_rules import with_own_rules
from engine.paths import socket_path
from engine.publisher import Publisher
from engine.redaction import Redactor
from engine.reloading import WATCH_INTERVAL, Reloader
from engine.reporting.model import Pledge
from engine.reporting.pledges import MOST_PLEDGES, pledges_of
from engine.rulebook import RuleBook
from engine.store.care import LOOK_INTERVAL
from engine.store.lock import InstanceLock
from engine.store.provenance import Run, is_kept, note
from engine.store.reader import Reader
from engine.store.rollups import ROLLUP_INTERVAL, catch_up, forget
from engine.store.store import Store
from engine.supervisor import Supervisor
from engine.text import counted, plain
from engine.version import __version__
from engine.wiring import Wiring, hidden
from engine.workflows.scheduler import REPLACED

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
        self._redactor = Redactor(hidden(loaded))
        self._lock = InstanceLock(db)
        self._supervisor = Supervisor(clock, self._log)
        self.publisher = Publisher()
        self._feed = Feed(self.publisher)
        self._reload_listeners: list[Callable[[ReloadReport], None]] = []

    async def start(self, *, scheduled: bool = True, after: float = 0.0) -> None:
        """Take the database, restore what was, and run.

        Args:
            scheduled: False starts nothing by itself; `run_once()` does.
            after: seconds for which the first executions, and the first look at all rules, wait.

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
        self._spawn(scheduled, after)
        workflows, rules = len(self._config.workflows), len(self._config.rules)
        self._say(f"started: {counted(workflows, 'workflow')}, {counted(rules, 'rule')}")

    async def stop(self, grace: float = 10.0) -> None:
        """Finish what runs within `grace` seconds, keep what is queued, leave the file clean."""
        await self._reloader.close()
        await self._rooms.scheduler.drain(grace * 0.5)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace * 0.1):
                await self._rooms.backlog.settled()
        self._say("stopped")
        await self._control.close()
        await self._rooms.hearing.close()
        await self._supervisor.stop(grace * 0.2)
        self._rooms.sources.close()
        await self._rooms.canary.close()
        await self._rooms.runner.close()
        await self._rooms.outbox.close()
        await self._store.close()
        await self._rooms.exporter.close(grace * 0.1)
        self.publisher.close()
        self._lock.release()

    def on_rows(self, listener: RowListener) -> None:
        """Call `listener` in the loop with rows when committed, and with health checks when found."""
        self._feed.add(listener)

    async def run_once(self) -> tuple[Execution, ...]:
        """Run every workflow once; returns their executions in the order of the file."""
        await self._rooms.scheduler.run_once()
        await self._rooms.backlog.settled()
        await self._store.writer.flush()
        finished = (self._rooms.recorder.finished(workflow.id) for workflow in self._config.workflows)
        return tuple(execution for execution in finished if execution is not None)

    @property
    def reader(self) -> Reader:
        return self._store.reader

    @property
    def heartbeat_port(self) -> int:
        """Where jobs are heard, when there are any."""
        return self._rooms.hearing.port

    @property
    def alerts(self) -> AlertManager:
        return self._rooms.alerts

    @property
    def rules(self) -> RuleBook:
        """Answers about the rules."""
        return self._rules

    @property
    def explainer(self) -> Explainer:
        """Says why alerts and rules are as they are."""
        return Explainer(self.reader, with_own_rules(self._config), self._rooms.alerts)

    async def reload(self) -> ReloadReport:
        """Put in force what the configuration's files say now, unless there is a problem with them."""
        return await self._reloader.reload()

    def request_reload(self) -> None:
        """Have that done soon, without waiting for it."""
        self._reloader.request()

    def on_reload(self, listener: Callable[[ReloadReport], None]) -> None:
        """Call `listener` in the loop with what became of each reload that changed something or failed."""
        self._reload_listeners.append(listener)

    @property
    def board(self) -> NoticeBoard:
        """What channels of the kind `console` have said."""
        return self._rooms.board

    async def retry_notification(self, key: str) -> Notification:
        """Queue a message that was given up once more. Raises NotFoundError, ConflictError, StoreError."""
        return await self._rooms.outbox.retry(key)

    async def run_now(self, workflow_id: str) -> None:
        self._rooms.scheduler.run_now(workflow_id)

    async def set_paused(self, paused: bool, workflow_id: str | None = None) -> None:
        self._rooms.scheduler.set_paused(paused, workflow_id)
        what = "" if workflow_id is None else f" {workflow_id}"
        self._say(f"{'paused' if paused else 'resumed'}{what}")
        self.publisher.changed(Topic.ENGINE, Topic.HEALTH)

    async def breakers(self) -> tuple[BreakerStatus, ...]:
        """The circuit breakers, those that let least through first."""
        return self._rooms.runner.breakers.statuses()

    async def reset_breaker(self, target: str) -> None:
        if not self._rooms.runner.breakers.reset(target):
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
            unexported=self._rooms.exporter.dropped,
            exports_to=self._redactor.text(self._rooms.exporter.url),
            exporting=self._rooms.exporter.waiting,
            running=self._rooms.scheduler.running,
            paused=self._rooms.scheduler.paused,
            ailing={name: self._redactor.text(str(it)) for name, it in self._supervisor.ailing.items()},
            config_fault=self._reloader.fault,
            digest=self._loaded.digest,
        )

    async def current_health(self) -> Health:
        """Health as of now, without secrets."""
        return self._redactor(self._rooms.health.assess(await self._signals()))

    async def workflow_statuses(self, since: float, until: float) -> tuple[WorkflowStatus, ...]:
        activity = await self.reader.workflow_activity(since, until)
        workflows, scheduler, runner = self._config.workflows, self._rooms.scheduler, self._rooms.runner
        return tuple(status_of(each, activity.get(each.id), scheduler, runner) for each in workflows)

    def workflow_page(self, first: int, count: int) -> tuple[WorkflowStatus, ...]:
        """Some of the workflows, by their places in the file; what they have done is not told."""
        workflows, scheduler, runner = self._config.workflows, self._rooms.scheduler, self._rooms.runner
        return tuple(status_of(each, None, scheduler, runner) for each in workflows[first : first + count])

    def pledges(self, first: int = 0, count: int = MOST_PLEDGES) -> tuple[Pledge, ...]:
        """What the configuration promises of some of the workflows, by their places in the file."""
        return pledges_of(self._config, first, count)

    async def _wire(self) -> None:
        """Build the rooms on what the file remembers, and open the doors."""
        store = self._store
        wiring = Wiring(
            self._loaded,
            self._db,
            store,
            self._clock,
            self._redactor,
            self._feed,
            self.publisher,
            self._execute,
            self._log,
        )
        self._rooms = rooms = await wiring.rooms()
        self._rules = RuleBook(self._loaded, rooms, self._redactor.text, self._clock)
        self._adopter = Adopter(rooms, self._supervisor, self._redactor, self._clock)
        self._reloader = Reloader(
            self._loaded, self._clock, self._adopt, self._redactor.text, self._log, self._reloaded
        )
        await self._note_run(self._started_at, rooms.recorder.next)
        self._control = ControlServer(socket_path(self._db), self._command)
        await rooms.hearing.start(rooms.scheduler.wake, rooms.runner.execution_of)
        try:
            await self._control.start()
        except BaseException:
            await rooms.hearing.close()
            raise

    async def _note_run(self, since: float, first_execution: int) -> None:
        """Keep that this configuration is in force from now on. Raises StoreError."""
        loaded = self._loaded
        path = str(loaded.path.absolute())
        # A tenth of a second for 1,000 workflows.
        is_known = await is_kept(self.reader.pool, loaded.digest)
        text = None if is_known else shown(loaded.text, self._redactor.text)
        run = Run(0, since, __version__, loaded.digest, loaded.environment, path, first_execution)
        await note(self._store.writer, run, text)

    async def _adopt(self, loaded: LoadedConfig) -> None:
        """Put another configuration in force, as far as that takes no restart. Raises TocsinError."""
        after = replace(loaded, config=adopted(self._config, loaded.config))
        first_execution = await self._adopter.adopt(self._loaded, after)
        self._loaded, self._config = after, after.config
        self._rules.adopt(after)
        await self._persist("provenance", partial(self._note_run, self._clock.now(), first_execution))
        await self._persist("configuration", partial(self._adopter.follow_up, after.config))
        self._supervisor.spawn("alerts after a reload", self._evaluate)
        self.publisher.changed(*Topic)

    async def _persist(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do it now, or, while the store cannot, again and again until it can."""
        try:
            await work()
        except StoreError:
            self._supervisor.spawn(name, work)

    def _reloaded(self, report: ReloadReport) -> None:
        for listener in self._reload_listeners:
            listener(report)

    def _spawn(self, scheduled: bool, after: float) -> None:
        supervisor = self._supervisor
        if scheduled:
            supervisor.every("configuration files", WATCH_INTERVAL, self._reloader.look)
            supervisor.spawn("scheduler", partial(self._rooms.scheduler.run, after))
            supervisor.spawn("dead-man's switch", self._rooms.deadman.run)
            self._rooms.sources.spawn(supervisor)
        supervisor.spawn("rules", self._rooms.backlog.run)
        supervisor.spawn("outbox", self._rooms.outbox.run)
        if self._rooms.exporter.is_wanted:
            supervisor.spawn("export", self._rooms.exporter.run)
        supervisor.every("health", HEALTH_INTERVAL, self._assess)
        supervisor.every("alerts", lambda: self._config.settings.evaluation_interval, self._evaluate, after)
        if self._rooms.canary.is_watching:
            supervisor.every("canary", CANARY_INTERVAL, self._rooms.canary.look)
        supervisor.spawn("housekeeping", self._store.keeper.watch)
        supervisor.spawn("retention", self._store.keeper.tend)
        supervisor.every("roll-ups", ROLLUP_INTERVAL, self._roll_up)
        supervisor.every("database care", LOOK_INTERVAL, self._rooms.caretaker.look)

    async def _execute(self, workflow: Workflow, slot: float) -> Outcome:
        rooms = self._rooms
        execution_id = rooms.recorder.next_id()
        try:
            recording = await rooms.canary.judged(await rooms.runner.run(workflow, execution_id, slot))
        except asyncio.CancelledError as error:
            reason = REPLACED if REPLACED in error.args else "engine ended"
            rooms.recorder.interrupted(workflow, slot, reason)
            raise
        # What is only kept in memory is shown and sent, too.
        recording = self._redactor(recording)
        rooms.recorder.record(recording)
        rooms.hearing.joining.ended(recording.execution)
        rooms.backlog.add(recording.execution)
        return recording.execution.outcome

    async def _assess(self) -> None:
        await self.current_health()
        self.publisher.changed(Topic.HEALTH, Topic.ENGINE)

    async def _evaluate(self) -> None:
        await self._rooms.alerts.tick(await self.current_health())

    async def _roll_up(self) -> None:
        now, writer = self._clock.now(), self._store.writer
        if await catch_up(writer, self.reader.pool, now):
            await forget(writer, self._config.settings.rollups.befores(now))

    def _log(self, record: LogRecord) -> None:
        self._store.writer.offer(record)

    def _say(self, message: str) -> None:
        self._log(LogRecord(at=self._clock.now(), level=LogLevel.INFO, message=f"engine {message}"))

    async def _signals(self) -> Signals:
        return await signals_of(self._rooms, self._supervisor.ailing)

    async def _command(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return await obey(self, command, arguments)
