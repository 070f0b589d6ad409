"""The laws of the quantile sketch."""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.telemetry.sketch import LARGEST, RELATIVE_ERROR, SMALLEST, Sketch

SIZES = st.floats(SMALLEST, LARGEST)
VALUES = st.one_of(SIZES, SIZES.map(lambda size: -size), st.just(0.0), st.sampled_from([1.0, 2.0, 0.25]))
ANY = st.lists(st.one_of(VALUES, st.floats()), max_size=50)
SHARES = (0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0)


def merged(*sketches: Sketch) -> Sketch:
    whole = Sketch()
    for sketch in sketches:
        whole.merge(sketch)
    return whole


def exact(values: Iterable[float], share: float) -> tuple[float, float]:
    """The percentile, and by how much a sketch may miss it."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    part = place - math.floor(place)
    return low + (high - low) * part, RELATIVE_ERROR * (abs(low) * (1 - part) + abs(high) * part)


@given(values=st.lists(VALUES, min_size=1, max_size=200), share=st.floats(0, 1))
def test_a_quantile_is_within_its_error(values: list[float], share: float) -> None:
    expected, error = exact(values, share)
    # Beside the promised error only that of the arithmetic with the largest value there is.
    allowed = error * (1 + 1e-9) + 1e-15 * max(map(abs, values))
    assert Sketch(values).quantile(share) == pytest.approx(expected, abs=allowed, rel=0)


@given(ANY)
def test_counting_many_at_once_is_counting_them_one_by_one(values: list[float]) -> None:
    one_by_one = Sketch()
    for value in values:
        one_by_one.add(value)
    assert Sketch(values) == one_by_one


@given(one=ANY, two=ANY, three=ANY)
def test_merging_is_counting_together_in_any_order(
    one: list[float], two: list[float], three: list[float]
) -> None:
    whole = Sketch(one + two + three)
    a, b, c = Sketch(one), Sketch(two), Sketch(three)
    assert merged(a, b, c) == merged(merged(c, a), b) == merged(a, merged(b, c)) == whole
    assert (a, b, c) == (Sketch(one), Sketch(two), Sketch(three))


@given(st.lists(ANY, max_size=6), ANY)
def test_stored_sketches_are_merged_as_others_are(parts: list[list[float]], here: list[float]) -> None:
    sketch = Sketch(here)
    sketch.merge_stored([Sketch(part).to_bytes() for part in parts])
    assert sketch == merged(Sketch(here), *map(Sketch, parts))


def test_a_broken_one_among_stored_sketches_leaves_all_uncounted() -> None:
    sketch = Sketch([1.0])
    with pytest.raises(ValueError, match="no sketch"):
        sketch.merge_stored([Sketch([2.0]).to_bytes(), b"\x01\x00no"])
    assert sketch == Sketch([1.0])


@given(values=ANY)
def test_bytes_are_read_back(values: list[float]) -> None:
    sketch = Sketch(values)
    assert Sketch.from_bytes(sketch.to_bytes()) == sketch


@pytest.mark.parametrize("rounds", [8, 16, 33])
def test_large_counts_are_read_back(rounds: int) -> None:
    sketch = Sketch([0.1, 0.2])
    for _ in range(rounds):
        sketch.merge(Sketch.from_bytes(sketch.to_bytes()))
    assert len(Sketch.from_bytes(sketch.to_bytes())) == 2 << rounds


def test_what_has_no_size_has_no_rank() -> None:
    sketch = Sketch([math.nan, math.inf, -math.inf, 3.0])
    assert (len(sketch), sketch.undefined) == (1, 3)
    assert sketch.quantile(0.0) == pytest.approx(3.0, rel=RELATIVE_ERROR)
    assert Sketch([math.nan]).quantile(0.5) is None


def test_values_beyond_the_range() -> None:
    assert Sketch([1e-10, -1e-300]).quantile(1.0) == 0.0
    assert Sketch([1e300]).quantile(1.0) == pytest.approx(LARGEST, rel=RELATIVE_ERROR)


def test_a_month_of_days_is_as_good_as_its_values() -> None:
    rng = random.Random(3)
    days = [[rng.lognormvariate(-2, 0.5) for _ in range(1000)] for _ in range(30)]
    month = merged(*map(Sketch, days))
    values = [value for day in days for value in day]
    for share in SHARES:
        expected, error = exact(values, share)
        assert month.quantile(share) == pytest.approx(expected, abs=error)
    assert len(month.to_bytes()) < 600


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x01", b"\x02\x00" + zlib.compress(b""), b"\x01\x04", b"\x01\x00x",
        b"\x01\x00" + zlib.compress(b"x"),
        b"\x01\x01" + zlib.compress(bytes(25)), Sketch([1.0, 2.0]).to_bytes()[:-1],
        b"\x01\x00" + zlib.compress(bytes(30)), b"\x01\x00" + zlib.compress(bytes(10_000_000)),
    ],
)  # fmt: skip
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        Sketch.from_bytes(data)


@given(data=st.binary(max_size=60))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    with pytest.raises(ValueError):
        Sketch.from_bytes(data)
    with pytest.raises(ValueError):
        Sketch.from_bytes(b"\x01\x00" + data)
