"""Why an alert is not made, or nobody is told of it: inhibition, maintenance and silences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.alerts.book import AlertBook
from engine.alerts.inhibition import broken_rule, inhibitor
from engine.alerts.maintenance import window_of
from engine.alerts.maintenance import words as window_words
from engine.alerts.matchers import Labels, labels_of
from engine.alerts.silences import Silences
from engine.alerts.silences import words as silence_words
from engine.model import Alert, Gate

if TYPE_CHECKING:
    from engine.config.schema import Config, Rule

INHIBITED = "inhibited"


class Muting:
    """The gates of `inhibited`, `maintenance` and `silence`; only those that stop are told.

    Args:
        config: says what depends on what, when there is maintenance, and which silences stand.
        is_failing: whether the last result of a workflow is a failure.
    """

    def __init__(self, config: Config, book: AlertBook, is_failing: Callable[[str], bool]) -> None:
        self._book = book
        self._is_failing = is_failing
        self.silences = Silences()
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Go by another configuration; silences made at run time stay."""
        self._rules = {rule.id: rule for rule in config.rules}
        self._workflows = {workflow.id: workflow for workflow in config.workflows}
        self._windows = config.maintenance
        self._inhibitions = config.inhibit
        self.silences.adopt(config.silences)

    def gates(self, alert: Alert, now: float) -> tuple[Gate, ...]:
        """What stops an alert from being made (`inhibited`) or told, each with who or what and until when."""
        rule, labels = self._rules.get(alert.rule_id), self.labels(alert)
        why = self._inhibited(alert, rule, labels)
        gates = [Gate(INHIBITED, False, why)] if why else []
        workflow = self._workflows.get(alert.subject)
        if workflow is not None and self._windows:
            window = window_of(self._windows, workflow.id, workflow.name, workflow.tags, now)
            if window is not None:
                gates.append(Gate("maintenance", False, window_words(window)))
        silence = self.silences.over(labels, now)
        if silence is not None:
            gates.append(Gate("silence", False, silence_words(silence)))
        return tuple(gates)

    def stops(self, workflow_id: str, now: float) -> bool:
        """Whether a workflow is in a maintenance window in which it does not run."""
        workflow = self._workflows.get(workflow_id) if self._windows else None
        if workflow is None:
            return False
        told = (workflow.id, workflow.name, workflow.tags)
        return window_of(self._windows, *told, now, stopping=True) is not None

    def labels(self, alert: Alert) -> Labels:
        """What matchers may ask of an alert."""
        workflow = self._workflows.get(alert.subject)
        return labels_of(alert, self._rules.get(alert.rule_id), workflow.tags if workflow else ())

    def _inhibited(self, alert: Alert, rule: Rule | None, labels: Labels) -> str:
        workflow = self._workflows.get(alert.subject)
        for name in workflow.depends_on if workflow else ():
            if self._is_failing(name):
                return f"it depends on workflow {name}, which is failing"
        if not self._inhibitions and not (rule and rule.depends_on):
            return ""
        active = [(other, self.labels(other)) for other in self._book.all() if other.state.is_active]
        why = broken_rule(alert, rule, active, self._workflows.__contains__) if rule else ""
        return why or inhibitor(alert, labels, self._inhibitions, active)
