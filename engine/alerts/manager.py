"""Carries out what the judge decides: each transition is stored whole, then made true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from engine.alerts.announce import Compose, Notices, audience, notifications
from engine.alerts.explanation import Standing
from engine.alerts.judge import Consideration, Judge
from engine.alerts.lifecycle import RULE, Transition, acknowledge, fingerprint, noted, resolve
from engine.alerts.maintenance import ended, status
from engine.alerts.silences import expired
from engine.clock import Clock
from engine.errors import StoreError
from engine.model import (
    Alert,
    AlertEvent,
    AlertEventKind,
    AlertState,
    Decision,
    Execution,
    Health,
    LogLevel,
    LogRecord,
    Maintenance,
    MaintenanceStatus,
    MaintenanceWish,
    Notification,
    Point,
    Recording,
    Silence,
    Topic,
)
from engine.model.alerting import NOT_MUTED, Muted
from engine.notify.routes import Router
from engine.rules.recalling import Hour

if TYPE_CHECKING:
    from engine.config.schema import Config

_NO_HOURS: Mapping[str, Sequence[Hour]] = {}

AlertRow = Alert | AlertEvent | Decision | Notification | Silence | Maintenance | LogRecord


class AlertWriter(Protocol):
    """The part of the store's writer that alerts need."""

    def offer(self, *rows: AlertRow) -> bool: ...

    async def must(self, *rows: AlertRow) -> None: ...


class AlertManager:
    """Rules in, alerts out.

    A transition's alert, event, decision and notifications are one transaction; memory follows only when it
    is durable, so that a failed commit leaves everything as it was and the next evaluation tries again.

    Args:
        first_id: the id of the first new alert.
        changed: told that alerts have changed.
        notified: called after notifications were queued.
        compose: words a notification.
        breaker: the state of the circuit breakers that stand before a workflow.
    """

    def __init__(
        self,
        *,
        config: Config,
        writer: AlertWriter,
        clock: Clock,
        first_id: int,
        changed: Callable[[Topic], None],
        notified: Callable[[], None],
        compose: Compose,
        breaker: Callable[[str], str | None] = lambda workflow_id: None,
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._changed = changed
        self._notified = notified
        self._compose = compose
        self._channels = config.channels
        self._router = Router(config)
        self._judge = Judge(config, first_id, breaker=breaker, fault=self._log)
        self._store_failing = False
        self._lock = asyncio.Lock()

    def restore(
        self,
        open_alerts: Sequence[Alert],
        last_alerts: Sequence[Alert],
        executions: Mapping[str, Sequence[Execution]],
        announced: Mapping[int, frozenset[str]],
        muted: Muted = NOT_MUTED,
        hours: Mapping[str, Sequence[Hour]] = _NO_HOURS,
    ) -> None:
        """Take over what an earlier run left behind; call before the first evaluation.

        Args:
            last_alerts: the newest alerts of each fingerprint, for cooldowns.
            executions: by workflow, newest first.
            announced: the channels that were told of each open alert's fire.
            muted: silences and maintenance that were made, and what was said to change too often.
            hours: by workflow, what it did before those executions.
        """
        self._judge.muting.silences.restore(muted.silences, muted.next_silence)
        self._judge.muting.windows.restore(muted.maintenance, muted.next_maintenance)
        history = {workflow_id: tuple(reversed(found)) for workflow_id, found in executions.items()}
        now = self._clock.now()
        self._judge.restore(open_alerts, last_alerts, history, announced, now, muted.flapping, hours)

    def between_evaluations(self) -> asyncio.Lock:
        """Held while something is evaluated or stored; `adopt()` wants it."""
        return self._lock

    def adopt(
        self,
        config: Config,
        executions: Mapping[str, Sequence[Execution]],
        hours: Mapping[str, Sequence[Hour]] = _NO_HOURS,
    ) -> None:
        """Go by another configuration; firing alerts stay what they are, and nobody is told of them again.

        Args:
            executions: by workflow, newest first, of those that are new or looked back on further now.
        """
        self._channels = config.channels
        self._router = Router(config)
        history = {each: tuple(reversed(found)) for each, found in executions.items()}
        self._judge.adopt(config, history, hours)

    def open_alerts(self) -> tuple[Alert, ...]:
        """Pending, firing and acknowledged alerts, oldest first."""
        return self._judge.book.all()

    @property
    def judge(self) -> Judge:
        """For questions; only the manager lets it change."""
        return self._judge

    @property
    def disabled(self) -> tuple[str, ...]:
        """The ids of rules that failed so often that they are not evaluated any more."""
        return self._judge.disabled

    async def on_execution(self, execution: Execution) -> None:
        """Evaluate every rule about the execution's workflow. Never raises but when cancelled."""
        async with self._lock:
            self.remember(execution)
            await self._carry_out(self._judge.considerations(execution, self._clock.now()))

    def remember(self, execution: Execution) -> None:
        """Let an execution count from now on, without evaluating anything."""
        self._judge.remember(execution)

    def witness(self, rows: Sequence[object]) -> None:
        """Let points and log lines among rows that were recorded count from now on."""
        for row in rows:
            if isinstance(row, Recording):
                self._judge.witness(row.points, row.logs)
            elif isinstance(row, Point):
                self._judge.witness((row,), ())
            elif isinstance(row, LogRecord):
                self._judge.witness((), (row,))

    async def tick(self, health: Health) -> None:
        """Let time pass: `for`, escalation, auto-resolve, rules about health, rules that are gone."""
        judge = self._judge
        judge.look(health, self._clock.now())
        for workflow_id in judge.workflow_ids:
            async with self._lock:
                await self._carry_out(judge.of_workflow(workflow_id, self._clock.now()))
            await asyncio.sleep(0)
        async with self._lock:
            await self._carry_out(judge.of_others(self._clock.now()))
            await self._carry_out(judge.of_uncovered(self._clock.now()))
            await self._pass(self._store_confirmations())

    async def acknowledge(
        self, alert_id: int, author: str, note: str = "", lasting: float | None = None
    ) -> Alert:
        """Durable when it returns; firing again `lasting` seconds from now, unless it has ended by then.

        Raises:
            NotFoundError, ConflictError, StoreError: it cannot be done, and nothing has changed.
        """
        async with self._lock:
            alert, now = self._judge.find(alert_id), self._clock.now()
            until = None if lasting is None else now + lasting
            return await self._record(Consideration(acknowledge(alert, author, note, now, until)))

    async def resolve(self, alert_id: int, author: str, note: str = "") -> Alert:
        """Durable when it returns. Raises NotFoundError, ConflictError, StoreError."""
        async with self._lock:
            alert = self._judge.find(alert_id)
            return await self._record(Consideration(resolve(alert, author, note, self._clock.now())))

    async def note(self, alert_id: int, author: str, note: str) -> Alert:
        """Write something down about an open alert. Raises NotFoundError, ConflictError, StoreError."""
        async with self._lock:
            return await self._record(Consideration(noted(self._judge.find(alert_id), author, note)))

    def standings(self, rule_id: str) -> tuple[Standing, ...]:
        """How a rule stands with each of its subjects now; nothing comes of being asked."""
        judge, now = self._judge, self._clock.now()
        found = []
        for subject, looked in judge.peek(rule_id, now):
            alert = judge.book.get(fingerprint(rule_id, subject))
            gates = judge.gates(rule_id, subject, looked, now)
            found.append(Standing(subject, looked.result, looked.explanation, alert, gates))
        return tuple(found)

    def silences(self) -> tuple[Silence, ...]:
        """Those that have not ended, of the configuration and made at run time, as they end."""
        return self._judge.muting.silences.open(self._clock.now())

    def muted(self) -> dict[int, str]:
        """Why nobody is told of open alerts: words by the numbers of those that something mutes."""
        now = self._clock.now()
        found = ((alert.id, self._judge.mute(alert, now)) for alert in self.open_alerts())
        return {alert_id: "; ".join(gate.detail for gate in gates) for alert_id, gates in found if gates}

    async def remind(self, channel: str, group: str, alert_ids: Sequence[int]) -> tuple[int, ...]:
        """Tell a channel again of what fires in a group, nobody takes care of and nothing mutes.

        Returns those of them that have ended. Raises StoreError.
        """
        async with self._lock:
            known = {alert.id: alert for alert in self.open_alerts()}
            for alert_id in alert_ids:
                alert, now = known.get(alert_id), self._clock.now()
                if alert is None or alert.state is not AlertState.FIRING or self._judge.mute(alert, now):
                    continue
                await self._remind(alert, channel, group, now)
        return tuple(number for number in alert_ids if number not in known)

    def is_stopped(self, workflow_id: str) -> bool:
        """Whether a workflow is in a maintenance window in which it does not run."""
        return self._judge.muting.stops(workflow_id, self._clock.now())

    async def silence(
        self,
        matchers: Sequence[str],
        author: str,
        reason: str,
        ends_at: float | None = None,
        starts_at: float | None = None,
        lasting: float | None = None,
    ) -> Silence:
        """Tell nobody of alerts that meet all matchers, from now or `starts_at`; durable when it returns.

        Args:
            ends_at, lasting: until when, or for how many seconds; one of the two.

        Raises:
            TocsinError: a matcher cannot be read or names no rule, author or reason are missing, the end is
                past or far off.
            ConflictError, StoreError: there are too many, or it cannot be stored.
        """
        silences, now = self._judge.muting.silences, self._clock.now()
        made = silences.draft(matchers, author, reason, starts_at, ends_at, now, lasting)
        self._judge.muting.aimed(made.matchers)
        await self._put(made, lambda: silences.put(made))
        return made

    async def expire_silence(self, silence_id: int, author: str) -> Silence:
        """End a silence now; durable when it returns. Raises NotFoundError, ConflictError, StoreError."""
        silences = self._judge.muting.silences
        over = expired(silences.find(silence_id), author, self._clock.now())
        await self._put(over, lambda: silences.put(over))
        return over

    def maintenance(self) -> tuple[MaintenanceStatus, ...]:
        """Windows that have not ended, of the configuration and made at run time."""
        return self._judge.muting.windows.statuses(self._clock.now())

    async def maintain(self, wish: MaintenanceWish) -> MaintenanceStatus:
        """Make a maintenance window; durable when it returns.

        Raises:
            TocsinError: it is about no workflow, author or reason are missing, the end is past or far off.
            ConflictError, StoreError: there are too many, or it cannot be stored.
        """
        muting, now = self._judge.muting, self._clock.now()
        made = muting.maintained(wish, now)
        await self._put(made, lambda: muting.windows.put(made))
        return status(made, now)

    async def end_maintenance(self, number: int, author: str) -> MaintenanceStatus:
        """End a window now; durable when it returns. Raises NotFoundError, ConflictError, StoreError."""
        windows, now = self._judge.muting.windows, self._clock.now()
        over = ended(windows.find(number), author, now)
        await self._put(over, lambda: windows.put(over))
        return status(over, now)

    async def _put(self, row: Silence | Maintenance, put: Callable[[], None]) -> None:
        """Store what mutes alerts, then let it count."""

        async def commit() -> None:
            await self._writer.must(row)
            put()

        await self._whole(commit())
        self._changed(Topic.ALERTS)

    async def _carry_out(self, considerations: Iterator[Consideration]) -> None:
        for considered in considerations:
            if not await self._pass(self._record(considered)):
                return

    async def _pass(self, work: Coroutine[Any, Any, object]) -> bool:
        """Whether something could be stored; what could not is tried again at the next evaluation."""
        try:
            await work
        except StoreError as error:
            if not self._store_failing:
                self._log(f"alerts cannot be stored: {error}; trying again at the next evaluation")
            self._store_failing = True
            return False
        return True

    async def _store_confirmations(self) -> None:
        book = self._judge.book
        alerts = book.stale(self._clock.now())
        if alerts:
            await self._whole(self._writer.must(*alerts))
            book.refreshed(alerts)

    async def _record(self, considered: Consideration) -> Alert:
        """Store a transition whole, then make it true and tell of it. Raises StoreError, nothing changed."""
        now = self._clock.now()
        transition = considered.transition
        alert = transition.alert
        told = self._judge.book.told(alert.id)
        routing = self._router.route(alert, considered.rule, now)
        notices, gates = audience(transition, considered.rule, self._channels, told, routing)
        rows: list[AlertRow] = [alert]
        if transition.kind is not None:
            rows.append(AlertEvent(alert.id, now, transition.kind, transition.author, transition.note))
        decision = considered.decision(gates, now)
        if decision is not None and not self._judge.book.is_recorded(transition):
            rows.append(decision)
        threshold = decision.threshold if decision is not None else ""
        about = (considered.rule, threshold, routing.groups)
        queued = notifications(transition, notices, self._compose, now, *about)
        await self._commit(transition, notices, *rows, *queued)
        if queued:
            self._notified()
        return alert

    async def _remind(self, alert: Alert, channel: str, group: str, now: float) -> None:
        """One reminder more of an alert, as a row of a group."""
        raised = replace(alert, reminders=alert.reminders + 1)
        transition = Transition(raised, AlertEventKind.REMINDED, RULE)
        notices: Notices = ((channel, AlertEventKind.REMINDED),)
        about = (self._judge.rule(alert.rule_id), "", {channel: group})
        queued = notifications(transition, notices, self._compose, now, *about)
        event = AlertEvent(alert.id, now, AlertEventKind.REMINDED, RULE)
        await self._commit(transition, notices, raised, event, *queued)

    async def _commit(self, transition: Transition, notices: Notices, *rows: AlertRow) -> None:
        """Store what belongs to a transition, then make it true and say that something changed."""

        async def commit() -> None:
            await self._writer.must(*rows)
            self._judge.apply(transition, notices)

        await self._whole(commit())
        self._store_failing = False
        self._changed(Topic.ALERTS)

    async def _whole(self, work: Coroutine[Any, Any, None]) -> None:
        """Run to the end even when cancelled, so that memory and store never part ways."""
        task = asyncio.create_task(work)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()
            raise

    def _log(self, message: str) -> None:
        self._writer.offer(LogRecord(at=self._clock.now(), level=LogLevel.ERROR, message=message))
