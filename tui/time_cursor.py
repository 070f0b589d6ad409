"""Where in time the console stands: now, held still, or at a moment before; and moments as typed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from engine.moments import is_clock_time, moment

STEPS_OF_RANGE = 15
"""A step goes this part of the time range."""
SPEEDS = (1, 10, 60)
"""Seconds of the past that one second of playing shows."""
EXAMPLES = "14:30, yesterday 14:30, 2h ago, 2026-11-21 03:00, or an alert such as #42"

_ALERT = re.compile(r"#?(\d{1,18})", re.ASCII)
_IN_WORDS = re.compile(
    r"(?<=\d)\s*(?:(s)ec(?:ond)?s?|(m)in(?:ute)?s?|(h)(?:ou)?rs?|(d)ays?|(w)eeks?)\b\s*", re.ASCII
)
_ON_DAY = re.compile(r"(today|yesterday)\s+(\d{1,2}:\d{2}(?::\d{2})?)", re.ASCII)
_BETWEEN = re.compile(r"\s+to\s+|\s*[–—]\s*|\s+-\s+|\s*\.\.\s*")


@dataclass(frozen=True, slots=True)
class TimeCursor:
    """One moment for every pane.

    Args:
        at: seconds since the epoch; None: live.
        is_past: a moment that was chosen; else the display was held still at what was then now.
        speed: of playing, one of `SPEEDS`; 0: it stands.
    """

    at: float | None = None
    is_past: bool = False
    speed: int = 0

    def go(self, at: float, now: float) -> TimeCursor:
        """To a moment; what is not past yet is now. Playing goes on from there."""
        return LIVE if at >= now else replace(self, at=at, is_past=True)

    def step(self, seconds: float, now: float) -> TimeCursor:
        """Some seconds later, or earlier when negative; playing ends."""
        return TimeCursor().go((now if self.at is None else self.at) + seconds, now)

    def faster(self, now: float) -> TimeCursor:
        """Play, at the next speed; after the greatest one stand still. What is live cannot be played."""
        if self.at is None or self.at >= now:
            return self
        speeds = (*SPEEDS, 0)
        following = speeds[(speeds.index(self.speed) + 1) % len(speeds)] if self.speed else SPEEDS[0]
        return replace(self, is_past=True, speed=following)

    def played(self, seconds: float, now: float) -> TimeCursor:
        """After that many seconds of watching; live when it has caught up."""
        if self.at is None or not self.speed:
            return self
        return self.go(self.at + seconds * self.speed, now)


LIVE = TimeCursor()


def held(now: float) -> TimeCursor:
    """The display, held still."""
    return TimeCursor(now)


def alert_number(text: str) -> int | None:
    """The alert that `#42` names; None for anything else."""
    found = _ALERT.fullmatch(text.strip())
    return int(found[1]) if found and text.strip().startswith("#") else None


def moment_of(text: str, now: float, zone: tzinfo | None = None) -> float:
    """The moment that is named, of a whole day its beginning.

    Args:
        text: `14:30`, `yesterday 14:30`, `2h ago`, `20 minutes ago`, a date, or a date with a time.
        now: seconds since the epoch; times of day are the last ones before it.
        zone: the machine's when None.

    Raises:
        ValueError: nothing of the kind, or not past yet; with a sentence.
    """
    value = _IN_WORDS.sub(lambda found: found[found.lastindex or 0], text.strip().lower())
    if value == "now":
        return now
    if value.endswith("ago"):
        value = value.removesuffix("ago").replace(" ", "")
    if found := _ON_DAY.fullmatch(value):
        day = datetime.fromtimestamp(moment(found[1], now, zone)[0], zone)
        value = f"{day:%Y-%m-%d}T{_padded(found[2])}"
    try:
        at = moment(value, now, zone)[0]
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"type a moment such as {EXAMPLES}") from None
    if at > now:
        raise ValueError("that is not past yet")
    return at


def range_of(text: str, now: float, zone: tzinfo | None = None) -> tuple[float, float]:
    """Beginning and end of `14:00 – 15:30`, `yesterday 14:00 to 15:00`, or `2h ago` up to now.

    Raises:
        ValueError: one of the two is no moment, or they are not in order; with a sentence.
    """
    first, *rest = _BETWEEN.split(text.strip(), maxsplit=1)
    since = moment_of(first, now, zone)
    until = now
    if rest and rest[0]:
        day = f"{datetime.fromtimestamp(since, zone):%Y-%m-%d}"
        named = f"{day}T{_padded(rest[0].strip())}" if is_clock_time(rest[0]) else rest[0]
        until = moment_of(named, now, zone)
    if until - since < 1.0:
        raise ValueError("a range ends after it begins")
    return since, until


def _padded(clock: str) -> str:
    """A time of day with two digits for the hour."""
    return clock if clock.index(":") == 2 else f"0{clock}"
