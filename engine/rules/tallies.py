"""Running counts over what happened lately, kept up to date so that asking costs no walk through the past."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import mul
from typing import Any, Generic, Protocol, TypeVar

MAX_ITEMS = 2_000
MAX_AGE = 86_400.0
BUCKETS = 720
"""Into how many parts a long count is divided: it forgets in steps of one part."""
_REFRESH = 1_024
"""Changes after which sums are made anew, so that rounding errors do not add up."""

T = TypeVar("T")
_In = TypeVar("_In", contravariant=True)


class Tally(Protocol[_In]):
    """Takes in one item after the other, in the order of their times."""

    def add(self, item: _In, at: float) -> None: ...


_T = TypeVar("_T", bound=Tally[Any])


class Tallied(Generic[T]):
    """Remembered items that can be asked for counts; a tally is kept from the first question on.

    `key` names `met` or `number` in every question: equal keys must mean equal functions.
    """

    def __init__(self) -> None:
        self._tallies: dict[Hashable, Tally[T]] = {}

    def _items(self) -> Iterable[tuple[float, T]]:
        """What is remembered with its times, oldest first."""
        raise NotImplementedError

    def _tell(self, item: T, at: float) -> None:
        for tally in self._tallies.values():
            tally.add(item, at)

    def _tally(self, key: Hashable, kind: type[_T], *arguments: Any) -> _T:
        tally = self._tallies.get((kind, key))
        if tally is None:
            tally = self._tallies[(kind, key)] = kind(*arguments)
            for at, item in self._items():
                tally.add(item, at)
        assert isinstance(tally, kind)
        return tally

    def share(
        self, key: Hashable, met: Callable[[T], bool | None], now: float, span: float
    ) -> tuple[int, int]:
        """How many items of the last `span` seconds met something, out of how many that could tell.

        Args:
            met: True, False, or None for an item that does not count.
        """
        return self._tally((key, span), Share, met, span).counts(now - span)

    def long_share(
        self, key: Hashable, met: Callable[[T], bool | None], now: float, span: float
    ) -> tuple[int, int]:
        """As `share`, of any span and number of items, exact to a 720th of the span."""
        return self._tally((key, span), LongShare, met, span).counts(now - span)

    def last(self, key: Hashable, met: Callable[[T], bool | None], number: int) -> tuple[int, int]:
        """How many of the last `number` items that could tell met something, out of how many there were."""
        return self._tally((key, number), Last, met, number).counts()

    def numbers(
        self, key: Hashable, number: Callable[[T], float | None], now: float, span: float
    ) -> Numbers[T]:
        """The numbers of the last `span` seconds."""
        numbers = self._tally((key, span), Numbers, number, span)
        numbers.forget(now - span)
        return numbers


class Share(Generic[T]):
    """A count of the items of a span that met something.

    An entry is when an item was, below zero when it did not meet it.
    """

    def __init__(self, met: Callable[[T], bool | None], span: float) -> None:
        self._met = met
        self._span = min(span, MAX_AGE)
        self._entries: deque[float] = deque()
        self._hits = 0

    def add(self, item: T, at: float) -> None:
        verdict = self._met(item)
        if verdict is None:
            return
        self._entries.append(at if verdict else -at)
        self._hits += verdict
        oldest = at - self._span
        while len(self._entries) > MAX_ITEMS or abs(self._entries[0]) < oldest:
            self._forget()

    def counts(self, since: float) -> tuple[int, int]:
        while self._entries and abs(self._entries[0]) < since:
            self._forget()
        return self._hits, len(self._entries)

    def _forget(self) -> None:
        self._hits -= self._entries.popleft() > 0


class LongShare(Generic[T]):
    """The same over days, in parts: each its beginning, hits and total."""

    def __init__(self, met: Callable[[T], bool | None], span: float) -> None:
        self._met = met
        self._width = span / BUCKETS
        self._parts: deque[list[float]] = deque(maxlen=BUCKETS + 1)
        self._hits = 0
        self._total = 0

    def add(self, item: T, at: float) -> None:
        verdict = self._met(item)
        if verdict is None:
            return
        parts = self._parts
        if not parts or at >= parts[-1][0] + self._width:
            if len(parts) == parts.maxlen:
                self._forget()
            parts.append([at, 0, 0])
        parts[-1][1] += verdict
        parts[-1][2] += 1
        self._hits += verdict
        self._total += 1

    def counts(self, since: float) -> tuple[int, int]:
        while self._parts and self._parts[0][0] < since:
            self._forget()
        return self._hits, self._total

    def _forget(self) -> None:
        _, hits, total = self._parts.popleft()
        self._hits -= int(hits)
        self._total -= int(total)


class Last(Generic[T]):
    """A count over a number of items, however old."""

    def __init__(self, met: Callable[[T], bool | None], number: int) -> None:
        self._met = met
        self._verdicts: deque[bool] = deque(maxlen=number)
        self._hits = 0

    def add(self, item: T, at: float) -> None:
        verdict = self._met(item)
        if verdict is None:
            return
        if len(self._verdicts) == self._verdicts.maxlen:
            self._hits -= self._verdicts[0]
        self._verdicts.append(verdict)
        self._hits += verdict

    def counts(self) -> tuple[int, int]:
        return self._hits, len(self._verdicts)


class Numbers(Generic[T]):
    """The numbers of a span: in their order of time, sorted, and the sums of a straight line through them."""

    def __init__(self, number: Callable[[T], float | None], span: float) -> None:
        self._number = number
        self._span = min(span, MAX_AGE)
        self._entries: deque[tuple[float, float]] = deque()
        self._sorted: list[float] = []
        self._origin = 0.0
        self._changes = _REFRESH
        self._sums = [0.0, 0.0, 0.0, 0.0]

    def add(self, item: T, at: float) -> None:
        value = self._number(item)
        if value is None:
            return
        self._entries.append((at, value))
        insort(self._sorted, value)
        self._count(at, value, 1.0)
        self.forget(at - self._span)
        if len(self._entries) > MAX_ITEMS:
            self._drop()

    def forget(self, since: float) -> None:
        """Leave out what is older than `since`."""
        while self._entries and self._entries[0][0] < since:
            self._drop()

    @property
    def in_order(self) -> Sequence[float]:
        """By value, the lowest first."""
        return self._sorted

    @property
    def delta(self) -> float | None:
        """The newest minus the oldest, None below two."""
        return self._entries[-1][1] - self._entries[0][1] if len(self._entries) > 1 else None

    def line(self, now: float) -> tuple[float, float] | None:
        """Height at `now` and slope per second of the line of least squares; None where there is none."""
        count = len(self._entries)
        if count < 2:
            return None
        if self._changes >= _REFRESH:
            self._sum_up()
        times, values, squares, products = self._sums
        spread = count * squares - times * times
        if spread <= 0 or self._entries[0][0] == self._entries[-1][0]:
            return None
        slope = (count * products - times * values) / spread
        return (values - slope * times) / count + slope * (now - self._origin), slope

    def _drop(self) -> None:
        at, value = self._entries.popleft()
        del self._sorted[bisect_left(self._sorted, value)]
        self._count(at, value, -1.0)

    def _count(self, at: float, value: float, sign: float) -> None:
        self._changes += 1
        if self._changes >= _REFRESH:
            return
        since = at - self._origin
        sums = self._sums
        sums[0] += sign * since
        sums[1] += sign * value
        sums[2] += sign * since * since
        sums[3] += sign * since * value

    def _sum_up(self) -> None:
        """Count from the middle of the span, where the sums lose least."""
        origin = self._origin = (self._entries[0][0] + self._entries[-1][0]) / 2
        times = [at - origin for at, _ in self._entries]
        values = [value for _, value in self._entries]
        squares, products = map(mul, times, times), map(mul, times, values)
        self._sums = [sum(times), sum(values), sum(squares), sum(products)]
        self._changes = 0
