"""Moments as a person types them: ages, dates, and times of the local clock."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, tzinfo

EXAMPLES = "15m, 1h30m, 7d, today, yesterday, 03:00, 2026-11-21 or 2026-11-21T03:00"
"""What can be typed, for hints."""

_AGE = re.compile(r"(?:\d{1,6}(?:\.\d{1,3})?[smhdw])+", re.ASCII)
_AGE_PART = re.compile(r"([\d.]+)([smhdw])", re.ASCII)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?", re.ASCII)
_DATE = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[t ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:z|[+-]\d{2}:?\d{2})?))?", re.ASCII
)
_YEARS = range(1970, 3000)


def is_clock_time(text: str) -> bool:
    """Whether only a time of day is named, such as 03:00."""
    return _CLOCK.fullmatch(text.strip()) is not None


def moment(text: str, now: float, zone: tzinfo | None = None) -> tuple[float, float]:
    """The first and the last second of what is named; they differ for a whole day alone.

    Args:
        text: an age (`90s`, `1h30m`), `today`, `yesterday`, a date, a date with a time and perhaps an offset,
            or a time of day, which is its last occurrence before now.
        now: seconds since the epoch.
        zone: of dates and times without an offset; the machine's when None.

    Returns:
        Seconds since the epoch.

    Raises:
        ValueError: nothing of the kind.
    """
    value = text.strip().lower()
    if _AGE.fullmatch(value):
        at = now - sum(float(number) * _UNITS[unit] for number, unit in _AGE_PART.findall(value))
        return at, at
    here = datetime.fromtimestamp(now, zone)
    if value in ("today", "yesterday"):
        return _day(here.date() - timedelta(days=value == "yesterday"), zone)
    if is_clock_time(value):
        of_day = time.fromisoformat(f"0{value}" if value[1] == ":" else value)
        at = _at(here.date(), of_day, zone)
        if at > now:
            at = _at(here.date() - timedelta(days=1), of_day, zone)
        return at, at
    found = _DATE.fullmatch(value)
    if found is None:
        raise ValueError(f"{text} is not a time")
    day = date.fromisoformat(found[1])
    if day.year not in _YEARS:
        raise ValueError(f"{text} is not a time of our age")
    if found[2] is None:
        return _day(day, zone)
    at = _at(day, time.fromisoformat(found[2].upper()), zone)
    return at, at


def _day(day: date, zone: tzinfo | None) -> tuple[float, float]:
    return _at(day, time(), zone), _at(day + timedelta(days=1), time(), zone)


def _at(day: date, of_day: time, zone: tzinfo | None) -> float:
    return datetime.combine(day, of_day, tzinfo=of_day.tzinfo or zone).timestamp()
