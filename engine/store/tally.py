"""What executions came to: counts by outcome and how long they took, of any number of them."""

from __future__ import annotations

import math
import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from engine.model import Outcome
from engine.store.periods import numbers
from engine.telemetry.sketch import Sketch

OUTCOMES = tuple(Outcome)
"""In the order of the columns of roll-ups."""
COLUMNS = ", ".join((*(outcome.value for outcome in OUTCOMES), "spent", "shortest", "longest", "sketch"))
COUNTED = "outcome IN ('ok', 'degraded', 'failed', 'error')"
GOOD = "outcome IN ('ok', 'degraded')"
EXACT = 2_000
"""As many values of a workflow are looked at one by one; more become a sketch."""
_A_TIME = 10_000
_CHECKS = (
    "SELECT component, count(*), sum(status IN ('healthy', 'degraded')), sum(score) FROM health_checks"
    " WHERE id >= ? AND id < ? AND at >= ? AND at < ? AND status <> 'unknown' GROUP BY 1"
)
_CHECK_SLACK = 60.0

_GOOD = tuple(place for place, outcome in enumerate(OUTCOMES) if outcome.is_success)
_COUNTED = tuple(place for place, outcome in enumerate(OUTCOMES) if outcome.is_success or outcome.is_failure)
_PLACES = {outcome.value: place for place, outcome in enumerate(OUTCOMES)}
_RESULTS = frozenset(OUTCOMES[place].value for place in _COUNTED)


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which `share` (0–1) of the ascending values lie, interpolated; None without values."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


class Spread:
    """Values whose percentiles are asked for: exact while they are few and were never rolled up."""

    __slots__ = ("_sketch", "_stored", "_values")

    def __init__(self) -> None:
        # A quarter of what a list takes: there are as many as executions since the last roll-up.
        self._values = array("d")
        self._stored: list[bytes] = []
        self._sketch: Sketch | None = None

    def add(self, values: Sequence[float]) -> None:
        """Count values."""
        self._values.extend(values)
        if len(self._values) > EXACT:
            self._condensed()

    def add_sketch(self, sketch: bytes) -> None:
        """Count what was rolled up."""
        self._stored.append(sketch)

    def merge(self, other: Spread) -> None:
        """Count all that `other` has."""
        if other._stored or other._sketch is not None:
            if self._sketch is None:
                self._sketch = Sketch()
            self._sketch.merge(other._condensed())
        self._values += other._values
        if len(self._values) > EXACT:
            self._condensed()

    def quantiles(self, *shares: float) -> tuple[float | None, ...]:
        """The values below which these shares (0–1) lie; None without values.

        Within 1 % (`engine.telemetry.sketch.RELATIVE_ERROR`), or exact.
        """
        if self._sketch is None and not self._stored:
            ordered = sorted(self._values)
            return tuple(percentile(ordered, share) for share in shares)
        return tuple(map(self._condensed().quantile, shares))

    def to_bytes(self) -> bytes:
        """The sketch of all values, to store."""
        return self._condensed().to_bytes()

    def _condensed(self) -> Sketch:
        """All values as one sketch."""
        if self._sketch is None:
            self._sketch = Sketch()
        self._sketch.add_all(self._values)
        self._sketch.merge_stored(self._stored)
        self._values, self._stored = array("d"), []
        return self._sketch


class Tally:
    """Executions by outcome; durations (s) are of those with a result, the others have none."""

    __slots__ = ("counts", "longest", "shortest", "spent", "spread")

    def __init__(self) -> None:
        self.counts = [0] * len(OUTCOMES)
        self.spent = 0.0
        self.shortest: float | None = None
        self.longest: float | None = None
        self.spread = Spread()

    @property
    def everything(self) -> int:
        """All executions, those without a result as well."""
        return sum(self.counts)

    @property
    def executions(self) -> int:
        """Those with a result."""
        return sum(self.counts[place] for place in _COUNTED)

    @property
    def successes(self) -> int:
        return sum(self.counts[place] for place in _GOOD)

    @property
    def success_rate(self) -> float | None:
        """0–1; None without executions."""
        return self.successes / self.executions if self.executions else None

    @property
    def mean(self) -> float | None:
        """Seconds; None without executions."""
        return self.spent / self.executions if self.executions else None

    def add(self, outcome: str, durations: Sequence[float]) -> None:
        """Count executions that ended so; at least one."""
        self.counts[_PLACES[outcome]] += len(durations)
        if outcome in _RESULTS:
            self._bound(min(durations), max(durations))
            self.spent += sum(durations)
            self.spread.add(durations)

    def add_cells(self, cells: Iterable[Any]) -> None:
        """Count a roll-up: the values of `COLUMNS`."""
        *counts, spent, shortest, longest, sketch = cells
        self.counts = list(map(int.__add__, self.counts, counts))
        self.spent += spent
        self._bound(shortest, longest)
        if sketch is not None:
            self.spread.add_sketch(sketch)

    def merge(self, other: Tally) -> None:
        """Count all that `other` has, which stays as it is."""
        self.counts = list(map(int.__add__, self.counts, other.counts))
        self.spent += other.spent
        self._bound(other.shortest, other.longest)
        self.spread.merge(other.spread)

    def cells(self) -> tuple[Any, ...]:
        """The values of `COLUMNS`."""
        sketch = self.spread.to_bytes() if self.executions else None
        return (*self.counts, self.spent, self.shortest, self.longest, sketch)

    def _bound(self, shortest: float | None, longest: float | None) -> None:
        if shortest is not None and longest is not None:
            self.shortest = shortest if self.shortest is None else min(self.shortest, shortest)
            self.longest = longest if self.longest is None else max(self.longest, longest)


def tallied(rows: Iterable[tuple[str, str, float]]) -> dict[str, Tally]:
    """Executions by workflow, each given as workflow, outcome and duration (s)."""
    result: defaultdict[str, Tally] = defaultdict(Tally)
    rest = iter(rows)
    while some := tuple(islice(rest, _A_TIME)):
        # One call for many costs a third of many calls.
        groups: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for workflow_id, outcome, duration in some:
            groups[workflow_id, outcome].append(duration)
        for (workflow_id, outcome), durations in groups.items():
            result[workflow_id].add(outcome, durations)
    return result


def checked(connection: sqlite3.Connection, since: float, until: float) -> list[tuple[str, int, int, float]]:
    """Of each component its checks, those that found it healthy or degraded, the sum of their scores."""
    span = numbers(connection, "health_checks", "at", since, until, _CHECK_SLACK)
    return connection.execute(_CHECKS, (*span, since, until)).fetchall()
