"""Why an alert is not made, or nobody is told of it: inhibition, maintenance and silences."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from engine.alerts.book import AlertBook
from engine.alerts.inhibition import inhibitor, quieter, quieting
from engine.alerts.maintenance import Windows
from engine.alerts.maintenance import words as window_words
from engine.alerts.matchers import Labels, labels_of, parse_all
from engine.alerts.silences import Silences
from engine.alerts.silences import words as silence_words
from engine.errors import TocsinError
from engine.model import Alert, Gate, Maintenance, MaintenanceWish
from engine.rules.scope import fits
from engine.text import nearest, plain

if TYPE_CHECKING:
    from engine.config.schema import Config

INHIBITED = "inhibited"


class Muting:
    """The gates of `inhibited`, `maintenance` and `silence`; only those that stop are told.

    Args:
        config: says what depends on what, which maintenance there is, and which silences stand.
        is_failing: whether the last result of a workflow is a failure.
    """

    def __init__(self, config: Config, book: AlertBook, is_failing: Callable[[str], bool]) -> None:
        self._book = book
        self._is_failing = is_failing
        self.silences = Silences()
        self.windows = Windows()
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Go by another configuration; silences and maintenance made at run time stay."""
        self._rules = {rule.id: rule for rule in config.rules}
        self._workflows = {workflow.id: workflow for workflow in config.workflows}
        self._inhibitions = config.inhibit
        self._quieting = quieting(config.rules)
        self.silences.adopt(config.silences)
        self.windows.adopt(config.maintenance)

    def gates(self, alert: Alert, now: float) -> tuple[Gate, ...]:
        """What stops an alert from being made (`inhibited`) or told, each with who or what and until when."""
        labels = self.labels(alert)
        why = self._inhibited(alert, labels)
        gates = [Gate(INHIBITED, False, why)] if why else []
        workflow = self._workflows.get(alert.subject)
        if workflow is not None and self.windows:
            window = self.windows.over(workflow.id, workflow.name, workflow.tags, now)
            if window is not None:
                gates.append(Gate("maintenance", False, window_words(window)))
        silence = self.silences.over(labels, now)
        if silence is not None:
            gates.append(Gate("silence", False, silence_words(silence)))
        return tuple(gates)

    def stops(self, workflow_id: str, now: float) -> bool:
        """Whether a workflow is in a maintenance window in which it does not run."""
        workflow = self._workflows.get(workflow_id) if self.windows else None
        if workflow is None:
            return False
        told = (workflow.id, workflow.name, workflow.tags)
        return self.windows.over(*told, now, stopping=True) is not None

    def aimed(self, matchers: Iterable[str]) -> None:
        """Raises TocsinError when a matcher names a rule that there is not: it would silence nothing."""
        for matcher in parse_all(matchers):
            if matcher.label != "rule" or matcher.sign.endswith("~"):
                continue
            if not any(fits(matcher.wanted, name) for name in self._rules):
                near = nearest(matcher.wanted, self._rules)
                raise TocsinError(
                    f"there is no rule {plain(matcher.wanted, 80)}",
                    f"did you mean {near}?" if near else "tocsin rules list has them",
                )

    def maintained(self, wish: MaintenanceWish, now: float) -> Maintenance:
        """A maintenance window that counts when it is put in. Raises TocsinError, ConflictError."""
        names = [name for workflow in self._workflows.values() for name in (workflow.id, workflow.name)]
        for pattern in wish.workflows:
            if not any(fits(pattern, name) for name in names):
                near = nearest(pattern, self._workflows)
                raise TocsinError(
                    f"there is no workflow {plain(pattern, 80)}",
                    f"did you mean {near}?" if near else "tocsin workflows lists them",
                )
        return self.windows.draft(wish, now)

    def labels(self, alert: Alert) -> Labels:
        """What matchers may ask of an alert."""
        workflow = self._workflows.get(alert.subject)
        return labels_of(alert, self._rules.get(alert.rule_id), workflow.tags if workflow else ())

    def _inhibited(self, alert: Alert, labels: Labels) -> str:
        workflow = self._workflows.get(alert.subject)
        for name in workflow.depends_on if workflow else ():
            if self._is_failing(name):
                return f"it depends on workflow {name}, which is failing"
        by = self._quieting.get(alert.rule_id, {})
        if not self._inhibitions and not by:
            return ""
        active = [(other, self.labels(other)) for other in self._book.all() if other.state.is_active]
        why = quieter(alert, by, active, self._workflows.__contains__)
        return why or inhibitor(alert, labels, self._inhibitions, active)
