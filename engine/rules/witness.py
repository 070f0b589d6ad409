"""What rules know beside executions and health: points, log lines, other rules, and since when they watch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING

from engine.config.conditions import AbsenceCondition, PatternCondition
from engine.model import LogRecord, Point
from engine.rules.composite import referred
from engine.rules.lines import LineBook
from engine.rules.scope import leaves, metrics_of, own_subject
from engine.rules.series import PREFIX, SeriesBook
from engine.rules.tallies import MAX_AGE

if TYPE_CHECKING:
    from engine.config.conditions import Condition
    from engine.config.schema import Rule

_NO_STRIKES: Mapping[str, int] = {}


class Witness:
    """Keeps what the conditions of some rules ask for, and nothing else.

    Args:
        rules: those that will be evaluated.
        is_active: whether a rule has a firing or acknowledged alert about a subject.
        strikes: how often rules have failed, those that did; it may change.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        is_active: Callable[[str, str], bool] = lambda rule, subject: False,
        strikes: Mapping[str, int] = _NO_STRIKES,
    ) -> None:
        rules = tuple(rules)
        conditions = [leaf for rule in rules for leaf in leaves(rule.conditions)]
        self.series = SeriesBook(_series(conditions), MAX_AGE)
        self.lines = LineBook(_searches(conditions))
        self.wants_lines = any(
            (isinstance(each, AbsenceCondition) and each.of in ("log", "heartbeat"))
            or (isinstance(each, PatternCondition) and each.search is not None)
            for each in conditions
        )
        self.wants_points = any(True for _ in _series(conditions))
        self.referred = frozenset(name for rule in rules for name in referred(rule.conditions))
        self.is_active = is_active
        self.strikes = strikes
        self._results: dict[str, dict[str, bool | None]] = {name: {} for name in self.referred}
        self._about_one = {rule.id for rule in rules if rule.id in self.referred and _is_about_one(rule)}
        self._since: float | None = None

    def watch_from(self, now: float) -> None:
        """Nobody watched right before `now`: what did not come by then proves nothing."""
        self._since = now

    def watched(self, now: float) -> float:
        """Seconds that have been watched without a break; the first question begins them."""
        if self._since is None:
            self._since = now
        return max(now - self._since, 0.0)

    def add(self, points: Iterable[Point], records: Iterable[LogRecord]) -> None:
        """Take in what has been recorded."""
        if self.wants_points:
            self.series.add(points)
        if self.wants_lines:
            self.lines.add(records)

    def note(self, rule_id: str, subject: str, result: bool | None) -> None:
        """Remember the result of a rule that others look at."""
        if rule_id in self._results:
            self._results[rule_id][subject] = result

    def bystander(self) -> Witness:
        """One that knows as much by now, and whose own looks leave this one as it is."""
        other = copy(self)
        other._results = {name: dict(known) for name, known in self._results.items()}
        return other

    def take_over(self, before: Witness) -> None:
        """Go on with what another has seen, as far as these rules ask for it."""
        self.series.take_over(before.series)
        self.lines.take_over(before.lines)
        self._since = before._since

    def state(self, rule_id: str, subject: str | None) -> bool | None:
        """Whether a rule has an active alert: about `subject` or about the one thing it is about, or any.

        Unknown while the rule's own result is; a pending alert is not active yet.
        """
        results = self._results.get(rule_id, {})
        if subject is None or rule_id in self._about_one:
            subjects = list(results)
        else:
            subjects = [subject] if subject in results else []
        if any(self.is_active(rule_id, each) for each in subjects):
            return True
        known = [results[each] is not None for each in subjects]
        return False if known and all(known) else None


def _is_about_one(rule: Rule) -> bool:
    try:
        return own_subject(rule) is not None
    except ValueError:
        return False


def _series(conditions: Iterable[Condition]) -> Iterator[str]:
    for condition in conditions:
        try:
            names = [name for name in metrics_of(condition) if name.startswith(PREFIX)]
        except ValueError:
            continue
        yield from (name.removeprefix(PREFIX) for name in names)


def _searches(conditions: Iterable[Condition]) -> Iterator[str]:
    for condition in conditions:
        if isinstance(condition, PatternCondition) and condition.search is not None:
            yield condition.search
        elif isinstance(condition, AbsenceCondition) and condition.of == "log":
            yield condition.search or ""
