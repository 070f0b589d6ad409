"""Running counts are what a walk through the past would find, whenever they are asked."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.rules.series import SeriesWindow
from engine.rules.tallies import BUCKETS, MAX_ITEMS
from tests.effort import tried
from tests.engine.rules.build import START

steps = st.lists(st.tuples(st.floats(0, 50), st.floats(-1e6, 1e6)), min_size=1, max_size=60)
"""Seconds since the last point, and its value."""


def high(value: float) -> bool | None:
    return None if 0 < value < 10 else value > 0


def series(
    points: list[tuple[float, float]], asked_after: int
) -> tuple[SeriesWindow, list[tuple[float, float]]]:
    """A series that is asked for counts when it has so many points, and then gets the others."""
    window, at, told = SeriesWindow(()), START, []
    for number, (step, value) in enumerate(points):
        at += step
        window.add(at, value)
        told.append((at, value))
        if number == asked_after:
            window.share("high", high, at, 60)
            window.long_shares("high", high, at, (60, 20))
            window.last("high", high, 7)
            window.numbers("value", float, at, 60).line(at)
    return window, told


@given(points=steps, asked_after=st.integers(0, 60), later=st.floats(0, 100))
@settings(max_examples=tried(80, 400), deadline=None)
def test_counts(points: list[tuple[float, float]], asked_after: int, later: float) -> None:
    window, told = series(points, asked_after)
    now = told[-1][0] + later
    recent = [value for at, value in told if at >= now - 60]
    verdicts = [high(value) for value in recent if high(value) is not None]
    assert window.share("high", high, now, 60) == (sum(map(bool, verdicts)), len(verdicts))
    last = [high(value) for _, value in told if high(value) is not None][-7:]
    assert window.last("high", high, 7) == (sum(map(bool, last)), len(last))
    numbers = window.numbers("value", float, now, 60)
    assert list(numbers.in_order) == sorted(recent)
    assert numbers.delta == (recent[-1] - recent[0] if len(recent) > 1 else None)


@given(points=steps, asked_after=st.integers(0, 60), later=st.floats(0, 100))
@settings(max_examples=tried(80, 400), deadline=None)
def test_a_long_count_is_exact_to_a_part(
    points: list[tuple[float, float]], asked_after: int, later: float
) -> None:
    window, told = series(points, asked_after)
    now = told[-1][0] + later
    counted = [at for at, value in told if high(value) is not None]
    for span, (hits, total) in window.long_shares("high", high, now, (60, 20)).items():
        assert sum(at >= now - span + span / BUCKETS for at in counted) <= total
        assert total <= sum(at >= now - span for at in counted)
        assert 0 <= hits <= total


@given(points=steps, asked_after=st.integers(0, 60))
@settings(max_examples=tried(80, 400), deadline=None)
def test_the_line_of_least_squares(points: list[tuple[float, float]], asked_after: int) -> None:
    window, told = series(points, asked_after)
    now = told[-1][0]
    recent = [(at - now, value) for at, value in told if at >= now - 60]
    line = window.numbers("value", float, now, 60).line(now)
    times = [at for at, _ in recent]
    if len(set(times)) < 2 or statistics.pstdev(times) < 1e-3:
        return
    wanted = statistics.linear_regression(times, [value for _, value in recent])
    assert line is not None
    assert math.isclose(line[1], wanted.slope, rel_tol=1e-4, abs_tol=1e-2)


def test_a_line_through_many_points_does_not_wander() -> None:
    window = SeriesWindow(())
    for number in range(50_000):
        window.add(START + number * 30, 5 + number / 120)
        if number == 10:
            window.numbers("value", float, START + number * 30, 21_600)
    now = START + 49_999 * 30
    line = window.numbers("value", float, now, 21_600).line(now)
    assert line is not None
    assert line[0] == pytest.approx(5 + 49_999 / 120, rel=1e-9)
    assert line[1] * 3600 == pytest.approx(1.0, rel=1e-6)


def test_what_is_kept_is_bounded() -> None:
    window = SeriesWindow(())
    for number in range(3 * MAX_ITEMS):
        window.add(START + number * 0.01, 1.0)
        window.numbers("value", float, START, 3600)
    assert len(window.numbers("value", float, START, 3600).in_order) == MAX_ITEMS
    assert window.share("high", high, START, 3600)[1] == 0
    assert window.share("any", lambda value: True, START, 3600) == (MAX_ITEMS, MAX_ITEMS)


def test_a_late_point_is_passed_over() -> None:
    window = SeriesWindow(())
    window.add(START + 10, 1.0)
    window.add(START + 5, 9.0)
    assert (window.at, window.value) == (START + 10, 1.0)
