"""An alert manager on a virtual clock, with a writer that stores rows as the real one would."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from engine.alerts.manager import AlertManager, AlertRow
from engine.clock import VirtualClock
from engine.config.schema import Config
from engine.errors import StoreError
from engine.model import (
    Alert,
    AlertEvent,
    AlertEventKind,
    AlertState,
    Decision,
    Execution,
    Health,
    LogRecord,
    Maintenance,
    Notification,
    Outcome,
    Severity,
    Silence,
    Topic,
)
from engine.model.alerting import Muted
from engine.notify.messages import compose
from tests.engine.rules import build

FAILED = {"type": "THRESHOLD", "metric": "workflow.status", "operator": "==", "value": "failed"}
STEP = {"id": "s", "http": {"url": "http://127.0.0.1/"}}


def config(*rules: dict[str, Any], workflows: Sequence[str] = ("login",), **parts: Any) -> Config:
    """A configuration with channels `ops` (all severities) and `pager` (CRITICAL)."""
    return Config.model_validate(
        {
            "version": 1,
            "channels": {
                "ops": {"url": "json://ops"},
                "pager": {"url": "json://pager", "min_severity": "CRITICAL"},
            },
            "workflows": [
                {"id": one, "name": one.title(), "every": "30s", "steps": [STEP]} for one in workflows
            ],
            "rules": [{"id": "down", "name": "Down", "conditions": [FAILED], **rule} for rule in rules],
            **parts,
        }
    )


class Tables:
    """What is stored: alerts by id, notifications by key, the rest in order. Fails whole when told to."""

    def __init__(self) -> None:
        self.alerts: dict[int, Alert] = {}
        self.notifications: dict[str, Notification] = {}
        self.events: list[AlertEvent] = []
        self.decisions: list[Decision] = []
        self.silences: dict[int, Silence] = {}
        self.maintenance: dict[int, Maintenance] = {}
        self.logs: list[LogRecord] = []
        self.commits = 0
        self.failing = False

    async def must(self, *rows: AlertRow) -> None:
        if self.failing:
            raise StoreError("the disk is full")
        self.commits += 1
        self.offer(*rows)

    def offer(self, *rows: AlertRow) -> bool:
        for row in rows:
            if isinstance(row, Alert):
                self.alerts[row.id] = row
            elif isinstance(row, Notification):
                assert row.key not in self.notifications, f"{row.key} was queued twice"
                self.notifications[row.key] = row
            elif isinstance(row, AlertEvent):
                self.events.append(row)
            elif isinstance(row, Silence):
                self.silences[row.id] = row
            elif isinstance(row, Maintenance):
                self.maintenance[row.id] = row
            elif isinstance(row, Decision):
                self.decisions.append(row)
            else:
                self.logs.append(row)
        return True

    def open(self) -> list[Alert]:
        return [alert for alert in self.alerts.values() if alert.state is not AlertState.RESOLVED]

    def last(self) -> list[Alert]:
        """The newest alert of each fingerprint that has fired."""
        fired = [alert for alert in self.alerts.values() if alert.fired_at is not None]
        return list({alert.fingerprint: alert for alert in fired}.values())

    def announced(self) -> dict[int, frozenset[str]]:
        told: dict[int, set[str]] = {alert_id: set() for alert_id in self.alerts}
        for row in self.notifications.values():
            if row.transition is AlertEventKind.FIRED:
                told[row.alert_id].add(row.channel)
            elif row.transition is AlertEventKind.RESOLVED:
                told[row.alert_id].discard(row.channel)
        return {alert_id: frozenset(channels) for alert_id, channels in told.items()}

    def muted(self, now: float) -> Muted:
        flaps = {
            self.alerts[event.alert_id].fingerprint: event.kind is AlertEventKind.FLAPPING
            for event in self.events
            if event.kind in (AlertEventKind.FLAPPING, AlertEventKind.STEADY)
        }
        return Muted(
            tuple(silence for silence in self.silences.values() if silence.end > now),
            max(self.silences, default=0) + 1,
            tuple(fingerprint for fingerprint, flapping in flaps.items() if flapping),
            tuple(window for window in self.maintenance.values() if window.end > now),
            max(self.maintenance, default=0) + 1,
        )

    def kinds(self, alert_id: int | None = None) -> list[str]:
        return [event.kind.value for event in self.events if alert_id in (None, event.alert_id)]

    @property
    def keys(self) -> list[str]:
        return list(self.notifications)


class Stand:
    """One manager; `restart()` replaces it by another on the same tables."""

    def __init__(self, made: Config, tables: Tables | None = None) -> None:
        self.clock = VirtualClock(build.START)
        self.tables = tables or Tables()
        self.config = made
        self.changes: list[Topic] = []
        self.pokes = 0
        self.executions: dict[str, list[Execution]] = {}
        self.system = build.health()
        self._ids = itertools.count(1)
        self.manager = self._new()

    def _new(self) -> AlertManager:
        return AlertManager(
            config=self.config,
            writer=self.tables,
            clock=self.clock,
            first_id=max(self.tables.alerts, default=0) + 1,
            changed=self.changes.append,
            notified=self._poke,
            compose=compose,
        )

    def _poke(self) -> None:
        self.pokes += 1

    def restart(self, made: Config | None = None) -> None:
        self.config = made or self.config
        self.manager = self._new()
        tables = self.tables
        newest_first = {workflow: list(reversed(runs)) for workflow, runs in self.executions.items()}
        muted = tables.muted(self.clock.now())
        self.manager.restore(tables.open(), tables.last(), newest_first, tables.announced(), muted)

    async def run(
        self, outcome: Outcome | str = Outcome.OK, workflow: str = "login", after: float = 0.0, **fields: Any
    ) -> None:
        """Let `after` seconds pass, then an execution end."""
        await self.clock.advance(after)
        made = build.execution(
            Outcome(outcome),
            at=self.clock.now() - build.START,
            workflow=workflow,
            id=next(self._ids),
            **fields,
        )
        self.executions.setdefault(workflow, []).append(made)
        await self.manager.on_execution(made)

    async def tick(self, after: float = 0.0, system: Health | None = None) -> None:
        await self.clock.advance(after)
        self.system = system or self.system
        await self.manager.tick(self.system)

    async def wait(self, seconds: float, step: float = 15.0) -> None:
        """Let time pass with a tick every `step` seconds, as the engine does."""
        while seconds > 0:
            await self.tick(min(step, seconds))
            seconds -= step

    @property
    def alert(self) -> Alert:
        (alert,) = self.manager.open_alerts()
        return alert

    def state(self) -> AlertState:
        """The state of the one open alert."""
        return self.alert.state

    def severity(self) -> Severity:
        return self.alert.severity
