"""Paths into what a step returned: `status`, `json.items[0].name`, `headers.location`, `json['odd key']`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from engine.workflows.placeholders import PLACEHOLDER, split

PATH_LIMIT = 50
SCOPE = "{{ }}"
"""The root of a path that was written as a placeholder: it looks at values of earlier steps."""

_ROOT = re.compile(r"[A-Za-z_]\w*")
_PART = re.compile(r"\.([A-Za-z0-9_-]+)|\[(-?\d{1,9})\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


class _Missing(Enum):
    MISSING = "missing"


MISSING: Final = _Missing.MISSING
"""What a path gives when nothing is there; not the same as a null that is there."""
Missing = Literal[_Missing.MISSING]


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A parsed path; `text` is as written."""

    text: str
    root: str
    parts: tuple[str | int, ...]

    def find(self, fields: Mapping[str, Any]) -> Any:
        """The value in `fields`, or `MISSING`."""
        value = fields.get(self.root, MISSING)
        for part in self.parts:
            value = _step(value, part)
            if value is MISSING:
                return MISSING
        return value


def parse_path(text: str) -> FieldPath:
    """Read a path that is the whole of `text`.

    Raises:
        ValueError: with a sentence.
    """
    path, end = scan_path(text, 0)
    if end != len(text):
        raise ValueError(f"{text!r} is not a path such as status, json.items[0].name or headers.location")
    return path


def scan_path(text: str, start: int) -> tuple[FieldPath, int]:
    """Read a path, or a placeholder, that begins at `start`; returns it with the position after it.

    Raises:
        ValueError: with a sentence.
    """
    if placeholder := PLACEHOLDER.match(text, start):
        return FieldPath(placeholder[0], SCOPE, split(placeholder[1])), placeholder.end()
    match = _ROOT.match(text, start)
    if match is None:
        found = text[start : start + 20]
        raise ValueError(f"a path such as status or json.items[0].name is expected, found {found!r}")
    parts: list[str | int] = []
    end = match.end()
    while part := _PART.match(text, end):
        key, index, single, double = part.groups()
        parts.append(
            int(index) if index is not None else next(p for p in (key, single, double) if p is not None)
        )
        end = part.end()
        if len(parts) > PATH_LIMIT:
            raise ValueError(f"a path has at most {PATH_LIMIT} parts")
    return FieldPath(text[start:end], match[0], tuple(parts)), end


def _step(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(str(part), MISSING)
    if isinstance(value, list):
        if isinstance(part, str) and not part.isdecimal():
            return MISSING
        index = int(part)
        return value[index] if -len(value) <= index < len(value) else MISSING
    return MISSING
