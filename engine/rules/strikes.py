"""How often rules have failed: one that did three times is not looked at any more, and is an alert itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from engine.model.rules import MAX_STRIKES
from engine.rules.evaluator import Evaluation, Memory, evaluate
from engine.rules.metrics import SUBJECT_RULE, Facts
from engine.text import own_words

if TYPE_CHECKING:
    from engine.config.schema import Rule


class Strikes:
    """Counts failures of rules, such as a pattern that overran its bound.

    Args:
        fault: told in a sentence of each.
    """

    def __init__(self, fault: Callable[[str], None]) -> None:
        self._fault = fault
        self._counts: dict[str, int] = {}

    @property
    def counts(self) -> Mapping[str, int]:
        """Of those that failed, and 0 of those that did so before and have another chance."""
        return self._counts

    @property
    def disabled(self) -> tuple[str, ...]:
        """Rules that are unknown until they are changed, or the next start."""
        return tuple(sorted(filter(self.is_out, self._counts)))

    def is_out(self, rule_id: str) -> bool:
        """Whether a rule is looked at no more."""
        return self._counts.get(rule_id, 0) >= MAX_STRIKES

    def evaluate(self, rule: Rule, facts: Facts, now: float, memory: Memory, active: bool) -> Evaluation:
        """The rule's result; unknown when it fails, and for good after three failures."""
        if self.is_out(rule.id):
            return Evaluation(None)
        try:
            return evaluate(rule, facts, now, memory, active)
        except Exception as error:  # noqa: BLE001 - border: one rule's fault must not stop the others
            count = self._counts[rule.id] = self._counts.get(rule.id, 0) + 1
            end = ": it is disabled until it is changed, or the next start" if count == MAX_STRIKES else ""
            self._fault(f"rule {rule.id} failed ({count} of {MAX_STRIKES}): {own_words(error)}{end}")
            return Evaluation(None)

    def forgive(self, kept: Collection[str] = ()) -> None:
        """Give another chance to all but `kept`."""
        for rule_id in self._counts:
            if rule_id not in kept:
                self._counts[rule_id] = 0

    def expect(self, subjects: Iterable[str]) -> None:
        """Of rules that are subjects of alerts it can be told that they do not fail any more."""
        for subject in subjects:
            if subject.startswith(SUBJECT_RULE):
                self._counts.setdefault(subject.removeprefix(SUBJECT_RULE), 0)
