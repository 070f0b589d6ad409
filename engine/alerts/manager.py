"""Drives alerts through their life: evaluates rules, stores each transition whole, then makes it true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from engine.alerts.announce import Compose, audience, notifications
from engine.alerts.book import AlertBook
from engine.alerts.lifecycle import RULE, Transition, acknowledge, close, draft, fingerprint, observe, resolve
from engine.clock import Clock
from engine.errors import ConflictError, NotFoundError, StoreError
from engine.model import (
    Alert,
    AlertEvent,
    Decision,
    Execution,
    Gate,
    Health,
    LogLevel,
    LogRecord,
    Notification,
    Topic,
)
from engine.rules.evaluator import Evaluation, Memory, evaluate
from engine.rules.metrics import Facts
from engine.rules.scope import covers, health_subject, reach
from engine.rules.window import WorkflowWindow
from engine.text import own_words

if TYPE_CHECKING:
    from engine.config.schema import Config, Rule

MAX_STRIKES = 3
GAP = 60.0
"""Seconds without an evaluation after which what is known counts as out of date (the machine slept)."""

AlertRow = Alert | AlertEvent | Decision | Notification | LogRecord


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
        self._breaker = breaker
        self._channels = config.channels
        self._names = {workflow.id: workflow.name for workflow in config.workflows}
        self._rules = {rule.id: rule for rule in config.rules if rule.enabled}
        self._health_subjects = {rule.id: _subject(rule) for rule in self._rules.values()}
        self._matching: dict[str, tuple[Rule, ...]] = {}
        self._reach = reach(self._rules.values())
        self._windows = {workflow_id: WorkflowWindow(self._reach) for workflow_id in self._names}
        self._book = AlertBook(first_id, config.settings.max_active_alerts)
        self._memory: Memory = {}
        self._strikes: dict[str, int] = {}
        self._health: Health | None = None
        self._gap = max(GAP, 4 * config.settings.evaluation_interval)
        self._ticked_at: float | None = None
        self._store_failing = False
        self._lock = asyncio.Lock()

    def restore(
        self,
        open_alerts: Sequence[Alert],
        last_alerts: Sequence[Alert],
        executions: Mapping[str, Sequence[Execution]],
        announced: Mapping[int, frozenset[str]],
    ) -> None:
        """Take over what an earlier run left behind; call before the first evaluation.

        What workflows are doing now stays unknown until they have run again, so that open alerts hold.

        Args:
            last_alerts: the newest alerts of each fingerprint, for cooldowns.
            executions: by workflow, newest first.
            announced: the channels that were told of each open alert's fire.
        """
        self._book.restore(open_alerts, last_alerts, announced)
        for workflow_id, history in executions.items():
            window = self._window(workflow_id)
            for execution in reversed(history):
                window.add(execution)
        self._look_afresh(self._clock.now())

    def open_alerts(self) -> tuple[Alert, ...]:
        """Pending, firing and acknowledged alerts, oldest first."""
        return self._book.all()

    async def on_execution(self, execution: Execution) -> None:
        """Evaluate every rule about the execution's workflow. Never raises but when cancelled."""
        async with self._lock:
            self.remember(execution)
            await self._pass(self._workflow(execution.workflow_id, execution))

    def remember(self, execution: Execution) -> None:
        """Let an execution count from now on, without evaluating anything."""
        self._window(execution.workflow_id).add(execution)
        self._names.setdefault(execution.workflow_id, execution.workflow_name)

    async def tick(self, health: Health) -> None:
        """Let time pass: `for`, escalation, auto-resolve, rules about health, rules that are gone."""
        now = self._clock.now()
        if self._ticked_at is not None and now - self._ticked_at > self._gap:
            self._look_afresh(now)
        self._ticked_at = now
        self._health = health
        for workflow_id in tuple(self._windows):
            async with self._lock:
                await self._pass(self._workflow(workflow_id, None))
            await asyncio.sleep(0)
        async with self._lock:
            await self._pass(self._health_rules())
            await self._pass(self._close_uncovered())
            await self._pass(self._store_confirmations())

    async def acknowledge(self, alert_id: int, author: str, note: str) -> Alert:
        """Durable when it returns. Raises NotFoundError, ConflictError, StoreError."""
        async with self._lock:
            return await self._record(acknowledge(self._find(alert_id), author, note, self._clock.now()))

    async def resolve(self, alert_id: int, author: str, note: str) -> Alert:
        """Durable when it returns. Raises NotFoundError, ConflictError, StoreError."""
        async with self._lock:
            return await self._record(resolve(self._find(alert_id), author, note, self._clock.now()))

    async def _pass(self, work: Coroutine[Any, Any, None]) -> None:
        """One round of evaluations; ends early when the store fails, for the next one to try again."""
        try:
            await work
        except StoreError as error:
            if not self._store_failing:
                self._log(f"alerts cannot be stored: {error}; trying again at the next evaluation")
            self._store_failing = True

    async def _workflow(self, workflow_id: str, execution: Execution | None) -> None:
        window = self._window(workflow_id)
        facts = Facts(workflow_id, window, self._health, self._breaker(workflow_id))
        for rule in self._rules_of(workflow_id):
            await self._consider(rule, facts, execution or window.latest)

    async def _health_rules(self) -> None:
        for rule_id, subject in self._health_subjects.items():
            if subject is not None:
                await self._consider(self._rules[rule_id], Facts(subject, health=self._health), None)

    async def _close_uncovered(self) -> None:
        """End alerts whose rule was removed or disabled, or is no longer about their subject."""
        for alert in self._book.all():
            if not self._is_covered(alert):
                note = (
                    "rule removed"
                    if alert.rule_id not in self._rules
                    else f"rule no longer covers {alert.subject}"
                )
                await self._record(close(alert, RULE, note, self._clock.now()))

    async def _store_confirmations(self) -> None:
        alerts = self._book.stale(self._clock.now())
        if alerts:
            await self._whole(self._writer.must(*alerts))
            self._book.refreshed(alerts)

    async def _consider(self, rule: Rule, facts: Facts, execution: Execution | None) -> None:
        now = self._clock.now()
        evaluation = self._evaluate(rule, facts, now)
        known = fingerprint(rule.id, facts.subject)
        alert = self._book.get(known)
        new = alert is None
        if alert is None:
            if not evaluation.result:
                return
            alert = draft(self._book.take_id(), rule, facts.subject, evaluation, execution, now)
        transition = observe(alert, rule, evaluation, self._book.circumstances(known, now), new=new)
        if transition is None:
            return
        if self._book.is_news(transition):
            await self._record(transition, rule, evaluation, execution)
        else:
            self._book.confirm(transition.alert)

    def _evaluate(self, rule: Rule, facts: Facts, now: float) -> Evaluation:
        """The rule's result; unknown when it fails, and for good after three failures."""
        if self._strikes.get(rule.id, 0) >= MAX_STRIKES:
            return Evaluation(None)
        try:
            return evaluate(rule, facts, now, self._memory)
        except Exception as error:  # noqa: BLE001 - border: one rule's fault must not stop the others
            strikes = self._strikes[rule.id] = self._strikes.get(rule.id, 0) + 1
            end = ": it is disabled until the next start" if strikes == MAX_STRIKES else ""
            self._log(f"rule {rule.id} failed ({strikes} of {MAX_STRIKES}): {own_words(error)}{end}")
            return Evaluation(None)

    async def _record(
        self,
        transition: Transition,
        rule: Rule | None = None,
        evaluation: Evaluation | None = None,
        execution: Execution | None = None,
    ) -> Alert:
        """Store a transition whole, then make it true and tell of it. Raises StoreError, nothing changed."""
        now = self._clock.now()
        alert = transition.alert
        notices, gates = audience(transition, rule, self._channels, self._book.told(alert.id))
        rows: list[AlertRow] = [alert]
        if transition.kind is not None:
            rows.append(AlertEvent(alert.id, now, transition.kind, transition.author, transition.note))
        if evaluation is not None:
            rows.append(_decision(transition, evaluation, (*transition.gates, *gates), execution, now))
        queued = notifications(transition, notices, self._compose, now)

        async def commit() -> None:
            await self._writer.must(*rows, *queued)
            self._book.apply(transition, notices)

        await self._whole(commit())
        self._store_failing = False
        self._changed(Topic.ALERTS)
        if queued:
            self._notified()
        return alert

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

    def _look_afresh(self, now: float) -> None:
        """After a pause: what workflows are doing is unknown, and auto-resolve starts to count anew."""
        for window in self._windows.values():
            window.hold()
        self._book.confirm_from(now)

    def _find(self, alert_id: int) -> Alert:
        alert = self._book.find(alert_id)
        if alert is not None:
            return alert
        if self._book.was_used(alert_id):
            raise ConflictError(f"alert {alert_id} is resolved", "only open alerts can be changed")
        raise NotFoundError(f"there is no alert {alert_id}")

    def _is_covered(self, alert: Alert) -> bool:
        rule = self._rules.get(alert.rule_id)
        if rule is None:
            return False
        subject = self._health_subjects[rule.id]
        if subject is not None:
            return subject == alert.subject
        return alert.subject in self._windows and rule in self._rules_of(alert.subject)

    def _rules_of(self, workflow_id: str) -> tuple[Rule, ...]:
        rules = self._matching.get(workflow_id)
        if rules is None:
            name = self._names.get(workflow_id, "")
            rules = self._matching[workflow_id] = tuple(
                rule
                for rule in self._rules.values()
                if self._health_subjects[rule.id] is None and covers(rule, workflow_id, name)
            )
        return rules

    def _window(self, workflow_id: str) -> WorkflowWindow:
        window = self._windows.get(workflow_id)
        if window is None:
            window = self._windows[workflow_id] = WorkflowWindow(self._reach)
        return window

    def _log(self, message: str) -> None:
        self._writer.offer(LogRecord(at=self._clock.now(), level=LogLevel.ERROR, message=message))


def _subject(rule: Rule) -> str | None:
    """Whom a rule is about; one that cannot be read counts as about workflows and fails when evaluated."""
    try:
        return health_subject(rule)
    except ValueError:
        return None


def _decision(
    transition: Transition,
    evaluation: Evaluation,
    gates: tuple[Gate, ...],
    execution: Execution | None,
    now: float,
) -> Decision:
    return Decision(
        at=now,
        rule_id=transition.alert.rule_id,
        subject=transition.alert.subject,
        result=evaluation.result,
        value=evaluation.value,
        threshold=evaluation.threshold,
        explanation=evaluation.explanation,
        gates=gates,
        alert_id=transition.alert.id,
        execution_id=execution.id if execution else None,
    )
