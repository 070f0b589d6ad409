"""Puts another configuration in force while an engine runs: all of it between two evaluations, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.errors import StoreError
from engine.health import Uptime
from engine.model import HealthHour, Heartbeat, ScheduleCursor, SourceFile
from engine.own_rules import with_own_rules
from engine.redaction import Redactor
from engine.restoring import Hours, Recent, earlier_hours, moments, recent_executions
from engine.rules.recalling import looks_back
from engine.rules.scope import reach
from engine.supervisor import Supervisor
from engine.telemetry.sampling import Sampler
from engine.wiring import Rooms, hidden
from engine.workflows.execution import Keep
from engine.workflows.limits import HostLimits
from engine.workflows.responses import keeper

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig
    from engine.config.schema import Config, Workflow

DEADLINE = 10.0
"""Seconds within which the store has told what a reload asks of it."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the store remembers of parts that are new, and what may fail made ready beforehand."""

    cursors: dict[str, ScheduleCursor]
    recent: Recent
    hours: Hours
    beats: tuple[Heartbeat, ...]
    history: Iterable[HealthHour]
    keep: Keep | None
    limits: HostLimits | None


@dataclass(frozen=True, slots=True)
class Adopter:
    """Hands a configuration to the rooms of an engine."""

    rooms: Rooms
    supervisor: Supervisor
    redactor: Redactor
    clock: Clock

    async def adopt(self, before: LoadedConfig, after: LoadedConfig) -> int:
        """Put `after` in force in place of `before`; returns the number of the first execution under it.

        Raises:
            StoreError, EngineUnavailableError: nothing has changed.
        """
        rooms, config = self.rooms, after.config
        self.redactor.learn(hidden(after))
        try:
            async with asyncio.timeout(DEADLINE):
                known = await self._known(before.config, config)
                await rooms.hearing.prepare(config)
        except TimeoutError:
            raise StoreError(f"the store did not answer within {DEADLINE:.0f} s") from None
        async with rooms.alerts.between_evaluations():
            self._switch(after, known)
        return rooms.recorder.next

    async def follow_up(self, config: Config) -> None:
        """What may take its time once `config` is in force, and may be done again. Raises StoreError."""
        await self.rooms.sources.adopt(config.sources, self.supervisor, self._source_files)
        settings = config.settings
        await self.rooms.store.keeper.adopt(settings.storage.limits(settings.retention))

    def _switch(self, after: LoadedConfig, known: _Known) -> None:
        rooms, config = self.rooms, after.config
        settings = config.settings
        rooms.runner.adopt(
            workflows=config.workflows,
            variables=after.variables,
            retries=config.retries,
            limits=known.limits,
            keep=known.keep,
            classify=settings.classify,
            sampler=Sampler(settings.tracing.sample, settings.tracing.slow),
        )
        rooms.scheduler.adopt(config.workflows, settings.concurrency, known.cursors)
        rooms.health.adopt(_scheduled(config), known.history)
        rooms.hearing.adopt(config, known.beats)
        rooms.outbox.adopt(config.channels)
        rooms.words.adopt(config.channels, config.templates)
        rooms.deadman.adopt(config.deadman, config.channels, rooms.deliverer)
        rooms.alerts.adopt(with_own_rules(config), known.recent, known.hours)

    async def _known(self, before: Config, after: Config) -> _Known:
        rooms, store = self.rooms, self.rooms.store
        # Cursors and positions of what was removed a moment ago are on their way.
        await store.writer.flush()
        reader, old = store.reader, {workflow.id for workflow in before.workflows}
        new = [workflow for workflow in after.workflows if workflow.id not in old]
        looks_further = reach(after.rules) > reach(before.rules) or looks_back(after.rules) > looks_back(
            before.rules
        )
        wanted = after.workflows if looks_further else new
        now = self.clock.now()
        further = moments(after.rules, wanted, now)
        recent = await recent_executions(reader, wanted, now - reach(after.rules), further)
        keep, limits = rooms.runner.keep, rooms.runner.limits
        if after.settings.responses != before.settings.responses:
            keep = await keeper(after.settings.responses, store, self.clock, self.redactor)
        if (places := after.settings.per_host) != before.settings.per_host:
            limits = HostLimits(self.clock, places) if places else None
        return _Known(
            cursors=await reader.cursors() if new else {},
            recent=recent,
            hours=await earlier_hours(reader, recent, further),
            beats=await reader.heartbeats(),
            history=await reader.health_hours(Uptime.since(now)) if new else (),
            keep=keep,
            limits=limits,
        )

    async def _source_files(self) -> tuple[SourceFile, ...]:
        await self.rooms.store.writer.flush()
        return await self.rooms.store.reader.source_files()


def _scheduled(config: Config) -> Sequence[Workflow]:
    return [workflow for workflow in config.workflows if not workflow.on_call]
