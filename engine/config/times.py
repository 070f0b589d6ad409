"""Times of the week, such as working hours: `{days: [mon-fri], from: "09:00", to: "17:00"}`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator

from engine.config.types import Strict, as_tuple

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS = re.compile(rf"({'|'.join(WEEKDAYS)})(?:-({'|'.join(WEEKDAYS)}))?", re.I)
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)|24:00")


def _day(value: str) -> str:
    if not _DAYS.fullmatch(value):
        raise ValueError("a day of the week, or a span of them, is such as mon or mon-fri")
    return value


def _time(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise ValueError("a time of the day is such as 09:00, from 00:00 to 24:00")
    return value


Days = Annotated[
    str,
    AfterValidator(_day),
    WithJsonSchema({"type": "string", "pattern": rf"^(?i:{_DAYS.pattern})$"}),
]
TimeOfDay = Annotated[
    str,
    AfterValidator(_time),
    WithJsonSchema({"type": "string", "pattern": rf"^(?:{_TIME.pattern})$"}),
]


class Period(Strict):
    """Some hours of some days of each week.

    Keys:
        days: weekdays and spans of them, such as `[mon-fri, sun]`; every day unless given.
        from, to: times of the day, such as `"22:00"`; where `to` is not after `from` the period goes on into
            the next day, and counts to the day it began on.
        timezone: whose clocks are meant, such as Europe/Berlin.
    """

    days: Annotated[tuple[Days, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=7)] = (
        "mon-sun",
    )
    from_: Annotated[TimeOfDay, Field(alias="from")] = "00:00"
    to: TimeOfDay = "24:00"
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _exists(cls, value: str) -> str:
        try:
            _zone(value)
        except (ValueError, OSError, KeyError):
            raise ValueError(f"there is no time zone {value}, such as Europe/Berlin or UTC") from None
        return value

    def holds(self, at: float) -> bool:
        """Whether the moment `at` (seconds since the epoch) lies within it; its end does not."""
        local = datetime.fromtimestamp(at, _zone(self.timezone))
        minute = local.hour * 60 + local.minute
        start, end, days = _minutes(self.from_), _minutes(self.to), _days(self.days)
        if start < end:
            return local.weekday() in days and start <= minute < end
        yesterday = (local - timedelta(days=1)).weekday()
        return (local.weekday() in days and minute >= start) or (yesterday in days and minute < end)

    def __str__(self) -> str:
        return f"{', '.join(self.days)} {self.from_}-{self.to} {self.timezone}"


Periods = Annotated[tuple[Period, ...], BeforeValidator(as_tuple), Field(max_length=50)]


@lru_cache(64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


@lru_cache(256)
def _days(spans: tuple[str, ...]) -> frozenset[int]:
    """The weekdays that are meant, Monday is 0; `fri-mon` goes over the week's end."""
    found: set[int] = set()
    for span in spans:
        first, _, last = span.lower().partition("-")
        day, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        found |= {(day + offset) % 7 for offset in range((end - day) % 7 + 1)}
    return frozenset(found)
