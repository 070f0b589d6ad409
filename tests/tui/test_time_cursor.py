"""The time cursor alone, and what people type for a moment."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.state import range_over
from tui.time_cursor import LIVE, TimeCursor, alert_number, held, moment_of, range_of

NOW = datetime(2026, 11, 21, 16, 0, tzinfo=UTC).timestamp()


@given(st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_no_step_leads_into_the_future(steps: list[float]) -> None:
    cursor = LIVE
    for seconds in steps:
        before = NOW if cursor.at is None else cursor.at
        cursor = cursor.step(seconds, NOW)
        if cursor.at is None:
            assert before + seconds >= NOW
        else:
            assert cursor.is_past
            assert cursor.at == before + seconds < NOW


@given(st.floats(1, 1e6), st.sampled_from([1, 10, 60]), st.floats(0.1, 100))
def test_playing_goes_on_at_its_pace_until_now(ago: float, speed: int, watched: float) -> None:
    played = TimeCursor(NOW - ago, True, speed).played(watched, NOW)
    if ago > watched * speed:
        assert played == TimeCursor(NOW - ago + watched * speed, True, speed)
    else:
        assert played in (LIVE, TimeCursor(played.at, True, speed))


def test_playing_gets_faster_then_stands() -> None:
    cursor = LIVE.go(NOW - 100, NOW)
    speeds = []
    for _ in range(4):
        cursor = cursor.faster(NOW)
        speeds.append(cursor.speed)
    assert speeds == [1, 10, 60, 0]
    assert LIVE.faster(NOW) == LIVE
    assert cursor.played(5.0, NOW) == cursor
    assert TimeCursor(NOW - 100, True, 60).step(10, NOW) == TimeCursor(NOW - 90, True)


def test_what_is_held_still_is_not_past_until_somebody_goes_there() -> None:
    cursor = held(NOW - 10)
    assert not cursor.is_past
    assert cursor.step(-5, NOW) == TimeCursor(NOW - 15, True)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("14:30", timedelta(hours=1, minutes=30)),
        ("9:05", timedelta(hours=6, minutes=55)),
        ("17:00", timedelta(hours=23)),
        ("yesterday 9:30", timedelta(days=1, hours=6, minutes=30)),
        ("Today 09:30:15", timedelta(hours=6, minutes=29, seconds=45)),
        ("yesterday", timedelta(days=1, hours=16)),
        ("2h ago", timedelta(hours=2)),
        ("2 h 30 m ago", timedelta(hours=2, minutes=30)),
        ("90m", timedelta(minutes=90)),
        ("20 minutes ago", timedelta(minutes=20)),
        ("1 hour 30 min ago", timedelta(minutes=90)),
        ("3 Days ago", timedelta(days=3)),
        ("2026-11-21 03:00", timedelta(hours=13)),
        ("2026-11-21T03:00:00+01:00", timedelta(hours=14)),
        ("now", timedelta()),
    ],
)
def test_a_moment_can_be_typed_in_many_ways(text: str, ago: timedelta) -> None:
    assert moment_of(text, NOW, UTC) == NOW - ago.total_seconds()


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "yesterday 25:00", "2026-13-01", "0000-01-01", "ago", "5 dec ago"]
)
def test_what_is_no_moment_is_told_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"type a moment such as 14:30"):
        moment_of(text, NOW, UTC)


def test_the_future_is_not_shown() -> None:
    with pytest.raises(ValueError, match="not past yet"):
        moment_of("2026-11-22", NOW, UTC)
    with pytest.raises(ValueError, match="not past yet"):
        moment_of("today 17:00", NOW, UTC)


@given(st.text(max_size=30))
def test_nothing_typed_breaks_it(text: str) -> None:
    """Neither raises anything but ValueError."""
    with contextlib.suppress(ValueError):
        assert moment_of(text, NOW, UTC) <= NOW
    with contextlib.suppress(ValueError):
        since, until = range_of(text, NOW, UTC)
        assert since < until <= NOW


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("14:00 – 15:30", 2.0, 0.5),
        ("14:00-ish", None, None),
        ("14:00 - 15:30", 2.0, 0.5),
        ("14:00..15:30", 2.0, 0.5),
        ("yesterday 14:00 to 15:00", 26.0, 25.0),
        ("2h ago", 2.0, 0.0),
        ("2h ago to now", 2.0, 0.0),
        ("15:00 – 14:00", None, None),
        ("14:00 – 14:00", None, None),
    ],
)
def test_a_range_goes_from_one_moment_to_another(text: str, since: float | None, until: float) -> None:
    if since is None:
        with pytest.raises(ValueError, match=r"ends after it begins|type a moment"):
            range_of(text, NOW, UTC)
    else:
        assert range_of(text, NOW, UTC) == (NOW - since * 3600, NOW - until * 3600)


@pytest.mark.parametrize(
    ("text", "number"), [("#42", 42), (" #7 ", 7), ("42", None), ("#", None), ("#x", None)]
)
def test_an_alert_is_named_by_its_number(text: str, number: int | None) -> None:
    assert alert_number(text) == number


@pytest.mark.parametrize(
    ("seconds", "label"), [(5400, "1h30m"), (900, "15m"), (90_061, "1d1h"), (0.2, "1s"), (3600, "1h")]
)
def test_a_range_of_any_length_has_a_label(seconds: float, label: str) -> None:
    assert range_over(seconds).label == label
