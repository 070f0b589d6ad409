"""The right side of an expectation: numbers with units, quoted text, lists, bare words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.config.types import parse_duration
from engine.workflows.placeholders import PLACEHOLDER

LIST_LIMIT = 100

Literal = str | float | int | bool | None
Expected = Literal | tuple[Literal, ...]

_SIZES = {"b": 1, "kb": 1_000, "mb": 1_000_000, "kib": 1_024, "mib": 1_048_576}
_NUMBER = re.compile(r"[+-]?(\d{1,300})(\.\d{1,300})?([eE][+-]?\d{1,2})?")
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s?(b|kb|mb|kib|mib)", re.IGNORECASE)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "none": None}
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_BARE = re.compile(r"[^\s'\"\[\],]+")


def parse_literal(text: str) -> Expected:
    """The value a text stands for: `200`, `800ms`, `10kb`, `'x'`, `null`, `[200, 204]`, or a bare word.

    A placeholder such as `{{ login.id }}` stays as it is written, to be filled in when the check runs.
    Durations are seconds, sizes bytes (kb is 1,000). Escapes in quotes other than the backslash of a quote,
    `\\\\`, `\\n`, `\\t` and `\\r` keep their backslash, so that patterns need no doubling.

    Raises:
        ValueError: with a sentence.
    """
    text = text.strip()
    if text.startswith("["):
        if not text.endswith("]"):
            raise ValueError("the list has no closing ]")
        return tuple(_items(text[1:-1]))
    return _scalar(text)


def _items(text: str) -> Iterator[Literal]:
    position, count = 0, 0
    while rest := text[position:].lstrip():
        position = len(text) - len(rest)
        tried = (kind.match(text, position) for kind in (_QUOTED, PLACEHOLDER, _BARE))
        match = next(filter(None, tried), None)
        if match is None:
            raise ValueError(f"a list holds values separated by commas, found {rest[:20]!r}")
        yield _scalar(match[0])
        count += 1
        if count > LIST_LIMIT:
            raise ValueError(f"a list holds at most {LIST_LIMIT} values")
        after = text[match.end() :].lstrip()
        if after and not after.startswith(","):
            raise ValueError(f"a comma is expected in the list, found {after[:20]!r}")
        position = len(text) - len(after) + 1


def _scalar(text: str) -> Literal:
    if quoted := _QUOTED.fullmatch(text):
        inner = quoted[1] if quoted[1] is not None else quoted[2]
        return _ESCAPE.sub(_unescape, inner)
    if PLACEHOLDER.fullmatch(text):
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if number := _NUMBER.fullmatch(text):
        return float(text) if number[2] or number[3] else int(text)
    if size := _SIZE.fullmatch(text):
        return float(size[1]) * _SIZES[size[2].lower()]
    try:
        return parse_duration(text)
    except ValueError:
        pass
    if not _BARE.fullmatch(text):
        raise ValueError(f"a value is expected, found {text[:40]!r} (text with spaces goes in quotes)")
    return text


def _unescape(match: re.Match[str]) -> str:
    character = match[1]
    return _ESCAPES.get(character) or (character if character in "'\"\\" else match[0])
