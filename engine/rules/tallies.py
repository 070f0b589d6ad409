"""Running counts over what happened lately, kept up to date so that asking costs no walk through the past."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

MAX_ITEMS = 2_000
MAX_AGE = 86_400.0
BUCKETS = 720
"""Into how many parts a long count is divided: it forgets in steps of one part."""

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

    def long_shares(
        self, key: Hashable, met: Callable[[T], bool | None], now: float, spans: tuple[float, ...]
    ) -> dict[float, tuple[int, int]]:
        """As `share`, of each of some spans, of any length and number of items, exact to a 720th of it."""
        return self._tally((key, spans), LongShares, met, spans).counts(now)

    def begin_long(
        self,
        key: Hashable,
        met: Callable[[T], bool | None],
        spans: tuple[float, ...],
        parts: Sequence[tuple[float, int, int]],
    ) -> None:
        """Let the counts of `long_shares` begin with `parts`, in order: a time, and hits and total there."""
        tally = LongShares(met, spans)
        for at, hits, total in parts:
            tally.take(at, hits, total)
        newest = parts[-1][0] if parts else -math.inf
        for at, item in self._items():
            if at > newest:
                tally.add(item, at)
        self._tallies[(LongShares, (key, spans))] = tally

    def keep_long(self) -> None:
        """Forget all counts but those of `long_shares`, which reach further back than what is remembered."""
        self._tallies = {key: tally for key, tally in self._tallies.items() if isinstance(tally, LongShares)}

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


class LongShares(Generic[T]):
    """The same over days, of several spans: each item is asked once."""

    def __init__(self, met: Callable[[T], bool | None], spans: tuple[float, ...]) -> None:
        self._met = met
        self._shares = {span: _LongShare(span / BUCKETS) for span in spans}

    def add(self, item: T, at: float) -> None:
        verdict = self._met(item)
        if verdict is None:
            return
        for share in self._shares.values():
            share.add(verdict, at)

    def take(self, at: float, hits: int, total: int) -> None:
        """Count several items of about one time."""
        for share in self._shares.values() if total else ():
            share.take(at, hits, total)

    def counts(self, now: float) -> dict[float, tuple[int, int]]:
        """By span."""
        return {span: share.counts(now - span) for span, share in self._shares.items()}


class _LongShare:
    """One of them in parts, so many seconds wide: each its beginning, hits and total."""

    __slots__ = ("_hits", "_newest", "_parts", "_total", "_until", "_width")

    def __init__(self, width: float) -> None:
        self._width = width
        self._parts: deque[list[float]] = deque(maxlen=BUCKETS + 1)
        self._newest: list[float] = []
        self._until = -math.inf
        """When the newest part is over."""
        self._hits = 0
        self._total = 0

    def add(self, verdict: bool, at: float) -> None:
        if at >= self._until or not self._parts:
            if len(self._parts) > BUCKETS:
                self._forget()
            self._newest = [at, 0, 0]
            self._until = at + self._width
            self._parts.append(self._newest)
        self._newest[2] += 1
        self._total += 1
        if verdict:
            self._newest[1] += 1
            self._hits += 1

    def take(self, at: float, hits: int, total: int) -> None:
        self.add(False, at)
        self._newest[1] += hits
        self._newest[2] += total - 1
        self._hits += hits
        self._total += total - 1

    def counts(self, since: float) -> tuple[int, int]:
        parts = self._parts
        while parts and parts[0][0] < since:
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
    """The numbers of a span: in their order of time, sorted, and the sums of a straight line through them.

    The sums are kept from the first question for the line on. What leaves them leaves a rounding error, so
    that others are begun beside them: once all that was there before is gone, those take their place.
    """

    def __init__(self, number: Callable[[T], float | None], span: float) -> None:
        self._number = number
        self._span = min(span, MAX_AGE)
        self._entries: deque[tuple[float, float]] = deque()
        self._sorted: list[float] = []
        self._sums: _Sums | None = None
        self._next = _Sums(0.0)
        self._older = 0
        """Entries that the next sums do not have."""

    def add(self, item: T, at: float) -> None:
        value = self._number(item)
        if value is None:
            return
        self._entries.append((at, value))
        insort(self._sorted, value)
        if self._sums is not None:
            self._sums.count(at, value, 1.0)
            self._next.count(at, value, 1.0)
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
        if count < 2 or self._entries[0][0] == self._entries[-1][0]:
            return None
        if self._sums is None:
            self._sums = _Sums(self._entries[-1][0])
            for at, value in self._entries:
                self._sums.count(at, value, 1.0)
            self._begin_next()
        return self._sums.line(count, now)

    def _begin_next(self) -> None:
        self._next = _Sums(self._entries[-1][0])
        self._older = len(self._entries)

    def _drop(self) -> None:
        at, value = self._entries.popleft()
        del self._sorted[bisect_left(self._sorted, value)]
        if self._sums is None:
            return
        self._sums.count(at, value, -1.0)
        self._older -= 1
        if not self._entries:
            self._sums = None
        elif self._older == 0:
            self._sums = self._next
            self._begin_next()


class _Sums:
    """What a line of least squares is made of, with times in seconds since `origin`."""

    __slots__ = ("origin", "products", "squares", "times", "values")

    def __init__(self, origin: float) -> None:
        self.origin = origin
        self.times = self.values = self.squares = self.products = 0.0

    def count(self, at: float, value: float, sign: float) -> None:
        since = at - self.origin
        part = sign * since
        self.times += part
        self.values += sign * value
        self.squares += part * since
        self.products += part * value

    def line(self, count: int, now: float) -> tuple[float, float] | None:
        spread = count * self.squares - self.times * self.times
        if spread <= 0:
            return None
        slope = (count * self.products - self.times * self.values) / spread
        return (self.values - slope * self.times) / count + slope * (now - self.origin), slope
