"""Whether something gets better or worse over a period, or only wavers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean

from engine.model import Direction, Trend

FLAT = 0.05
"""A change from one half to the other of at most this share is no trend, however certain it is."""
SIGNIFICANCE = 0.025
"""A slope that chance would give at least this often is no trend."""
AUTOCORRELATION = 0.3
"""Neighbouring values are taken to be at least this much alike: what made one bucket slow slows the next."""
FEWEST = 4
"""Values that each half must have."""

_NORMAL = NormalDist()


def trend(values: Sequence[float | None], *, more_is_better: bool = True) -> Trend:
    """The trend of a measure over equal buckets of time.

    It must pass two gates: the second half differs from the first by more than FLAT, and the slope of the
    line through the values is significant. Its t-test takes for noise what is left around the line or, after
    a jump, around the two halves, and counts fewer values than there are, as each says in part what the one
    before it said: n (1 - r) / (1 + r) of them, r the lag-1 autocorrelation of the noise, and at least
    AUTOCORRELATION. `make bench ONLY=trend` prints how often it is right.

    Args:
        values: one of each bucket, oldest first; None where nothing was measured.
        more_is_better: False for durations.
    """
    known = [
        (place, value) for place, value in enumerate(values) if value is not None and math.isfinite(value)
    ]
    middle = (len(values) - 1) / 2
    size = max((abs(value) for _, value in known), default=0.0) or 1.0
    # Scaled, so that no square of a finite number is infinite.
    first = [value / size for place, value in known if place < middle]
    second = [value / size for place, value in known if place > middle]
    if min(len(first), len(second)) < FEWEST:
        return Trend(Direction.STABLE, None, 1.0)
    before, after = fmean(first), fmean(second)
    change = (after - before) / abs(before) if before else None
    chance = _chance([place for place, _ in known], [value / size for _, value in known])
    is_flat = after == before or (change is not None and abs(change) <= FLAT)
    if is_flat or chance >= SIGNIFICANCE:
        return Trend(Direction.STABLE, change, chance)
    is_better = (after > before) is more_is_better
    return Trend(Direction.IMPROVING if is_better else Direction.DEGRADING, change, chance)


def _chance(places: Sequence[int], values: Sequence[float]) -> float:
    """The probability, 0–1, of a slope as steep or steeper where there is none."""
    count = len(values)
    centre, level = fmean(places), fmean(values)
    spread = math.fsum((place - centre) ** 2 for place in places)
    slope = math.fsum((p - centre) * (v - level) for p, v in zip(places, values, strict=True)) / spread
    line = [v - level - slope * (p - centre) for p, v in zip(places, values, strict=True)]
    half = count // 2
    levels = fmean(values[:half]), fmean(values[half:])
    halves = [value - levels[number >= half] for number, value in enumerate(values)]
    # A jump is no line: what is left around the line would tell of the jump, not of the noise.
    rests = min((line, halves), key=_squares)
    residue = _squares(rests)
    if not residue:
        return 0.0 if slope else 1.0
    shared = min(max(_autocorrelation(rests, residue), AUTOCORRELATION), 0.9)
    inflation = (1 + shared) / (1 - shared)
    error = math.sqrt(residue / (count - 2) / spread * inflation)
    return _t_tails(slope / error, max(count / inflation - 2, 1.0))


def _squares(rests: Sequence[float]) -> float:
    return math.fsum(rest * rest for rest in rests)


def _autocorrelation(rests: Sequence[float], squares: float) -> float:
    """Of lag 1, with the correction for its bias in short series (Marriott and Pope 1954)."""
    raw = math.fsum(map(float.__mul__, rests, rests[1:])) / squares
    return raw + (1 + 4 * raw) / len(rests)


def _t_tails(t: float, freedom: float) -> float:
    """Both tails of Student's t beyond ±`t`, by Wallace's normal approximation (1959)."""
    z = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
    return 2 * _NORMAL.cdf(-z)
