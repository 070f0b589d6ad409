"""Points and log lines as rules see them again in a replay: each at its own time."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING

from engine.lines import moment
from engine.model import LogRecord, Point
from engine.rules.witness import Witness
from engine.store.history import History

if TYPE_CHECKING:
    from engine.config.schema import Config, Rule
    from engine.rehearsal.stage import Stage

LATE = 3_600.0
"""Seconds after the beginning of a range within which the first point, or line, may come."""


class Sights:
    """What is seen beside executions, oldest first; nothing at all when no rule asks for any."""

    def __init__(self, rows: Iterable[Point | LogRecord] | None) -> None:
        self.some = rows is not None
        self._rows = iter(rows or ())
        self._next = next(self._rows, None)

    @classmethod
    def of(cls, configs: Mapping[str, Config], history: History, since: float, until: float) -> Sights:
        """What the rules of any of `configs` ask of a file."""
        wanted = [Witness(config.rules) for config in configs.values()]
        names = {name for each in wanted for name in each.series.names}
        rows: list[Iterator[Point | LogRecord]] = []
        if names:
            rows.append(history.points(since, until, names))
        if any(each.wants_lines for each in wanted):
            rows.append(history.lines(since, until))
        return cls(heapq.merge(*rows, key=attrgetter("at")) if rows else None)

    def show(self, stages: Iterable[Stage], now: float) -> None:
        """Let `stages` see what there was up to `now`."""
        points: list[Point] = []
        lines: list[LogRecord] = []
        while self._next is not None and self._next.at <= now:
            if isinstance(self._next, Point):
                points.append(self._next)
            else:
                lines.append(self._next)
            self._next = next(self._rows, None)
        if points or lines:
            for stage in stages:
                stage.witness(points, lines)


def is_unseen(rule: Rule, history: History) -> bool:
    """Whether it looks at points or lines of which the file has none: its silence would mean nothing."""
    witness = Witness((rule,))
    if not (witness.wants_points or witness.wants_lines):
        return False
    point, line = history.oldest(tuple(witness.series.names))
    return (witness.wants_points and point is None) or (witness.wants_lines and line is None)


def partly_seen(config: Config, history: History, since: float, until: float) -> Iterator[str]:
    """A sentence for each kind of row that rules look at and the file no longer has from the beginning."""
    witness = Witness(config.rules)
    begins = min((stretch.since for stretch in history.coverage(since, until).stretches), default=math.inf)
    kinds = zip(
        (witness.wants_points, witness.wants_lines),
        history.oldest(tuple(witness.series.names)),
        ("points", "log lines"),
        strict=True,
    )
    for is_wanted, oldest, what in kinds:
        if is_wanted and oldest is not None and oldest > max(since, begins) + LATE:
            yield f"rules that look at {what} see them from {moment(oldest)} on; the file has no older ones"
