"""Decides a rule: a pure function of the rule, the facts, the time, and what DURATION conditions remember."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.config.conditions import Condition, Group
from engine.config.schema import Rule
from engine.model import Scalar, Severity
from engine.model.record import record
from engine.rules import explain
from engine.rules.checks import CHECKS, Look
from engine.rules.checks import Held as Held
from engine.rules.checks import Memory as Memory
from engine.rules.findings import Finding
from engine.rules.metrics import SHOWN_TEXT, Facts
from engine.rules.nodes import all_of, any_of, negation
from engine.text import plain


@record(frozen=True, slots=True)
class Evaluation:
    """What came of one look at a rule; the words are made when they are asked for.

    `asleep` are the times in which the rule looks, when this was none of them.
    """

    result: bool | None
    findings: tuple[Finding, ...] = ()
    logic: str = "AND"
    asleep: str = ""

    @property
    def severity(self) -> Severity | None:
        """The highest that a condition which is true asks for, None when it is the rule's own."""
        if self.result is not True:
            return None
        asked = _asked(self.findings)
        return max(asked, key=lambda severity: severity.rank, default=None)

    @property
    def value(self) -> Scalar:
        """The value that decided: of the first condition that agrees with the result."""
        value = explain.deciding(self.findings, self.result).value if self.findings else None
        return plain(value, SHOWN_TEXT) if isinstance(value, str) else value

    @property
    def threshold(self) -> str:
        """What that value was held against: `> 50 %`."""
        if not self.findings:
            return ""
        return explain.threshold(explain.deciding(self.findings, self.result))

    @property
    def explanation(self) -> str:
        """All conditions with values in place: `workflow.failure_rate (62.5 %) > 50 %`."""
        if self.asleep:
            return f"asleep outside of {self.asleep}"
        return explain.joined(self.findings, " and " if self.logic == "AND" else " or ")


def evaluate(rule: Rule, facts: Facts, now: float, memory: Memory, active: bool = False) -> Evaluation:
    """Decide `rule` for one subject at `now`.

    Every condition is looked at each time, so that those with a memory stay up to date. Unknown follows
    three-valued logic: AND is false as soon as one part is, OR true as soon as one part is.

    Args:
        memory: kept by the caller from one evaluation to the next; changed in place.
        active: whether the rule has a firing or acknowledged alert about the subject: `clear` counts then.

    Raises:
        ValueError: an expression or a pattern cannot be used; the configuration check finds these beforehand.
    """
    findings = _each(rule.conditions, Look(rule.id, facts, now, memory, active), "")
    results = [finding.result for finding in findings]
    result = all_of(results) if rule.logic == "AND" else any_of(results)
    asleep = ""
    if rule.active and not any(period.holds(now) for period in rule.active):
        result, asleep = None, " or ".join(map(str, rule.active))
    if facts.witness is not None:
        facts.witness.note(rule.id, facts.subject, result)
    return Evaluation(result, findings, rule.logic, asleep)


def _each(conditions: Sequence[Condition], look: Look, path: str) -> tuple[Finding, ...]:
    return tuple(
        [
            _group(condition, look, f"{path}.{number}")
            if isinstance(condition, Group)
            else CHECKS[type(condition)](condition, look, f"{path}.{number}")
            for number, condition in enumerate(conditions)
        ]
    )


def _group(group: Group, look: Look, path: str) -> Finding:
    parts = _each(group.parts, look, path)
    if group.not_ is not None:
        return Finding(group, negation(parts[0].result), parts=parts)
    results = (part.result for part in parts)
    return Finding(group, all_of(results) if group.all is not None else any_of(results), parts=parts)


def _asked(findings: Sequence[Finding]) -> Iterator[Severity]:
    """The severities that true conditions ask for; what is below a `not` asks for none."""
    for finding in findings:
        if finding.result is not True:
            continue
        if finding.severity is not None:
            yield finding.severity
        if not (isinstance(finding.condition, Group) and finding.condition.not_ is not None):
            yield from _asked(finding.parts)
