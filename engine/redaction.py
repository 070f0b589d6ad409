"""Secrets never reach a log, a screen, the database or an export: everything recorded goes through here.

Two passes, one after the other. By value: whatever the configuration read from `${env:…}` and `${file:…}`, as
it is and as it looks in a URL, in JSON and in base64. By shape: what looks like a credential, wherever it is.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from html import escape
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from engine.model import Point
from engine.text import clean

T = TypeVar("T")

MASK = "***"
SHORTEST = 6
"""A secret of fewer characters would blank out ordinary words and numbers."""

_CUT = "…(+"
_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
    r"|authorization|cookie|session[_-]?id|signature"
)
_SECRET_NAME = re.compile(rf"(?:.*[._-])?(?:{_NAMES})|(?:\w*(?:token|secret|password|apikey|api_key))", re.I)
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+/?")
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/?#@'\"]{0,300}:[^\s/?#@'\"]{0,300}@", re.I),
     rf"\1{MASK}@"),
    (re.compile(r"\b(bearer|basic|digest|negotiate)\s+(?!realm|\*\*\*)[\w.~+/=-]{6,}", re.I), rf"\1 {MASK}"),
    (re.compile(r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)(\s{0,5}:\s{0,5})(?!\*\*\*)[^\s][^\n⏎]*",
                re.I), rf"\1\2{MASK}"),
    (re.compile(rf"((?:{_NAMES})[\w-]{{0,30}}=)(?![=\s*])[^\s&;,'\"()<>]+", re.I), rf"\1{MASK}"),
    (re.compile(rf"((?:{_NAMES})[\w-]{{0,30}}\"\s{{0,5}}:\s{{0,5}}\")[^\"]+", re.I), rf"\1{MASK}"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), MASK),
    (re.compile(r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[a-z]-[\w-]{10,}|AKIA[0-9A-Z]{16}"
                r"|[sr]k_(?:live|test)_\w{10,}|glpat-[\w-]{20,})"), MASK),
    (re.compile(r"(hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks|api\.telegram\.org/bot)[/\d]"
                r"[\w:/-]+"), rf"\1/{MASK}"),
    (re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]{0,30}PRIVATE KEY-----"
                r"|\Z)"), MASK),
)  # fmt: skip
# In RE2 syntax: what every shape has somewhere. Most texts have none of it and need no further look.
_HINTS = (
    r"[@=]|\":|\" :|\beyJ|(?i:_\w{10}|bearer|basic|digest|negotiate|authorization|cookie|x-api-key|xox.-|AKIA"
    r"|glpat-|hooks\.|webhooks|/bot|PRIVATE KEY)|…\(\+"
)
_REMEMBERED = 4_096
_REMEMBERED_LENGTH = 300


def is_secret_name(name: str) -> bool:
    """Whether a field, header or key of this name holds a credential, such as `token` or `x-api-key`."""
    return _SECRET_NAME.fullmatch(name) is not None


class Redactor:
    """Replaces secrets by `***`; what holds none is given back as it is, the same object.

    Args:
        secrets: the exact values. Those of fewer than 6 characters are left out, and so are plain addresses
            (`http://host:port`), which say where something is and not how to get in.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        hidden = {secret for secret in secrets if len(secret) >= SHORTEST and not _ADDRESS.fullmatch(secret)}
        self._forms = sorted({form for secret in hidden for form in _forms(secret)}, key=len, reverse=True)
        self._suspicious = _suspicion(self._forms)
        self._known: dict[str, str] = {}
        self._last: Any = None

    def text(self, text: str) -> str:
        """`text` without secrets; doing it again changes nothing."""
        # What is recorded repeats itself: addresses, expectations, names.
        known = self._known.get(text)
        if known is not None:
            return known
        clean_text = self._redacted(text) if self._suspicious(text) else text
        if len(text) <= _REMEMBERED_LENGTH:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[text] = clean_text
        return clean_text

    def _redacted(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        if _CUT in text:
            text = self._without_cut(text)
        for shape, replacement in _SHAPES:
            text = shape.sub(replacement, text)
        return text

    def __call__(self, value: T) -> T:
        """`value` with every text inside it redacted: records, lists and the values of mappings.

        In a mapping, a text under a name that says it is a credential is hidden whole.
        """
        # A recording comes twice: on its way to whoever watches, and on its way into the store.
        if value is not self._last:
            self._last = self._walk(value)
        return self._last

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if isinstance(value, Enum) else self.text(value)
        if value is None or isinstance(value, (int, float, Enum)):
            return value
        if isinstance(value, Point):
            return value  # names and labels are the configuration's own, and there are many
        if isinstance(value, tuple):
            return _same_or(value, tuple(map(self._walk, value)))
        if isinstance(value, list):
            return list(map(self._walk, value))
        if isinstance(value, Mapping):
            return _same_or(value, {key: self._named(key, inner) for key, inner in value.items()})
        return self._record(value) if is_dataclass(value) else value

    def _named(self, name: Any, value: Any) -> Any:
        if isinstance(value, str) and isinstance(name, str) and value and is_secret_name(name):
            return value if _tells_nothing(value) else MASK
        return self._walk(value)

    def _record(self, value: Any) -> Any:
        changes = {}
        kind: Any = type(value)
        for name in _texts_of(kind):
            before = getattr(value, name)
            if before and (after := self._walk(before)) is not before and after != before:
                changes[name] = after
        return replace(value, **changes) if changes else value

    def _without_cut(self, text: str) -> str:
        """A text that was shortened may end in the middle of a secret."""
        head, mark, tail = text.rpartition(_CUT)
        for form in self._forms:
            for length in range(min(len(form), len(head)), SHORTEST - 1, -1):
                if head.endswith(form[:length]):
                    return head[:-length] + MASK + mark + tail
        return text


def _suspicion(forms: Iterable[str]) -> Callable[[str], bool]:
    """Whether a text may hold a secret, told in one pass of RE2, whatever the number of forms."""
    import re2

    pattern = re2.compile("|".join([*map(re2.escape, forms), _HINTS]))

    def may_hold(text: str) -> bool:
        try:
            return pattern.search(text) is not None
        except UnicodeEncodeError:
            return True  # lone surrogates, which RE2 does not read

    return may_hold


def _same_or(before: Any, after: Any) -> Any:
    return before if after == before else after


def _tells_nothing(value: str) -> bool:
    """`31 characters` is what is kept of a value that was extracted."""
    return value == MASK or value.endswith(" characters")


@cache
def _texts_of(kind: Any) -> tuple[str, ...]:
    """The fields of a record that may hold foreign text; identifiers are the configuration's own."""
    own = ("id", "trace_id", "span_id", "parent_id", "workflow_id", "rule_id", "step_id", "key")
    numbers = ("float", "int", "bool", "float | None", "int | None")
    return tuple(f.name for f in fields(kind) if f.name not in own and str(f.type) not in numbers)


def _forms(secret: str) -> Iterator[str]:
    """How a secret may be written: raw, cleaned, quoted for a URL, in JSON or HTML, inside base64."""
    writers: tuple[Callable[[str], str], ...] = (
        str,
        clean,
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
        escape,
    )
    for write in writers:
        form = write(secret.encode("utf-8", "replace").decode())
        if len(form) >= SHORTEST:
            yield form
    yield from _base64_forms(secret.encode("utf-8", "replace"))


def _base64_forms(secret: bytes) -> Iterator[str]:
    """The part of the base64 of any text with the secret in it that depends on the secret alone.

    A secret begins at one of three places within a group of three bytes.
    """
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret).decode()
        start = (0, 2, 3)[shift]
        spoiled = (len(secret) + shift) % 3
        core = encoded[start : len(encoded) - (0, 3, 2)[spoiled]]
        if len(core) >= SHORTEST:
            yield core
            yield core.replace("+", "-").replace("/", "_")
