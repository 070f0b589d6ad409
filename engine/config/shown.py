"""The text of a configuration without its secrets, still the same YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml
from yaml import events

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BLANKS = " \t\r\n"
_COMMENT = re.compile(r"(?<!\S)#[^\n]*")


def shown(text: str, redact: Callable[[str], str]) -> str:
    """`text` as it may be seen: `redact` is given one scalar or comment at a time.

    What looks like a credential in a text may go on to the end of its line, and would take brackets and
    quotes of YAML along if it were shown the text as a whole.

    Args:
        text: YAML that has been loaded before.
    """
    parts: list[str] = []
    done = 0
    # Most scalars of a file are keys, or said time and again.
    redact = cache(redact)
    for event in yaml.parse(text, Loader=_Loader):
        if type(event) is events.ScalarEvent:
            start, end = _place(event)
            parts += (_between(text[done:start], redact), _scalar(event, text[start:end], redact))
            done = end
    return "".join((*parts, _between(text[done:], redact)))


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.index, event.end_mark.index


def _between(text: str, redact: Callable[[str], str]) -> str:
    """What is not a scalar: of that, only comments hold words."""
    return _COMMENT.sub(lambda comment: redact(comment[0]), text) if "#" in text else text


def _scalar(event: Any, written: str, redact: Callable[[str], str]) -> str:
    """A scalar as it was written when it holds no secret, else what is left of it, in quotes."""
    value = redact(event.value)
    if value == event.value:
        return written
    if event.style == "|" and value == "\n".join(map(redact, event.value.split("\n"))):
        return "\n".join(map(redact, written.split("\n")))
    return _quoted(value) + written[len(written.rstrip(_BLANKS)) :]


def _quoted(text: str) -> str:
    """In double quotes as YAML reads them, which has no pairs of surrogates."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08X}" for each in quoted)
