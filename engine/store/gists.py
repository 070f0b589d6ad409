"""What the points of one series came to in one period, and how such are packed: some bytes for each.

Of up to 16 points the values themselves are kept, which then are exact but for being rounded to 24 bits
(those of counters are not). Of more, their sum and bounds are exact, and quantiles are within
`engine.telemetry.sketch.RELATIVE_ERROR`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence

from engine.store.tally import Spread

EXACT = 16
"""As many values of a period are kept one by one."""

_VERSION = 1
_CONDENSED = 0xFF
_DOUBLE = 0x80
_SINGLES = tuple(struct.Struct(f"<B{count}f") for count in range(EXACT + 1))
# Count; sum, least, greatest, first, last, growth; the length of the sketch.
_HEAD = struct.Struct("<QddddddH")
_MAX_BYTES = 1 << 22


class Gist:
    """Points of one period, in the order of time.

    `growth` is what a counter grew by between the first and the last of them; one that is below what it was
    began anew, at zero.
    """

    __slots__ = ("_sketches", "_values", "count", "first", "greatest", "growth", "last", "least", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = self.growth = 0.0
        self.least = self.greatest = self.first = self.last = 0.0
        self._values: Sequence[float] = ()
        self._sketches: Sequence[bytes] = ()

    @classmethod
    def of(cls, values: Sequence[float]) -> Gist:
        """The gist of values, of which there is at least one."""
        gist = cls()
        gist.count, gist.total = len(values), sum(values)
        gist.least, gist.greatest = min(values), max(values)
        before = gist.first = values[0]
        for value in values:
            gist.growth += growth(before, value)
            before = value
        gist.last = before
        gist._values = values
        return gist

    def append(self, later: Gist) -> None:
        """Count those of a later period, too."""
        if not later.count:
            return
        if self.count:
            self.growth += growth(self.last, later.first) + later.growth
            self.least, self.greatest = min(self.least, later.least), max(self.greatest, later.greatest)
        else:
            self.first, self.growth = later.first, later.growth
            self.least, self.greatest = later.least, later.greatest
        self.last = later.last
        self.count += later.count
        self.total += later.total
        self._values = (*self._values, *later._values)
        self._sketches = (*self._sketches, *later._sketches)

    def spread_into(self, spread: Spread) -> None:
        """Count the values in `spread`, for quantiles."""
        spread.add(self._values)
        for sketch in self._sketches:
            spread.add_sketch(sketch)

    def pack(self, is_counter: bool) -> bytes:
        """The gist to store."""
        if not self._sketches and len(self._values) <= EXACT:
            return _few(self._values, is_counter)
        spread = Spread()
        self.spread_into(spread)
        sketch = spread.to_bytes()
        numbers = self.count, self.total, self.least, self.greatest, self.first, self.last, self.growth
        return bytes((_CONDENSED,)) + _HEAD.pack(*numbers, len(sketch)) + sketch

    @classmethod
    def condensed(cls, numbers: Sequence[float], sketch: bytes) -> Gist:
        """What `pack` made of many values."""
        gist = cls()
        gist.count = int(numbers[0])
        gist.total, gist.least, gist.greatest, gist.first, gist.last, gist.growth = numbers[1:7]
        gist._sketches = (sketch,)
        return gist


def growth(before: float, value: float) -> float:
    """What a counter grew by, from one value to the next."""
    return value - before if value >= before else value


def packed(values: Sequence[float], is_counter: bool) -> bytes:
    """The gist of values, if there are any, as `Gist.pack` makes it; most are of a few, and take no gist."""
    return _few(values, is_counter) if len(values) <= EXACT else Gist.of(values).pack(is_counter)


def _few(values: Sequence[float], is_counter: bool) -> bytes:
    if not is_counter:
        try:
            return _SINGLES[len(values)].pack(len(values), *values)
        except OverflowError:
            pass  # too large for a single
    return struct.pack(f"<B{len(values)}d", _DOUBLE | len(values), *values)


def pack(parts: Iterable[tuple[int, Sequence[bytes]]], places: int) -> bytes:
    """The gists of the series of a layout, to store.

    Args:
        parts: by number (0–255) of a part of the period, the packed gist of each place.
        places: of the layout.
    """
    written = bytearray((places,))
    for number, gists in parts:
        written.append(number)
        written += b"".join(gists)
    return bytes((_VERSION,)) + zlib.compress(written, 1)


def unpack(packed: bytes, wanted: frozenset[int]) -> Iterator[tuple[int, int, Gist]]:
    """Number of the part, place and gist, of the places that are wanted and have points.

    Raises:
        ValueError: these bytes are none of `pack`'s.
    """
    if not packed or packed[0] != _VERSION:
        raise ValueError("these bytes are no roll-up of a known version")
    try:
        data = zlib.decompressobj().decompress(packed[1:], _MAX_BYTES)
        at, places = 1, data[0]
        while at < len(data):
            number = data[at]
            at += 1
            for place in range(places):
                kind = data[at]
                end = _end(data, at, kind)
                if place in wanted and kind & ~_DOUBLE:
                    yield number, place, _read(data, at + 1, end, kind)
                at = end
    except (zlib.error, struct.error, IndexError) as error:
        raise ValueError(f"these bytes are no roll-up: {error}") from None


def _end(data: bytes, at: int, kind: int) -> int:
    """Where a gist ends that begins at `at`."""
    if kind == _CONDENSED:
        return at + 1 + _HEAD.size + int(_HEAD.unpack_from(data, at + 1)[7])
    return at + 1 + (kind & ~_DOUBLE) * (8 if kind & _DOUBLE else 4)


def _read(data: bytes, at: int, end: int, kind: int) -> Gist:
    if kind == _CONDENSED:
        return Gist.condensed(_HEAD.unpack_from(data, at), data[at + _HEAD.size : end])
    form = f"<{kind & ~_DOUBLE}{'d' if kind & _DOUBLE else 'f'}"
    return Gist.of(struct.unpack_from(form, data, at))
