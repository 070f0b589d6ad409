"""One configuration on trial: the same judge as the live engine's, and whom it would have told."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.alerts.announce import audience, notifications
from engine.alerts.judge import Consideration, Judge
from engine.model import Alert, AlertEventKind, Health, LogRecord, Notification, Point
from engine.notify.facts import Occasion
from engine.notify.messages import Words
from engine.notify.routes import Router
from engine.rehearsal.post import Post
from engine.rehearsal.results import Fire, Rehearsed, Told
from engine.store.history import ENDED, Coverage, Ended

if TYPE_CHECKING:
    from engine.config.schema import Config

_OVER = (AlertEventKind.RESOLVED, AlertEventKind.CANCELLED)
_TELLING = (AlertEventKind.FIRED, AlertEventKind.REOPENED, AlertEventKind.ESCALATED)
_NO_WORDS = Words("", "", "")


class Stage:
    """Takes executions and the passing of time, and remembers what came of them from `since` on.

    What it takes before that only brings it into the state that an engine would have been in.
    """

    def __init__(self, config: Config, since: float) -> None:
        self._channels = config.channels
        self._router = Router(config)
        self._since = since
        self._faults: dict[str, None] = {}
        self.judge = Judge(config, fault=self._fault)
        self._alerts: dict[int, Alert] = {}
        self._post = Post(config.channels, self._alerts.get, since)
        self._fired: dict[tuple[int, int], Alert] = {}
        self._about: dict[int, tuple[str, str]] = {}
        self._asked = 0
        self._stopped: Counter[str] = Counter()
        self._executions = 0

    @property
    def faults(self) -> tuple[str, ...]:
        """What rules said that failed, each sentence once."""
        return tuple(self._faults)

    @property
    def told(self) -> list[Told]:
        """Everything that left, in its order."""
        return [
            self._as_told(row, at, number)
            for number, (at, _, rows) in enumerate(self._post.sent)
            if at >= self._since
            for row in rows
        ]

    def begin(self, now: float) -> None:
        """An engine starts: nobody has looked for a while."""
        self.judge.begin(now)

    def take(self, executions: Sequence[Ended]) -> None:
        """Executions in the order in which they ended."""
        if not executions:
            return
        judge = self.judge
        passes_by = judge.passes_by
        for now, execution in executions:
            if passes_by(execution, now):
                continue
            for considered in judge.of_workflow(execution.workflow_id, now, execution):
                self._apply(considered, now)
        self._executions += len(executions) - bisect_left(executions, self._since, key=ENDED)

    def witness(self, points: Sequence[Point], lines: Sequence[LogRecord]) -> None:
        """Points and log lines that count from now on."""
        self.judge.witness(points, lines)

    def tick(self, health: Health | None, now: float) -> None:
        """Time passes, as it does each evaluation interval."""
        self.judge.look(health, now)
        for considered in self.judge.considerations(None, now):
            self._apply(considered, now)
        self._post.until(now)

    def result(self, coverage: Coverage) -> Rehearsed:
        """All of it."""
        told = self.told
        stopped = self._stopped + self._post.stopped
        return Rehearsed(
            coverage=coverage,
            fires=tuple(sorted(map(Fire.of, self._fired.values()), key=lambda fire: fire.fired_at)),
            asked=self._asked,
            stopped=stopped,
            told=tuple(told),
            messages=len({one.message for one in told}),
            executions=self._executions,
            faults=self.faults,
        )

    def _apply(self, considered: Consideration, now: float) -> None:
        transition, rule = considered.transition, considered.rule
        alert, kind = transition.alert, transition.kind
        routing = self._router.route(alert, rule, now)
        heard = self.judge.book.told(alert.id)
        notices, gates = audience(transition, rule, self._channels, heard, routing)
        rows = notifications(transition, notices, _wordless, now, rule, "", routing.groups)
        self.judge.apply(transition, notices)
        self._alerts[alert.id] = alert
        if alert.fired_at is not None and alert.fired_at >= self._since:
            self._fired[alert.id, alert.reopened] = alert
        if now >= self._since:
            stops = [gate.name.partition(":")[0] for gate in gates if not gate.passed]
            if kind in _TELLING and transition.stopped_at:
                stops = [transition.stopped_at] * len(routing.channels)
            self._asked += len(stops) + len(rows)
            self._stopped.update(stops)
        if rows:
            self._about[alert.id] = alert.rule_id, alert.subject
            self._post.take(rows, now)
        if kind in _OVER:
            self._alerts.pop(alert.id, None)

    def _as_told(self, row: Notification, at: float, message: int) -> Told:
        rule_id, subject = self._about[row.alert_id]
        return Told(at, row.channel, rule_id, subject, row.transition, row.severity, message)

    def _fault(self, message: str) -> None:
        self._faults[message] = None


def _wordless(occasion: Occasion, channel: str) -> Words:
    return _NO_WORDS
