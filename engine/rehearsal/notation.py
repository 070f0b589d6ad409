"""Series as they are written in tests of rules: `ok x10 failed x3 _`, `0.1+0x5 2s x3`.

A value, or `_` for nothing at this time; `x3` behind it (or `_x3`) means three of it. `A+BxN` and `A-BxN` are
promtool's: A, then N further values, each B more or less.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from engine.config.types import parse_duration
from engine.text import plain

T = TypeVar("T")

MAX_VALUES = 100_000
_TIMES = re.compile(r"(_?)x(\d{1,6})")
_RAMP = re.compile(r"(-?\d+(?:\.\d+)?)(ms|s|m|h)?([+-])(\d+(?:\.\d+)?)(ms|s|m|h)?x(\d{1,6})")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def words(text: str, read: Callable[[str], T]) -> list[T | None]:
    """The values that `text` means, None for nothing.

    Args:
        read: makes a value of a word; raises ValueError.

    Raises:
        ValueError: with a sentence.
    """
    values: list[T | None] = []
    for word in text.split():
        times = _TIMES.fullmatch(word)
        if times is None:
            values.append(None if word == "_" else read(word))
        elif times[1]:
            values += [None] * int(times[2])
        elif not values or int(times[2]) < 1:
            raise ValueError(f"`{plain(word, 40)}` says how often the value before it comes, at least once")
        else:
            values += values[-1:] * (int(times[2]) - 1)
        _check(values)
    return values


def durations(text: str) -> list[float | None]:
    """Seconds, None for nothing. Raises ValueError."""
    return [None if value is None else max(value, 0.0) for value in _values(text, _seconds)]


def numbers(text: str) -> list[float | None]:
    """Numbers, which may lie below zero, or seconds; None for nothing. Raises ValueError."""
    return _values(text, lambda word: -_seconds(word[1:]) if word.startswith("-") else _seconds(word))


def _values(text: str, read: Callable[[str], float]) -> list[float | None]:
    values: list[float | None] = []
    for word in _joined(text):
        ramp = _RAMP.fullmatch(word)
        if ramp is None:
            values += words(word, read)
        else:
            first, step = read(ramp[1] + (ramp[2] or "")), _seconds(ramp[4] + (ramp[5] or ""))
            step *= 1 if ramp[3] == "+" else -1
            values += [first + number * step for number in range(int(ramp[6]) + 1)]
        _check(values)
    return values


def _joined(text: str) -> list[str]:
    """The words, each with the `xN` behind it."""
    found: list[str] = []
    for word in text.split():
        if found and word.startswith("x") and not _RAMP.fullmatch(found[-1]):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def _seconds(word: str) -> float:
    return float(word) if _NUMBER.fullmatch(word) else parse_duration(word)


def _check(values: list[T | None]) -> None:
    if len(values) > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES:,} values")
