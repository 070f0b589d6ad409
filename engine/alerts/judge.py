"""Decides what executions, health and time do to alerts. Synchronous, with no store and no clock of its own.

The live engine, tests of rules, backtests and benchmarks all run this one; they differ only in what they do
between a consideration and `apply()`: the engine stores it first, a rehearsal does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.alerts.announce import Notices
from engine.alerts.book import AlertBook
from engine.alerts.consideration import Consideration as Consideration
from engine.alerts.flapping import Flapping
from engine.alerts.lifecycle import (
    RULE,
    Transition,
    close,
    draft,
    fingerprint,
    may_reopen,
    observe,
    reopened,
)
from engine.alerts.muting import Muting
from engine.alerts.roster import Concern, Glance, Roster
from engine.errors import ConflictError, NotFoundError
from engine.model import Alert, AlertEventKind, Execution, Gate, Health, LogRecord, Point
from engine.rules.carrying import carried
from engine.rules.evaluator import Evaluation, Memory, evaluate
from engine.rules.metrics import Facts
from engine.rules.recalling import Hour, recall
from engine.rules.strikes import Strikes
from engine.rules.window import WorkflowWindow

if TYPE_CHECKING:
    from engine.config.schema import Config, Rule

_NO_HOURS: Mapping[str, Sequence[Hour]] = {}
GAP = 60.0
"""Seconds without an evaluation after which what is known counts as out of date (the machine slept)."""


class Judge:
    """Rules and what is known in, considerations out.

    A consideration is not true before `apply()`: the same question is answered the same way until then. The
    iterators look at one rule after the other as they are asked, so each may be applied before the next.

    Args:
        first_id: the id of the first new alert.
        breaker: the state of the circuit breakers that stand before a workflow.
        fault: told in a sentence of a rule that failed.
    """

    def __init__(
        self,
        config: Config,
        first_id: int = 1,
        *,
        breaker: Callable[[str], str | None] = lambda workflow_id: None,
        fault: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._breaker = breaker
        self._strikes = Strikes(fault)
        self._windows: dict[str, WorkflowWindow] = {}
        self._gone: set[str] = set()
        self._follow(config)
        self._book = AlertBook(first_id, config.settings.max_active_alerts)
        self._memory: Memory = {}
        self._health: Health | None = None
        self._muting = Muting(config, self._book, self._is_failing)
        self._flapping = Flapping()
        self._looked_at: float | None = None

    @property
    def book(self) -> AlertBook:
        """Open alerts and whom they were announced to."""
        return self._book

    @property
    def muting(self) -> Muting:
        """What keeps alerts from being made or told."""
        return self._muting

    @property
    def workflow_ids(self) -> tuple[str, ...]:
        """The workflows about which something may come of the passing of time alone."""
        return tuple(self._restless)

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of that id that is in force."""
        return self._roster.rules.get(rule_id)

    @property
    def disabled(self) -> tuple[str, ...]:
        """Rules that failed three times, and are unknown for good."""
        return self._strikes.disabled

    @property
    def strikes(self) -> Mapping[str, int]:
        """How often rules have failed, those that did."""
        return self._strikes.counts

    def peek(self, rule_id: str, now: float) -> Iterator[tuple[str, Evaluation]]:
        """What a rule says of each of its subjects now; nothing comes of it, and nothing is remembered."""
        rule = self._roster.rules.get(rule_id)
        if rule is None or self._strikes.is_out(rule_id):
            return
        memory = {place: held for place, held in self._memory.items() if place[0] == rule_id}
        witness = self._roster.witness.bystander()
        for subject, labels, is_workflow in self._roster.subjects(rule):
            window = self._windows.get(subject) if is_workflow else None
            breaker = self._breaker(subject) if is_workflow else None
            facts = Facts(subject, window, self._health, breaker, witness, labels)
            yield subject, evaluate(rule, facts, now, memory, self._is_active(rule_id, subject))

    def gates(self, rule_id: str, subject: str, evaluation: Evaluation, now: float) -> tuple[Gate, ...]:
        """The gates at which an alert is, if that is what a look at its rule came to, and what mutes it.

        Where there is no alert, what would keep one from being made or told.
        """
        rule, known = self._roster.rules[rule_id], fingerprint(rule_id, subject)
        alert = self._book.get(known)
        if alert is None:
            return self.mute(draft(0, rule, subject, evaluation, None, now), now)
        at = self._book.circumstances(known, now, self.mute(alert, now))
        transition = observe(alert, rule, evaluation, at)
        gates = transition.gates if transition is not None else ()
        return tuple(dict.fromkeys((*gates, *at.mute)))

    def restore(
        self,
        open_alerts: Sequence[Alert],
        last_alerts: Sequence[Alert],
        executions: Mapping[str, Sequence[Execution]],
        announced: Mapping[int, frozenset[str]],
        now: float,
        flapping: Iterable[str] = (),
        hours: Mapping[str, Sequence[Hour]] = _NO_HOURS,
    ) -> None:
        """Take over what an earlier run left behind; call before the first evaluation.

        What workflows are doing now stays unknown until they have run again, so that open alerts hold.

        Args:
            last_alerts: the newest alerts of each fingerprint, for cooldowns.
            executions: by workflow, oldest first.
            announced: the channels that were told of each open alert's fire.
            flapping: the fingerprints that were said to change too often.
            hours: by workflow, what it did before those executions, for rules that count further back.
        """
        self._flapping.restore(flapping)
        self._book.restore(open_alerts, last_alerts, announced)
        for workflow_id, history in executions.items():
            window = self._window(workflow_id)
            for execution in history:
                window.add(execution)
            recall(window, self._roster.about(workflow_id), history, hours.get(workflow_id, ()))
        self.begin(now)
        self._strikes.expect(alert.subject for alert in open_alerts)

    def adopt(
        self,
        config: Config,
        executions: Mapping[str, Sequence[Execution]],
        hours: Mapping[str, Sequence[Hour]] = _NO_HOURS,
    ) -> None:
        """Go by another configuration from the next look on; open alerts, and what is known, are kept.

        Alerts of rules and workflows that are gone are ended by `of_uncovered()`.

        Args:
            executions: earlier ones, oldest first, of workflows that are new or looked back on further now.
            hours: what those did before.
        """
        before, known = self._roster, self._windows
        self._gone |= before.names.keys()
        self._follow(config, before)
        self._gone -= self._roster.names.keys()
        for workflow_id, window in self._windows.items():
            if workflow_id in known:
                window.adopt(self._reach, executions.get(workflow_id, ()))
            else:
                for execution in executions.get(workflow_id, ()):
                    window.add(execution)
                window.hold()
            if history := executions.get(workflow_id):
                recall(window, self._roster.about(workflow_id), history, hours.get(workflow_id, ()))
        rules = self._roster.rules
        self._memory = carried(self._memory, before.rules, rules)
        self._strikes.forgive({each for each, rule in rules.items() if before.rules.get(each) == rule})
        self._book.limit = config.settings.max_active_alerts
        self._muting.adopt(config)

    def _follow(self, config: Config, before: Roster | None = None) -> None:
        self._roster = Roster(config, self._is_active, self._strikes.counts, before)
        self._reach = self._roster.reach
        known = self._windows
        self._windows = {each: known.get(each) or WorkflowWindow(self._reach) for each in self._roster.names}
        self._restless = dict.fromkeys(self._windows)
        self._glances: dict[str, Glance] = {}
        self._gap = max(GAP, 4 * config.settings.evaluation_interval)

    def begin(self, now: float) -> None:
        """An engine starts: what rules had seen by themselves is forgotten, what is happening is unknown."""
        self._memory.clear()
        self._strikes.forgive()
        self._looked_at = None
        self._look_afresh(now)

    def remember(self, execution: Execution) -> None:
        """Let an execution count from now on, evaluating nothing; none of a removed workflow does."""
        if execution.workflow_id in self._gone:
            return
        self._restless[execution.workflow_id] = None
        self._window(execution.workflow_id).add(execution)
        self._roster.names.setdefault(execution.workflow_id, execution.workflow_name)

    def passes_by(self, execution: Execution, now: float) -> bool:
        """As `remember`; and whether nothing else comes of it, as far as a glance shows."""
        glance = self._glances.get(execution.workflow_id)
        if glance is None:
            self.remember(execution)
            return False
        glance.window.add(execution)
        for known, check in glance.checks:
            if self._book.get(known) is not None or check(glance.facts, now):
                self._restless[execution.workflow_id] = None
                return False
        return True

    def witness(self, points: Iterable[Point], records: Iterable[LogRecord]) -> None:
        """Let points and log lines count from now on, as far as rules ask for them."""
        self._roster.witness.add(points, records)

    def look(self, health: Health | None, now: float) -> None:
        """Take in the system's health. Before this nobody may have looked for long: then start afresh."""
        if self._looked_at is not None and now - self._looked_at > self._gap:
            self._look_afresh(now)
        self._roster.witness.watched(now)
        self._looked_at = now
        self._health = health

    def considerations(self, execution: Execution | None, now: float) -> Iterator[Consideration]:
        """What an execution that was remembered brings about, or, with None, what time does to everything."""
        if execution is not None:
            yield from self.of_workflow(execution.workflow_id, now, execution)
            return
        for workflow_id in self.workflow_ids:
            yield from self.of_workflow(workflow_id, now)
        yield from self.of_others(now)
        yield from self.of_uncovered(now)

    def of_workflow(
        self, workflow_id: str, now: float, execution: Execution | None = None
    ) -> Iterator[Consideration]:
        """What the rules about one workflow bring about."""
        if workflow_id in self._gone:
            return
        window, witness = self._window(workflow_id), self._roster.witness
        facts = Facts(workflow_id, window, self._health, self._breaker(workflow_id), witness)
        calm = True
        for concern in self._roster.of_workflow(workflow_id):
            if self._is_idle(concern, facts, now):
                calm = calm and concern.momentary
            else:
                calm = False
                yield from self._of_one(concern.rule, concern.known, facts, execution, now)
        if calm:
            self._restless.pop(workflow_id, None)
            if workflow_id not in self._glances:
                self._glances[workflow_id] = self._roster.glance(workflow_id, window)

    def of_others(self, now: float) -> Iterator[Consideration]:
        """What the rules about anything but workflows bring about: about health, series, lines of files."""
        for rule, subject, labels in self._roster.of_others():
            facts = Facts(subject, health=self._health, witness=self._roster.witness, labels=labels)
            yield from self._of_one(rule, fingerprint(rule.id, subject), facts, None, now)

    def _is_idle(self, concern: Concern, facts: Facts, now: float) -> bool:
        """Whether it takes no more than a glance to see that nothing comes of a rule."""
        quick = concern.quick
        return quick is not None and self._book.get(concern.known) is None and not quick(facts, now)

    def _of_one(
        self, rule: Rule, known: str, facts: Facts, execution: Execution | None, now: float
    ) -> Iterator[Consideration]:
        considered = self._consider(rule, known, facts, execution, now)
        if considered is not None:
            yield considered
        if rule.flapping is not None:
            yield from self._of_flapping(rule, known, now)

    def of_uncovered(self, now: float) -> Iterator[Consideration]:
        """The end of alerts whose rule was removed or disabled, or is no longer about their subject."""
        for alert in self._book.all():
            if not self._is_covered(alert):
                gone = alert.rule_id not in self._roster.rules
                note = "rule removed" if gone else f"rule no longer covers {alert.subject}"
                yield Consideration(close(alert, RULE, note, now))

    def apply(self, transition: Transition, notices: Notices) -> None:
        """Make a transition true, and remember the channels it is told."""
        self._book.apply(transition, notices)
        if transition.kind in (AlertEventKind.FLAPPING, AlertEventKind.STEADY):
            self._flapping.said(transition.alert.fingerprint, transition.kind)

    def find(self, alert_id: int) -> Alert:
        """An open alert. Raises NotFoundError, or ConflictError when it has ended."""
        alert = self._book.find(alert_id)
        if alert is not None:
            return alert
        if self._book.was_used(alert_id):
            raise ConflictError(f"alert {alert_id} is resolved", "only open alerts can be changed")
        raise NotFoundError(f"there is no alert {alert_id}")

    def _consider(
        self, rule: Rule, known: str, facts: Facts, execution: Execution | None, now: float
    ) -> Consideration | None:
        alert = self._book.get(known)
        active = alert is not None and alert.state.is_active
        evaluation = self._strikes.evaluate(rule, facts, now, self._memory, active)
        new = alert is None
        if rule.flapping is not None:
            self._flapping.see(known, evaluation.result, rule.flapping)
        if alert is None and not evaluation.result:
            return None
        if execution is None and facts.window is not None:
            execution = facts.window.latest
        if alert is None:
            alert = self._draft(rule, known, facts.subject, evaluation, execution, now)
        at = self._book.circumstances(known, now, self.mute(alert, now))
        transition = observe(alert, rule, evaluation, at, new=new)
        if transition is None:
            return None
        if self._book.is_news(transition):
            return Consideration(transition, rule, evaluation, execution)
        self._book.confirm(transition.alert)
        return None

    def _draft(
        self,
        rule: Rule,
        known: str,
        subject: str,
        evaluation: Evaluation,
        execution: Execution | None,
        now: float,
    ) -> Alert:
        """A new alert, or the last one when it has ended only just now."""
        ended = self._book.ended(known) if rule.reopen else None
        if ended is not None and may_reopen(ended, rule, now):
            return reopened(ended, draft(ended.id, rule, subject, evaluation, execution, now))
        return draft(self._book.take_id(), rule, subject, evaluation, execution, now)

    def mute(self, alert: Alert, now: float) -> tuple[Gate, ...]:
        """The gates that keep an alert from being made or told now."""
        gates, rule = self._muting.gates(alert, now), self._roster.rules.get(alert.rule_id)
        flaps = rule is not None and rule.flapping is not None
        flapping = self._flapping.gate(alert.fingerprint) if flaps else None
        return gates if flapping is None else (*gates, flapping)

    def _of_flapping(self, rule: Rule, known: str, now: float) -> Iterator[Consideration]:
        """That alerts of a fingerprint began or ceased to change too often, told of the newest of them."""
        kind = self._flapping.news(known)
        alert = self._book.get(known) if kind is not None else None
        if alert is None or alert.fired_at is None:
            alert = self._book.ended(known) if kind is not None else None
        if kind is None or alert is None or self._muting.gates(alert, now):
            return
        flapping = self._flapping.gate(known)
        note = flapping.detail if flapping is not None else "it no longer changes too often"
        yield Consideration(Transition(alert, kind, RULE, note), rule)

    def _is_failing(self, workflow_id: str) -> bool:
        window = self._windows.get(workflow_id)
        return window is not None and bool(window.consecutive_failures)

    def _look_afresh(self, now: float) -> None:
        """After a pause: what workflows are doing is unknown, and auto-resolve starts to count anew."""
        for window in self._windows.values():
            window.hold()
        self._roster.witness.watch_from(now)
        self._book.confirm_from(now)

    def _is_covered(self, alert: Alert) -> bool:
        return self._roster.concerns(alert.rule_id, alert.subject, alert.subject in self._windows)

    def _is_active(self, rule_id: str, subject: str) -> bool:
        alert = self._book.get(fingerprint(rule_id, subject))
        return alert is not None and alert.state.is_active

    def _window(self, workflow_id: str) -> WorkflowWindow:
        window = self._windows.get(workflow_id)
        if window is None:
            window = self._windows[workflow_id] = WorkflowWindow(self._reach)
        return window
