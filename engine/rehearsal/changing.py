"""A rule as it would be with other values: what `--set KEY=VALUE` and `--sweep KEY=FROM..TO` mean."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from engine.config.messages import describe, did_you_mean
from engine.config.report import Report
from engine.config.ruling import check_rule
from engine.config.schema import Rule
from engine.config.types import UNITS, format_duration
from engine.config.yaml_guard import parse_yaml
from engine.errors import TocsinError
from engine.text import plain

if TYPE_CHECKING:
    from engine.config.schema import Config

MAX_STEPS = 50
"""As many candidates are rehearsed at once."""
_STEPS = 9
_OF_RULE = (
    "for", "cooldown", "auto_resolve", "keep_firing_for", "severity", "logic", "remind", "reopen", "flapping",
)  # fmt: skip
_ALIASES = {"threshold": "value", "count": "min_count"}
_TIMES = ("duration", "within", "window", "for", "cooldown")
_KNOBS = ("threshold", "rate", "count", "x", *_TIMES)
"""What is tuned most, in this order."""
_WHOLE = frozenset({"count", "min_count", "min_errors", "x", "y"})
"""Keys that take whole numbers alone."""
_IN_GROUPS = ("all", "any", "not")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_AMOUNT = re.compile(r"(-?\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w|%)?")

Place = tuple[str | int, ...]


class Change(NamedTuple):
    """One value to be put in place: `key` as typed (`threshold`, `2.window`, `for`), `value` as typed."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


def parse_change(text: str, option: str = "--set") -> Change:
    """`KEY=VALUE`. Raises TocsinError."""
    key, sign, value = (part.strip() for part in text.partition("="))
    if not (key and sign and value):
        raise TocsinError(f"{option} {plain(text, 80)}: KEY=VALUE is wanted", "such as threshold=5s")
    return Change(key, value)


def parse_sweep(text: str) -> tuple[Change, ...]:
    """`KEY=FROM..TO` or `KEY=FROM..TO:STEP`, ends included; without a step, ten values.

    Raises:
        TocsinError: it is written otherwise, means more than 50 values, or such as the key never takes.
    """
    change = parse_change(text, "--sweep")
    span, _, step = change.value.partition(":")
    ends = [_AMOUNT.fullmatch(part.strip()) for part in span.split("..")]
    by = _AMOUNT.fullmatch(step.strip()) if step else None
    if len(ends) != 2 or None in ends or (step and by is None):
        raise TocsinError(
            f"--sweep {plain(text, 80)}: KEY=FROM..TO or KEY=FROM..TO:STEP is wanted",
            "such as threshold=1s..10s",
        )
    (first, unit), (last, other) = ((end[1], end[2] or "") for end in ends if end is not None)
    units = {unit, other, *([by[2] or ""] if by is not None else [])}
    if len(units) > 1 and not units <= UNITS.keys():
        raise TocsinError(f"--sweep {plain(text, 80)}: FROM, TO and STEP have different units")
    # Times in several units are steps of seconds; in one they stay as they were typed.
    scale = {each: UNITS[each] if len(units) > 1 else 1.0 for each in units}
    low, high = float(first) * scale[unit], float(last) * scale[other]
    width = float(by[1]) * scale[by[2] or ""] if by is not None else (high - low) / _STEPS
    unit = unit if len(units) == 1 else "s"
    is_whole = change.key.rpartition(".")[2] in _WHOLE
    if is_whole and high > low and (unit or not all(each.is_integer() for each in (low, high, width))):
        raise TocsinError(
            f"--sweep {plain(text, 80)}: {change.key} takes whole numbers, and so do FROM and STEP",
            f"such as {change.key}={math.floor(low)}..{math.ceil(high)}:1",
        )
    if high <= low or width <= 0:
        raise TocsinError(f"--sweep {plain(text, 80)}: TO is above FROM, and STEP above 0")
    count = math.floor((high - low) / width + 1e-9) + 1
    if count > MAX_STEPS:
        raise TocsinError(f"--sweep {plain(text, 80)} means {count:,} values; at most {MAX_STEPS} go at once")
    return tuple(Change(change.key, f"{low + number * width:.10g}{unit}") for number in range(count))


def changeable(rule: Rule) -> tuple[Change, ...]:
    """The numbers and times that a rule says, as they could be typed: what its conditions go by comes first.

    `for` and `cooldown` are there, whether it says them or not.
    """
    data = rule.model_dump(by_alias=True, exclude_unset=True)
    data |= {"for": rule.for_, "cooldown": rule.cooldown}
    everywhere = _known(rule.model_dump(by_alias=True))
    found: list[tuple[int, Change]] = []
    for key, places in _known(data).items():
        if key not in _KNOBS:
            continue
        for place in places:
            holder: Any = data
            for part in place[:-1]:
                holder = holder[part]
            value = holder[place[-1]]
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                name = key if len(everywhere[key]) == 1 else f"{_ordinal(place)}.{key}"
                typed = _as_typed(key, str(holder.get("metric", "")), value)
                found.append((_KNOBS.index(key), Change(name, typed)))
    return tuple(change for _, change in sorted(found, key=lambda each: each[0]))


def _as_typed(key: str, metric: str, value: float) -> str:
    if key in _TIMES or (key == "threshold" and metric == "workflow.duration"):
        return format_duration(value) if value else "0s"
    is_share = key == "rate" or (key == "threshold" and metric.endswith("_rate"))
    return f"{value:.10g}{'%' if is_share else ''}"


def changed(rule: Rule, changes: Sequence[Change], config: Config) -> Rule:
    """The rule with `changes` made, checked as the file would be.

    Raises:
        TocsinError: a key is none of the rule's, is meant by several conditions, or takes no such value.
    """
    data = rule.model_dump(by_alias=True, exclude_unset=True)
    for change in changes:
        place = _place(data, change)
        holder: Any = data
        for part in place[:-1]:
            holder[part] = holder[part] if isinstance(holder[part], dict) else list(holder[part])
            holder = holder[part]
        holder[place[-1]] = _typed(change.value)
        _look(data, change, config)
    return Rule.model_validate(data)


def _look(data: dict[str, Any], change: Change, config: Config) -> None:
    """Raises TocsinError unless the rule stays one."""
    try:
        rule = Rule.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message, hint = describe(f"`{change.key}`", change.value, [first])
        raise TocsinError(f"{plain(str(change), 80)}: {message}", hint) from None
    report = Report(str(change), parse_yaml("{}", "")[0])
    workflows = [word for each in config.workflows for word in (each.id, each.name)]
    check_rule((), rule, tuple(config.channels), workflows, report)
    if report:
        problem = report.problems()[0]
        raise TocsinError(f"{plain(str(change), 80)}: {problem.message}", problem.hint)


def _place(data: dict[str, Any], change: Change) -> Place:
    number, dot, key = change.key.rpartition(".")
    known = _known(Rule.model_validate(data).model_dump(by_alias=True))
    places = known.get(key, [])
    if dot:
        places = [place for place in places if place[0] == "conditions" and str(_ordinal(place)) == number]
    if not places:
        typed = [each for each in known if each not in _ALIASES.values() or each == "value"]
        hint = did_you_mean(change.key, typed) or f"it has {', '.join(typed)}"
        raise TocsinError(f"rule {data['id']} has no `{plain(change.key, 80)}` to change", hint)
    if len(places) > 1:
        which = " or ".join(f"{_ordinal(place)}.{key}" for place in places)
        raise TocsinError(f"several conditions of rule {data['id']} have `{key}`", f"name one: {which}")
    return places[0]


def _ordinal(place: Place) -> str:
    """`2`, or `2.1` inside a group: counts from 1."""
    return ".".join(str(part + 1) for part in place if isinstance(part, int))


def _known(data: dict[str, Any]) -> dict[str, list[Place]]:
    """The places of each key."""
    found: dict[str, list[Place]] = {key: [(key,)] for key in _OF_RULE if _is_scalar(data.get(key, ()))}
    for key, place in _of_conditions(data["conditions"], ("conditions",)):
        found.setdefault(key, []).append(place)
    for alias, key in _ALIASES.items():
        if key in found and alias not in found:
            found[alias] = found[key]
    return found


def _of_conditions(conditions: Sequence[dict[str, Any]], path: Place) -> Iterator[tuple[str, Place]]:
    for index, condition in enumerate(conditions):
        for key, value in condition.items():
            here = (*path, index, key)
            if key in _IN_GROUPS and isinstance(value, (list, tuple)):
                yield from _of_conditions(value, here)
            elif key in _IN_GROUPS and isinstance(value, dict):
                yield from ((inner, (*path, index, key, *rest[1:])) for inner, rest in _inside(value))
            elif key != "type" and _is_scalar(value):
                yield key, here


def _inside(condition: dict[str, Any]) -> Iterator[tuple[str, Place]]:
    return _of_conditions((condition,), ())


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float))


def _typed(value: str) -> object:
    """A number where one was typed; everything else is for the schema to read."""
    if not _NUMBER.fullmatch(value):
        return value
    number = float(value)
    return int(number) if number.is_integer() else number
