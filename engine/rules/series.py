"""The newest points of the series that rules name, and whom a rule about series concerns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from math import isfinite

from engine.model import Point
from engine.rules.tallies import MAX_AGE, MAX_ITEMS, Tallied
from engine.text import plain

PREFIX = "series."
MAX_SERIES = 1_000

Pairs = tuple[tuple[str, str], ...]
"""Labels of a series, sorted."""

Wanted = tuple[str, Pairs]
"""The name of a series without its prefix, and the labels that a condition asks for."""


class SeriesWindow(Tallied[float]):
    """At most 2,000 points of one series, as far back as rules look; one that comes late is passed over."""

    def __init__(self, labels: Pairs, reach: float = MAX_AGE) -> None:
        super().__init__()
        self.labels = labels
        self._reach = min(reach, MAX_AGE)
        self._points: deque[tuple[float, float]] = deque(maxlen=MAX_ITEMS)

    def add(self, at: float, value: float) -> None:
        """Take in a point; `at` is in seconds since the epoch."""
        points = self._points
        if points and at < points[-1][0]:
            return
        points.append((at, value))
        while points[0][0] < at - self._reach:
            points.popleft()
        self._tell(value, at)

    @property
    def at(self) -> float:
        """When the newest point was; there is always one."""
        return self._points[-1][0]

    @property
    def value(self) -> float:
        """The newest point's."""
        return self._points[-1][1]

    def _items(self) -> Iterable[tuple[float, float]]:
        return self._points


class SeriesBook:
    """Points of the series that rules want, at most 1,000 series: of more, those that are quiet longest go.

    Args:
        names: without their prefix; points of others are not kept.
        reach: seconds that anybody will ask back.
    """

    def __init__(self, names: Iterable[str], reach: float) -> None:
        self._kept: dict[str, dict[Pairs, SeriesWindow]] = {name: {} for name in names}
        self._reach = reach
        self._found: dict[tuple[str, Pairs, Pairs], tuple[SeriesWindow, ...]] = {}
        self._subjects: dict[tuple[Wanted, ...], dict[str, Pairs]] = {}
        self._count = 0
        self.dropped = 0
        """Series that went because there were too many."""

    @property
    def names(self) -> Iterable[str]:
        """Those of the series that are wanted, without their prefix."""
        return self._kept

    def add(self, points: Iterable[Point]) -> None:
        """Take in points that are wanted; a value that is no finite number is passed over."""
        for point in points:
            kept = self._kept.get(point.name)
            if kept is None or not isfinite(point.value):
                continue
            series = kept.get(point.labels)
            if series is None:
                series = self._begin(point.name, point.labels)
            series.add(point.at, point.value)

    def find(self, name: str, wanted: Pairs, subject: Pairs) -> SeriesWindow | None:
        """The series with the `wanted` labels that says nothing else of the subject; of several the newest.

        Args:
            subject: labels; those that a series has, too, must be the same there.
        """
        key = (name, wanted, subject)
        found = self._found.get(key)
        if found is None:
            has = dict((*subject, *wanted))
            found = self._found[key] = tuple(
                series
                for labels, series in self._kept.get(name, {}).items()
                if _includes(labels, wanted) and all(has.get(label, text) == text for label, text in labels)
            )
        return max(found, key=lambda series: series.at) if found else None

    def subjects(self, wanted: tuple[Wanted, ...]) -> Mapping[str, Pairs]:
        """Whom a rule about series concerns: each combination of the labels that it leaves open.

        Before there is such a series that is its name alone.
        """
        known = self._subjects.get(wanted)
        if known is None:
            known = self._subjects[wanted] = {}
            for name, labels in wanted:
                for has in self._kept.get(name, {}):
                    if _includes(has, labels):
                        open_ = tuple(pair for pair in has if pair not in labels)
                        known[_words(open_) or name] = open_
            if not known:
                known[wanted[0][0]] = ()
        return known

    def take_over(self, before: SeriesBook) -> None:
        """Go on with the points of another, of the series that are wanted here, too."""
        for name in self._kept.keys() & before._kept.keys():
            self._kept[name] = before._kept[name]
            self._count += len(self._kept[name])
        self.dropped = before.dropped

    def _begin(self, name: str, labels: Pairs) -> SeriesWindow:
        if self._count == MAX_SERIES:
            _, quietest, place = min(
                (series.at, has, place) for place, kept in self._kept.items() for has, series in kept.items()
            )
            del self._kept[place][quietest]
            self._count -= 1
            self.dropped += 1
        self._count += 1
        self._found.clear()
        self._subjects.clear()
        series = self._kept[name][labels] = SeriesWindow(labels, self._reach)
        return series


def pairs(labels: Mapping[str, str]) -> Pairs:
    """Labels as a series has them."""
    return tuple(sorted(labels.items()))


def _includes(labels: Pairs, wanted: Pairs) -> bool:
    return all(pair in labels for pair in wanted)


def _words(labels: Pairs) -> str:
    return plain(", ".join(f"{name}={text}" for name, text in labels), 200)
