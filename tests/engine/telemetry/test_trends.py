"""What is a trend, and what only wavers."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import bench_trend
from engine.model import Direction
from engine.telemetry.trends import trend

WAVER = (0.0, 0.02, -0.02, 0.01, -0.01, 0.03)


def wavering(levels: Sequence[float]) -> list[float]:
    return [level * (1 + WAVER[place % len(WAVER)]) for place, level in enumerate(levels)]


def test_a_jump_is_a_trend_in_the_direction_that_counts() -> None:
    jumped = wavering([1.0] * 12 + [1.3] * 12)
    slower = trend(jumped, more_is_better=False)
    assert slower.direction is Direction.DEGRADING
    assert slower.change == pytest.approx(0.3)
    assert slower.chance < 0.001
    assert trend(jumped).direction is Direction.IMPROVING
    assert trend(jumped[::-1]).direction is Direction.DEGRADING


def test_a_certain_but_small_change_is_none() -> None:
    small = trend(wavering([1.0] * 48 + [1.049] * 48))
    assert (small.direction, small.chance < 0.001) == (Direction.STABLE, True)
    assert trend(wavering([1.0] * 48 + [1.051] * 48)).direction is Direction.IMPROVING


def test_a_large_but_uncertain_change_is_none() -> None:
    spiked = trend([1.0] * 23 + [9.0])
    assert spiked.direction is Direction.STABLE
    assert spiked.change == pytest.approx(8 / 12)


def test_gaps_keep_the_others_in_their_place() -> None:
    late = trend([1.0] * 4 + [None] * 16 + [0.7] * 4)
    assert late.direction is Direction.DEGRADING
    assert late.change == pytest.approx(-0.3)
    early = trend([1.0] * 4 + [0.7] * 4 + [None, math.nan, math.inf] * 5)
    assert (early.direction, early.change, early.chance) == (Direction.STABLE, None, 1.0)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0] * 24, [0.1] * 24])
def test_what_is_too_little_or_the_same_is_stable(values: list[float]) -> None:
    assert trend(values).direction is Direction.STABLE


def test_from_nothing_there_is_no_share_of_change() -> None:
    begun = trend([0.0] * 12 + [5.0] * 12)
    assert (begun.direction, begun.change) == (Direction.IMPROVING, None)


@pytest.mark.parametrize("noise", bench_trend.NOISES)
@pytest.mark.parametrize("count", [12, 48])
def test_noise_is_stable(noise: str, count: int) -> None:
    said = bench_trend.directions("none", noise, count, 0.4)
    assert said[Direction.STABLE] >= 0.95 * said.total()


def test_a_real_change_is_found() -> None:
    said = bench_trend.directions("ramp +30 %", "lognormal", 48, 0.1)
    assert said[Direction.DEGRADING] >= 0.9 * said.total()


VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.none(), max_size=40)


@given(values=VALUES)
def test_any_values_have_a_trend(values: list[float | None]) -> None:
    found = trend(values)
    assert 0.0 <= found.chance <= 1.0
    assert found.change is None or math.isfinite(found.change)


@given(seed=st.integers(0, 999), power=st.integers(-300, 300))
def test_the_unit_does_not_matter(seed: int, power: int) -> None:
    rng = random.Random(seed)
    values = [rng.lognormvariate(0, 0.2) * (1 + place / 20) for place in range(24)]
    scaled = trend([value * 2.0**power for value in values])
    assert scaled == trend(values)
    assert trend([-value for value in values], more_is_better=False).direction is scaled.direction
