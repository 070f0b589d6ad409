"""Moments as a person types them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.moments import moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=BERLIN).timestamp()


def at(*parts: int, zone: tzinfo = BERLIN) -> float:
    year, month, day, *rest = parts
    hour, minute, second = (*rest, 0, 0, 0)[:3]
    return datetime(year, month, day, hour, minute, second, tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("90s", NOW - 90),
        ("1h30m", NOW - 5400),
        ("1.5d", NOW - 129_600),
        ("2W", NOW - 14 * 86_400),
        ("03:00", at(2026, 11, 21, 3)),
        ("3:00", at(2026, 11, 21, 3)),
        ("03:00:07", at(2026, 11, 21, 3, 0, 7)),
        ("12:00", NOW),
        ("12:01", at(2026, 11, 20, 12, 1)),
        ("2026-11-21T03:00", at(2026, 11, 21, 3)),
        ("2026-11-21 03:00:05", at(2026, 11, 21, 3, 0, 5)),
        ("2026-11-21t03:00z", at(2026, 11, 21, 3, zone=UTC)),
        ("2026-11-21T03:00+05:30", at(2026, 11, 21, 3, zone=timezone(timedelta(hours=5.5)))),
        ("2026-11-21T03:00:05.25-0100", at(2026, 11, 21, 4, 0, 5, zone=UTC) + 0.25),
    ],
)
def test_a_moment(text: str, first: float) -> None:
    assert moment(text, NOW, BERLIN) == (first, first)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("today", at(2026, 11, 21), at(2026, 11, 22)),
        ("Yesterday", at(2026, 11, 20), at(2026, 11, 21)),
        ("2026-10-25", at(2026, 10, 25), at(2026, 10, 25) + 25 * 3600),
    ],
)
def test_a_day_is_whole_as_long_as_it_was(text: str, first: float, last: float) -> None:
    assert moment(text, NOW, BERLIN) == (first, last)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1y", "٣h", "tomorrow", "24:00", "12:60", "2026-13-01", "2026-11-31", "2026-11-21T",
     "1969-12-31", "2026-11-21T03", "20261121", "2026-W47-6", "3000-01-01", "1h 30m", "-1h"],
)  # fmt: skip
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError):
        moment(text, NOW, BERLIN)


@given(text=st.text(alphabet="0123456789-:tTzZ+. smhdw", max_size=30))
def test_nothing_else_is_raised(text: str) -> None:
    try:
        first, last = moment(text, NOW)
    except ValueError:
        return
    assert first <= last
