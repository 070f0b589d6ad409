from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.config.times import WEEKDAYS, Period


def _holds(when: str, **period: Any) -> bool:
    """`when` is a moment of the week that begins on Monday, 2026-11-16, such as `tue 14:30`, UTC."""
    day, time = when.split()
    at = datetime.fromisoformat(f"2026-11-16T{time}+00:00") + timedelta(days=WEEKDAYS.index(day))
    return Period.model_validate(period).holds(at.timestamp())


def test_without_words_it_is_always() -> None:
    assert all(_holds(f"{day} {time}") for day in WEEKDAYS for time in ("00:00", "12:00", "23:59"))


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("mon 08:59", False),
        ("mon 09:00", True),
        ("fri 16:59", True),
        ("fri 17:00", False),
        ("sat 12:00", False),
    ],
)
def test_working_hours(when: str, holds: bool) -> None:
    assert _holds(when, days=["mon-fri"], **{"from": "09:00", "to": "17:00"}) is holds


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("fri 21:59", False),
        ("fri 22:00", True),
        ("sat 05:59", True),
        ("sat 06:00", False),
        ("fri 03:00", False),
    ],
)
def test_a_night_counts_to_the_day_it_began_on(when: str, holds: bool) -> None:
    assert _holds(when, days=["fri"], **{"from": "22:00", "to": "06:00"}) is holds


def test_days_go_over_the_end_of_the_week() -> None:
    days = [day for day in WEEKDAYS if _holds(f"{day} 12:00", days=["Sat-mon"])]
    assert days == ["mon", "sat", "sun"]


def test_the_zone_says_whose_clock() -> None:
    assert _holds("mon 08:30", timezone="Europe/Berlin", **{"from": "09:00", "to": "10:00"})
    assert not _holds("mon 09:30", timezone="Europe/Berlin", **{"from": "09:00", "to": "10:00"})


@pytest.mark.parametrize(
    "period",
    [{"timezone": "Europe/Berln"}, {"timezone": "../x"}, {"from": "25:00"}, {"days": ["moon"]}, {"days": []}],
)
def test_what_is_no_time_is_refused(period: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Period.model_validate(period)


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
MINUTES = st.integers(0, 1439)


@settings(deadline=None)
@given(
    MOMENTS, MINUTES, MINUTES, st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
)
def test_a_period_and_what_is_left_of_the_day_cover_it_once(
    moment: datetime, start: int, end: int, zone: str
) -> None:
    texts = [f"{minute // 60:02}:{minute % 60:02}" for minute in (start, end)]
    one = Period.model_validate({"from": texts[0], "to": texts[1], "timezone": zone})
    rest = Period.model_validate({"from": texts[1], "to": texts[0], "timezone": zone})
    at = moment.timestamp()
    local = moment.astimezone(ZoneInfo(zone))
    if start == end:
        assert one.holds(at)
    else:
        assert one.holds(at) is not rest.holds(at), local
