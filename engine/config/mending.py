"""What is left of a broken part when its wrong keys are taken out, so that the rest can be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import ValidationError

from engine.config.types import Strict

_Part = TypeVar("_Part", bound=Strict)
_Loc = tuple[str | int, ...]

_ROUNDS = 5
_STAND_INS: dict[str, dict[str, Any]] = {
    "steps": {"wait": {"for": "1s"}},
    "finally": {"wait": {"for": "1s"}},
    "conditions": {"type": "THRESHOLD", "metric": "health.score", "operator": "<", "value": 50},
}
"""Entries of lists that nothing is wrong with."""
_SCHEDULE = ("every", "cron", "on_call", "timezone", "jitter")
_SMALLEST = {
    "id": "broken",
    "name": "broken",
    "every": "1m",
    "steps": [{"id": "step", **_STAND_INS["steps"]}],
    "conditions": [_STAND_INS["conditions"]],
}


def mended(kind: type[_Part], value: Any) -> _Part | None:
    """A workflow or rule without what is wrong in it; None when too little is left.

    Entries of lists stay at their places, so that paths into it lead to the same places of the file.
    """
    if not isinstance(value, dict):
        return None
    left = deepcopy(value)
    for _ in range(_ROUNDS):
        try:
            return kind.model_validate(left)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_context=False, include_input=False)
            places = {_place(left, each["loc"]) for each in errors}
        # What is wrong further out may be so because of what is wrong within.
        above = {place[:length] for place in places for length in range(len(place))}
        for place in places - above:
            _take_out(left, place, kind)
    return None


def _place(left: dict[str, Any], loc: _Loc) -> _Loc:
    """What is to be taken out: the innermost key, or a whole entry of a list of steps or conditions."""
    place = _walk(left, loc)
    while place and isinstance(place[-1], int) and not (len(place) == 2 and place[0] in _STAND_INS):
        place = place[:-1]
    return place


def _take_out(left: dict[str, Any], place: _Loc, kind: type[Strict]) -> None:
    if not place:
        _complete(left, kind)
        return
    if _walk(left, place) != place:  # two places of a file may be one and the same value
        return
    if isinstance(place[-1], int):
        name, index = str(place[0]), place[1]
        entry = left[name][index]
        if name == "conditions":
            left[name][index] = deepcopy(_STAND_INS[name])
        elif isinstance(entry, dict) and "id" not in entry:
            entry["id"] = f"{name}-{index}"
        else:
            left[name][index] = {"id": f"{name}-{index}", **deepcopy(_STAND_INS[name])}
        return
    holder: Any = left
    for part in place[:-1]:
        holder = holder[part]
    del holder[place[-1]]


def _complete(left: dict[str, Any], kind: type[Strict]) -> None:
    """Fill in what is missing; when nothing is, it is the schedule that does not fit together."""
    has_schedule = not left.keys().isdisjoint(("every", "cron", "on_call"))
    missing = {key for key in _SMALLEST if key in kind.model_fields and key not in left}
    if has_schedule:
        missing.discard("every")
    if not missing and "every" in kind.model_fields:
        for key in _SCHEDULE:
            left.pop(key, None)
        missing = {"every"}
    left.update({key: deepcopy(_SMALLEST[key]) for key in missing})


def _walk(value: Any, loc: Sequence[str | int]) -> _Loc:
    """The parts of `loc` that are there: the validator's names for branches of unions are not."""
    found: list[str | int] = []
    for part in loc:
        is_key = isinstance(value, dict) and part in value
        if is_key or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            value = value[part]
            found.append(part)
    return tuple(found)
