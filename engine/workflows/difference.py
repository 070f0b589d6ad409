"""Where two values part, in a few words: long texts and lists are too long to be shown whole."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from engine.text import plain

BEFORE = 12
SHOWN = 28


def text_difference(found: str, wanted: str) -> str:
    """`312 characters, line 4, column 7: «"status": "dow» where «"status": "up"» was expected`."""
    same = _common(found, wanted)
    line, column = found.count("\n", 0, same) + 1, same - found.rfind("\n", 0, same)
    place = f"line {line}, column {column}" if "\n" in found[:same] else f"character {same + 1}"
    return (
        f"{len(found)} characters, {place}: {_around(found, same)} where {_around(wanted, same)} was expected"
    )


def list_difference(found: Sequence[Any], wanted: Sequence[Any]) -> str:
    """`list of 3, item 2 is 5 where 4 was expected`; items count from 0, as in paths."""
    for index, (left, right) in enumerate(zip(found, wanted, strict=False)):
        if left != right:
            return f"list of {len(found)}, item {index} is {_item(left)} where {_item(right)} was expected"
    return f"list of {len(found)} where one of {len(wanted)} was expected"


def _common(left: str, right: str) -> int:
    """How many characters from the start are the same."""
    longest = min(len(left), len(right))
    # `False` sorts before `True`: the first length whose heads differ, less one.
    return bisect_left(range(longest), True, key=lambda end: left[: end + 1] != right[: end + 1])


def _around(text: str, place: int) -> str:
    if place >= len(text):
        return "the end"
    start = max(text.rfind("\n", 0, place) + 1, place - BEFORE)
    lines = text[start : start + SHOWN].splitlines() or [""]
    return f"«{plain(lines[0] or '⏎', SHOWN)}»"


def _item(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    return repr(plain(value, SHOWN)) if isinstance(value, str) else plain(value, SHOWN)
