"""Builds the parts of an engine on what its database remembers, and joins them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.alerts.backlog import Backlog
from engine.alerts.manager import AlertManager
from engine.canary import Canary
from engine.clock import Clock
from engine.config.types import parse_address
from engine.exporter import Exporter
from engine.feed import Feed
from engine.health import HealthMonitor, Uptime
from engine.hearing import Hearing
from engine.model import HealthCheck, LogLevel, LogRecord, ScheduleCursor
from engine.notify.channels import Deliverer
from engine.notify.deadman import DeadMansSwitch
from engine.notify.kinds.console import NoticeBoard
from engine.notify.outbox import Outbox
from engine.notify.templates import Wordsmith
from engine.own_rules import with_own_rules
from engine.publisher import Publisher
from engine.recorder import Recorder
from engine.redaction import Redactor
from engine.restoring import earlier_hours, moments, recent_executions, restore
from engine.rules.scope import reach
from engine.sources.following import Sources
from engine.store.care import Caretaker
from engine.store.store import Store
from engine.telemetry.sampling import Sampler
from engine.workflows.crew import Start
from engine.workflows.limits import HostLimits
from engine.workflows.narration import jump_message
from engine.workflows.responses import keeper
from engine.workflows.runner import Runner
from engine.workflows.scheduler import Scheduler

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig


@dataclass(frozen=True, slots=True)
class Rooms:
    """The parts of an engine that runs."""

    store: Store
    exporter: Exporter
    caretaker: Caretaker
    hearing: Hearing
    canary: Canary
    runner: Runner
    health: HealthMonitor
    recorder: Recorder
    scheduler: Scheduler
    outbox: Outbox
    board: NoticeBoard
    deliverer: Deliverer
    words: Wordsmith
    deadman: DeadMansSwitch
    alerts: AlertManager
    backlog: Backlog
    sources: Sources


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the parts are built on; `rooms()` builds them.

    Args:
        start: runs an execution of a workflow.
        log: takes what the parts say.
    """

    loaded: LoadedConfig
    db: Path
    store: Store
    clock: Clock
    redactor: Redactor
    feed: Feed
    publisher: Publisher
    start: Start
    log: Callable[[LogRecord], None]

    async def rooms(self) -> Rooms:
        """Everything, restored to where the last run ended. Raises StoreError, EngineUnavailableError."""
        config, store, clock, log = self.loaded.config, self.store, self.clock, self.log
        store.writer.on_commit = self.feed.committed
        store.writer.redact = self.redactor
        exporter = Exporter(config.settings.tracing.export, clock, log)
        if exporter.is_wanted:
            self.feed.add(exporter.take)
        execution_id, alert_id = await store.reader.next_ids()
        cursors = await store.reader.cursors()
        since = clock.now() - reach(with_own_rules(config).rules)
        further = moments(config.rules, config.workflows, clock.now())
        recent = await recent_executions(store.reader, config.workflows, since, further)
        hours = await earlier_hours(store.reader, recent, further)
        hearing = await Hearing.open(config, store, clock, log)
        runner = await self._runner(hearing)
        health = await self._health()
        recorder = Recorder(clock=clock, writer=store.writer, health=health, first_id=execution_id)
        board = NoticeBoard()
        deliverer = Deliverer(clock, log, board)
        outbox = self._outbox(deliverer)
        scheduler = self._scheduler(cursors, recorder)
        words = Wordsmith(config.channels, config.templates)
        alerts = self._alerts(alert_id, outbox, runner, words)
        outbox.remind, scheduler.stopped = alerts.remind, alerts.is_stopped
        self.feed.add(alerts.witness)
        await restore(store.reader, recent, hours, alerts, health, clock.now())
        recorder.cut_off(config.workflows, cursors, recent)
        return Rooms(
            store=store,
            exporter=exporter,
            caretaker=Caretaker(self.db, clock, log, store.condition, store.writer),
            hearing=hearing,
            canary=Canary(clock, tuple(map(parse_address, config.settings.canary)), log),
            runner=runner,
            health=health,
            recorder=recorder,
            scheduler=scheduler,
            outbox=outbox,
            board=board,
            deliverer=deliverer,
            words=words,
            deadman=self._deadman(scheduler, outbox, deliverer),
            alerts=alerts,
            backlog=Backlog(alerts.on_execution, alerts.remember, self._warn),
            sources=await self._sources(),
        )

    async def _runner(self, hearing: Hearing) -> Runner:
        config, store, clock = self.loaded.config, self.store, self.clock
        settings = config.settings
        return Runner(
            clock=clock,
            variables=self.loaded.variables,
            retries=config.retries,
            workflows=config.workflows,
            on_log=self.log,
            types=hearing.types(),
            on_breaker=lambda change: store.writer.offer(change.memory),
            breakers=await store.reader.breakers(),
            limits=HostLimits(clock, settings.per_host) if settings.per_host else None,
            keep=await keeper(settings.responses, store, clock, self.redactor),
            classify=settings.classify,
            sampler=Sampler(settings.tracing.sample, settings.tracing.slow),
        )

    async def _health(self) -> HealthMonitor:
        config, clock = self.loaded.config, self.clock
        return HealthMonitor(
            clock=clock,
            workflows=[workflow for workflow in config.workflows if not workflow.on_call],
            emit=self._note_health,
            history=await self.store.reader.health_hours(Uptime.since(clock.now())),
            watches_network=bool(config.settings.canary),
        )

    def _scheduler(self, cursors: dict[str, ScheduleCursor], recorder: Recorder) -> Scheduler:
        config, writer = self.loaded.config, self.store.writer
        return Scheduler(
            clock=self.clock,
            workflows=config.workflows,
            start=self.start,
            skipped=recorder.skipped,
            concurrency=config.settings.concurrency,
            cursors=cursors,
            advanced=writer.offer,
            claim=writer.must,
            log=self.log,
            jumped=lambda shift: self._warn(jump_message(shift)),
        )

    def _outbox(self, deliverer: Deliverer) -> Outbox:
        return Outbox(
            channels=self.loaded.config.channels,
            store=self.store,
            clock=self.clock,
            changed=self.publisher.changed,
            log=self.log,
            sender=deliverer,
        )

    def _alerts(self, first_alert: int, outbox: Outbox, runner: Runner, words: Wordsmith) -> AlertManager:
        config = self.loaded.config
        return AlertManager(
            config=with_own_rules(config),
            writer=self.store.writer,
            clock=self.clock,
            first_id=first_alert,
            changed=self.publisher.changed,
            notified=outbox.poke,
            compose=words.compose,
            breaker=runner.breaker_of,
        )

    def _deadman(self, scheduler: Scheduler, outbox: Outbox, deliverer: Deliverer) -> DeadMansSwitch:
        config, writer = self.loaded.config, self.store.writer
        switch = DeadMansSwitch(
            scheduler=scheduler, writer=writer, outbox=outbox, clock=self.clock, log=self.log
        )
        switch.adopt(config.deadman, config.channels, deliverer)
        return switch

    async def _sources(self) -> Sources:
        reader, writer = self.store.reader, self.store.writer
        known, base = await reader.source_files(), self.loaded.path.parent
        return Sources(self.loaded.config.sources, base, self.clock, known, writer.must, self.log)

    def _note_health(self, check: HealthCheck) -> None:
        check = self.redactor(check)
        self.store.writer.offer(check)
        self.feed.found(check)

    def _warn(self, message: str) -> None:
        self.log(LogRecord(at=self.clock.now(), level=LogLevel.WARNING, message=message))


def hidden(loaded: LoadedConfig) -> set[str]:
    """Every value that a configuration wants to be hidden wherever it turns up."""
    config = loaded.config
    channels = {secret for channel in config.channels.values() for secret in channel.secrets}
    signs = {config.deadman.url} if config.deadman is not None and config.deadman.url else set[str]()
    return {*loaded.secrets, *channels, *signs, *config.settings.tracing.secrets}
