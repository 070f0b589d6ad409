"""The validator's errors in plain words: what the key wants, what was found, what was probably meant."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.config.types import DURATION, format_duration
from engine.text import nearest, plain

_WANTED = {
    "string_type": "text",
    "string_sub_type": "text",
    "is_instance_of": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
_LENGTHS = {
    "too_short": ("min_length", "needs at least", "entry", "entries"),
    "too_long": ("max_length", "takes at most", "entry", "entries"),
    "string_too_short": ("min_length", "needs at least", "character", "characters"),
    "string_too_long": ("max_length", "takes at most", "character", "characters"),
}
_FOR_SHELLS = frozenset("|&;<>$`*?~\n")
_SPACED = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_OPERATORS = {"=": "==", "===": "==", "=>": ">=", "=<": "<=", "<>": "!="}
"""What comparisons are called elsewhere."""
_IDENTIFIER = "letters, digits, `_`, `.` and `-`, at most 64, starting with a letter, a digit or `_`"


def describe(name: str, value: object, errors: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Message and hint for the value of `name`, which none of the permitted shapes accepts.

    Args:
        name: the key, quoted, or words for it.
        value: what the file says.
        errors: the validator's errors for this one value, one for each shape that was tried.
    """
    wanted = list(dict.fromkeys(filter(None, (_wanted(error) for error in errors))))
    if wanted:
        hint = did_you_mean(value, _choices(errors)) or _rewrite(name, value, wanted)
        return f"{name} wants {_or(wanted)}, found {found(value)}", hint
    return _single(name, value, errors[0])


def did_you_mean(value: object, known: Iterable[str]) -> str:
    """A hint that names the nearest of `known`, or nothing."""
    if not isinstance(value, str):
        return ""
    words = list(known)
    near = _OPERATORS[value] if _OPERATORS.get(value) in words else nearest(value, words)
    return f"did you mean `{near}`?" if near and near != value else ""


def found(value: object) -> str:
    """What a value is, in words and short."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, Mapping):
        return "a mapping"
    return f"`{plain(value, 80)}`"


def choices(expected: str) -> list[str]:
    """The words of the validator's `'a', 'b' or 'c'`."""
    return [word.strip().strip("'") for word in expected.replace(" or ", ", ").split(", ")]


def _single(name: str, value: object, error: Mapping[str, Any]) -> tuple[str, str]:
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "value_error":
        sentence = str(context.get("error", error["msg"]))
        if isinstance(value, dict):
            return (f"{name}: {sentence}" if name.startswith("`") else sentence), ""
        return f"{name}: {sentence}, found {found(value)}", ""
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{name} is {words} {_limit(context[key], value)}, found {found(value)}", ""
    if kind in _LENGTHS:
        key, words, one, many = _LENGTHS[kind]
        limit = context[key]
        return f"{name} {words} {limit:,} {one if limit == 1 else many}", ""
    if kind == "string_pattern_mismatch":
        return f"{name} is made of {_IDENTIFIER}, found {found(value)}", ""
    return f"{name}: {plain(error['msg'], 200)}", ""


def _limit(limit: float, value: object) -> str:
    """A bound in the unit of the value that is beyond it: durations are numbers to the validator."""
    is_duration = isinstance(value, str) and DURATION.fullmatch(value.strip())
    return format_duration(limit) if is_duration else f"{limit:,.12g}"


def _wanted(error: Mapping[str, Any]) -> str:
    if error["type"] in ("literal_error", "choice"):
        words = [word.lower() if word in ("True", "False") else word for word in _expected(error)]
        return f"one of {', '.join(words)}" if len(words) > 1 else words[0]
    return _WANTED.get(str(error["type"]), "")


def _expected(error: Mapping[str, Any]) -> list[str]:
    return choices(error["ctx"]["expected"])


def _choices(errors: Iterable[Mapping[str, Any]]) -> list[str]:
    listed = [_expected(error) for error in errors if error["type"] in ("literal_error", "choice")]
    return [word for words in listed for word in words]


def _rewrite(name: str, value: object, wanted: Sequence[str]) -> str:
    """How the same text would have the wanted shape."""
    if not isinstance(value, str):
        return ""
    if "a list" in wanted:
        words = _words(value) if name == "`command`" else [value]
        return f"write {plain(json.dumps(words, ensure_ascii=False), 200)}"
    is_number = value.replace(".", "", 1).removeprefix("-").isdecimal()
    return "write it without quotes" if is_number and any("number" in word for word in wanted) else ""


def _words(command: str) -> list[str]:
    """A command line as a list; where a shell is needed, one is called."""
    if not _FOR_SHELLS.isdisjoint(command) and "{{" not in command:
        return ["sh", "-c", command]
    try:
        return shlex.split(_SPACED.sub(r"{{\1}}", command)) or [command]
    except ValueError:
        return [command]


def _or(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
