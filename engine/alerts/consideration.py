"""What the judge brings forth: a transition that is worth a record, and what led to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.alerts.lifecycle import Transition
from engine.model import Decision, Execution, Gate

if TYPE_CHECKING:
    from engine.config.schema import Rule
    from engine.rules.evaluator import Evaluation


class Consideration(NamedTuple):
    """A transition worth a record, and what led to it; rule and evaluation are None when none was asked."""

    transition: Transition
    rule: Rule | None = None
    evaluation: Evaluation | None = None
    execution: Execution | None = None

    def decision(self, gates: tuple[Gate, ...], now: float) -> Decision | None:
        """The record of it, with `gates` behind the transition's own; None when no rule was evaluated."""
        transition, evaluation, execution = self.transition, self.evaluation, self.execution
        if evaluation is None:
            return None
        return Decision(
            at=now,
            rule_id=transition.alert.rule_id,
            subject=transition.alert.subject,
            result=evaluation.result,
            value=evaluation.value,
            threshold=evaluation.threshold,
            explanation=evaluation.explanation,
            gates=(*transition.gates, *gates),
            alert_id=transition.alert.id,
            execution_id=execution.id if execution else None,
        )
