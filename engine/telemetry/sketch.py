"""A quantile sketch: what the percentiles of many values were, in some hundred bytes, and mergeable.

The law is DDSketch's (Masson, Rim and Lee 2019): values are counted in bins whose borders grow by a constant
factor, so that whatever a bin stands for is wrong by a bounded share, however sketches were merged. The bins
are kept dense, from the first to the last that has counts, and deflated: that is smaller and merges several
times faster than pairs of bin and count, and both are far below the ddsketch package, which stores a bin in
eight bytes and needs protobuf; t-digests (fastdigest) give no bound, and lose 15 % at the tail in merging.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import add

RELATIVE_ERROR = 0.01
"""The share by which a quantile may differ from the exact one."""
SMALLEST = 1e-9
"""Values nearer to zero count as zero: a nanosecond, for durations in seconds."""
LARGEST = 1e21
"""Values further from zero count as this."""

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)
_MIDDLE = 2 / (_GAMMA + 1)
_FIRST, _LAST = (math.ceil(math.log(end) / _LOG_GAMMA) for end in (SMALLEST, LARGEST))
_VERSION = 1
# Undefined and zero values; first bin and number of bins, of the positive and the negative values.
_HEAD = struct.Struct("<QQhHhH")
_WIDTHS = ("B", "H", "I", "Q")
_LANE = 8
_MAX_BYTES = _HEAD.size + 2 * 8 * (_LAST - _FIRST + 1)


class _Bins:
    """Counts of neighbouring bins; the first and the last one are never empty."""

    __slots__ = ("counts", "first")

    def __init__(self, first: int = 0, counts: list[int] | None = None) -> None:
        self.first = first
        self.counts: list[int] = counts or []

    def count(self, index: int) -> None:
        self._reach(index, index + 1)
        self.counts[index - self.first] += 1

    def merge(self, first: int, counts: Sequence[int]) -> None:
        """Add the counts of neighbouring bins, the first of which is `first`."""
        if counts:
            self._reach(first, first + len(counts))
            start = first - self.first
            end = start + len(counts)
            self.counts[start:end] = map(add, self.counts[start:end], counts)

    def _reach(self, first: int, end: int) -> None:
        """Have places for the bins from `first` up to `end`."""
        if not self.counts:
            self.first = first
        elif first < self.first:
            self.counts[:0] = [0] * (self.first - first)
            self.first = first
        missing = end - self.first - len(self.counts)
        if missing > 0:
            self.counts += [0] * missing


class _Lanes:
    """Counts of neighbouring bins as the bytes of one integer: adding two costs a third of adding lists."""

    __slots__ = ("_end", "_total", "first")

    def __init__(self) -> None:
        self.first = self._end = self._total = 0

    def add(self, first: int, packed: bytes, width: int) -> None:
        """Add counts of `width` bytes each, the least significant first, from the bin `first` on."""
        if not packed:
            return
        count = len(packed) // width
        spread = bytearray(_LANE * count)
        for place in range(width):
            spread[place::_LANE] = packed[place::width]
        total = int.from_bytes(spread, "little")
        if not self._total:
            self.first, self._end, self._total = first, first + count, total
            return
        if first < self.first:
            self._total <<= (self.first - first) * _LANE * 8
            self.first = first
        self._total += total << (first - self.first) * _LANE * 8
        self._end = max(self._end, first + count)

    def counts(self) -> list[int]:
        """The counts of the bins from `first` on."""
        lanes = array("Q", self._total.to_bytes((self._end - self.first) * _LANE, "little"))
        if sys.byteorder == "big":
            lanes.byteswap()
        return lanes.tolist()


class Sketch:
    """Counts of values by size. NaN and infinities are counted apart, in `undefined`, and have no rank."""

    __slots__ = ("_above", "_below", "_zeros", "undefined")

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._above = _Bins()
        self._below = _Bins()
        self._zeros = 0
        self.undefined = 0
        self.add_all(values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sketch) and self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        """How many values have a rank."""
        return sum(self._above.counts) + sum(self._below.counts) + self._zeros

    def add(self, value: float) -> None:
        """Count one value."""
        size = abs(value)
        if SMALLEST <= size <= sys.float_info.max:
            index = math.ceil(math.log(min(size, LARGEST)) / _LOG_GAMMA)
            (self._above if value > 0 else self._below).count(index)
        elif size < SMALLEST:
            self._zeros += 1
        else:
            self.undefined += 1

    def add_all(self, values: Iterable[float]) -> None:
        """Count values, three times faster than one by one."""
        values = list(values)
        usual = [value for value in values if SMALLEST <= value <= LARGEST]
        if usual:
            counts = Counter([math.ceil(math.log(value) / _LOG_GAMMA) for value in usual])
            first = min(counts)
            self._above.merge(first, [counts[index] for index in range(first, max(counts) + 1)])
        if len(usual) < len(values):
            for value in values:
                if not SMALLEST <= value <= LARGEST:
                    self.add(value)

    def merge(self, other: Sketch) -> None:
        """Count all that `other` has counted; the order of merges makes no difference."""
        self._above.merge(other._above.first, other._above.counts)
        self._below.merge(other._below.first, other._below.counts)
        self._zeros += other._zeros
        self.undefined += other.undefined

    def quantile(self, share: float) -> float | None:
        """The value below which `share` (0–1) of the values lie, interpolated; None when empty.

        Each of the two values that it lies between is within RELATIVE_ERROR of the exact one.
        """
        total = len(self)
        if not total:
            return None
        place = min(max(share, 0.0), 1.0) * (total - 1)
        low = self._at(math.floor(place))
        return low + (self._at(math.ceil(place)) - low) * (place - math.floor(place))

    def _at(self, place: int) -> float:
        """The value at that place, from 0, in ascending order."""
        below = sum(self._below.counts)
        if place < below:
            # The larger the bin the smaller the value: counted from the other end.
            return -_value(self._below, below - place)
        rank = place - below - self._zeros + 1
        return _value(self._above, rank) if rank > 0 else 0.0

    def to_bytes(self) -> bytes:
        """The sketch to store; `from_bytes` reads it back, also in later versions."""
        above, below = self._above, self._below
        counts = above.counts + below.counts
        width = next(place for place in range(4) if max(counts, default=0) < 1 << (8 << place))
        packed = array(_WIDTHS[width], counts)
        if sys.byteorder == "big":
            packed.byteswap()
        head = (self.undefined, self._zeros, above.first, len(above.counts), below.first, len(below.counts))
        return bytes((_VERSION, width)) + zlib.compress(_HEAD.pack(*head) + packed.tobytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Sketch:
        """The sketch that was stored. Raises ValueError for bytes that are none, or of a newer version."""
        sketch = cls()
        sketch.merge_stored((data,))
        return sketch

    def merge_stored(self, stored: Iterable[bytes]) -> None:
        """Count all that stored sketches have counted, faster than one by one.

        Raises:
            ValueError: as `from_bytes` does; nothing has been counted then.
        """
        above, below = _Lanes(), _Lanes()
        undefined = zeros = 0
        for data in stored:
            head, packed, width = _parsed(data)
            undefined += head[0]
            zeros += head[1]
            first, length, below_first, below_length = head[2:]
            border = length * width
            above.add(first, packed[:border] if below_length else packed, width)
            if below_length:
                below.add(below_first, packed[border:], width)
        self.undefined += undefined
        self._zeros += zeros
        self._above.merge(above.first, above.counts())
        self._below.merge(below.first, below.counts())

    def _parts(self) -> tuple[object, ...]:
        above, below = self._above, self._below
        return self.undefined, self._zeros, above.first, above.counts, below.first, below.counts


def _value(bins: _Bins, rank: int) -> float:
    """What the bin of the value of that rank (from 1) stands for: equally wrong at both of its borders."""
    place = bisect_left(list(accumulate(bins.counts)), rank)
    return math.exp((bins.first + place) * _LOG_GAMMA) * _MIDDLE


def _parsed(data: bytes) -> tuple[tuple[int, ...], bytes, int]:
    """The head of a stored sketch, its counts one after the other, and how many bytes each of them takes."""
    if len(data) < 2 or data[0] != _VERSION or data[1] >= len(_WIDTHS):
        raise ValueError("these bytes are no sketch of a known version")
    width = 1 << data[1]
    try:
        inflating = zlib.decompressobj()
        raw = inflating.decompress(data[2:], _MAX_BYTES)
        head = _HEAD.unpack_from(raw)
    except (zlib.error, struct.error) as error:
        raise ValueError(f"these bytes are no sketch: {error}") from None
    packed = raw[_HEAD.size :]
    if not inflating.eof or len(packed) != (head[3] + head[5]) * width:
        raise ValueError("these bytes are no whole sketch")
    return head, packed, width
