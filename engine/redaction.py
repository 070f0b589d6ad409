"""Secrets never reach a log, a screen, the database or an export: everything recorded goes through here.

Two passes, one after the other. By value: whatever the configuration read from `${env:…}` and `${file:…}`, as
it is and as it looks in a URL, in JSON and in base64. By shape: what looks like a credential, wherever it is.
A secret of 3 to 5 characters, a PIN, would blank out parts of ordinary words: it is hidden where it is the
whole value of a field or a header, and nowhere else.

Most of what is recorded holds neither. So the texts of a record are first looked at together, in one pass of
RE2, and only a record in which that finds something is taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar, cast, get_args, get_type_hints

from engine.model import Point
from engine.spellings import SHORTEST as SHORTEST
from engine.spellings import spellings

SHORTEST_WHOLE = 3
"""Characters of a secret that is hidden where it is a whole value; fewer say nothing."""

T = TypeVar("T")

MASK = "***"
_CUT = "…(+"
_FINDER_MEMORY = 8 * 1024 * 1024
_FINDER_MEMORY_EACH = 200
"""Bytes at most, and for each character of a pattern: with less, RE2 is slow at thousands of secrets."""
_TEXTLESS = frozenset({int, float, bool, bytes, type(None)})
_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
    r"|authorization|cookie|session[_-]?id|signature"
)
_SECRET_NAME = re.compile(rf"(?:.*[._-])?(?:{_NAMES})|(?:\w*(?:token|secret|password|apikey|api_key))", re.I)
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+/?")


class _Shape(NamedTuple):
    """What a credential looks like, and what is put in its place.

    `hint` is in RE2 syntax and found in every text that `pattern` is found in, at a hundredth of its price;
    classes of RE2 are ASCII, so that beyond it a hint takes whatever comes.
    """

    hint: str
    pattern: re.Pattern[str]
    replacement: str


_WORD = r"(?:[\w-]|[^\x00-\x7f])"
_SPACE = r"(?:[\s\x0b\x1c-\x1f]|[^\x00-\x7f])"
_SHAPES = (
    _Shape(
        r"://[^\s/?#@'\"]*:[^\s/?#@'\"]*@",
        re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/?#@'\"]{0,300}:[^\s/?#@'\"]{0,300}@", re.I),
        rf"\1{MASK}@",
    ),
    _Shape(
        rf"(?i:bearer|basic|digest|negotiate){_SPACE}+(?:[\w.~+/=-]|[^\x00-\x7f]){{6}}",
        re.compile(r"\b(bearer|basic|digest|negotiate)\s+(?!realm|\*\*\*)[\w.~+/=-]{6,}", re.I),
        rf"\1 {MASK}",
    ),
    _Shape(
        rf"(?i:authorization|cookie|x-api-key){_SPACE}*:",
        re.compile(
            r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)(\s{0,5}:\s{0,5})(?!\*\*\*)[^\s][^\n⏎]*",
            re.I,
        ),
        rf"\1\2{MASK}",
    ),
    _Shape(
        rf"(?i:{_NAMES}){_WORD}*=",
        re.compile(rf"((?:{_NAMES})[\w-]{{0,30}}=)(?![=\s*])[^\s&;,'\"()<>]+", re.I),
        rf"\1{MASK}",
    ),
    _Shape(
        rf"(?i:{_NAMES}){_WORD}*\"{_SPACE}*:{_SPACE}*\"",
        re.compile(rf"((?:{_NAMES})[\w-]{{0,30}}\"\s{{0,5}}:\s{{0,5}}\")[^\"]+", re.I),
        rf"\1{MASK}",
    ),
    _Shape(rf"eyJ{_WORD}{{5}}", re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), MASK),
    _Shape(
        r"gh[pousr]_|github_pat_|xox[a-z]-|AKIA[0-9A-Z]|[sr]k_(?:live|test)_|glpat-",
        re.compile(
            r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[a-z]-[\w-]{10,}|AKIA[0-9A-Z]{16}"
            r"|[sr]k_(?:live|test)_\w{10,}|glpat-[\w-]{20,})"
        ),
        MASK,
    ),
    _Shape(
        r"slack\.com/services|discord(?:app)?\.com/api/webhooks|api\.telegram\.org/bot",
        re.compile(
            r"(hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks|api\.telegram\.org/bot)[/\d]"
            r"[\w:/-]+"
        ),
        rf"\1/{MASK}",
    ),
    _Shape(
        "PRIVATE KEY-----",
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)"
        ),
        MASK,
    ),
)


@lru_cache(4_096)
def is_secret_name(name: object) -> bool:
    """Whether a field, header or key of this name holds a credential, such as `token` or `x-api-key`."""
    return isinstance(name, str) and _SECRET_NAME.fullmatch(name) is not None


class Values:
    """Exact values, hidden wherever they are written: raw, in a URL, in JSON, in base64, cut off at the end.

    Args:
        secrets: those of 3 to 5 characters are hidden only as the whole value of a mapping; shorter ones are
            left out, and so are plain addresses (`http://host:port`), which say where something is and not
            how to get in.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        secrets = frozenset(secrets)
        self._short = frozenset(each for each in secrets if SHORTEST_WHOLE <= len(each) < SHORTEST)
        self._hide(frozenset(secrets))

    def _hide(self, secrets: frozenset[str]) -> None:
        self._secrets = secrets
        hidden = {secret for secret in secrets if len(secret) >= SHORTEST and not _ADDRESS.fullmatch(secret)}
        self._forms = sorted({form for secret in hidden for form in spellings(secret)}, key=len, reverse=True)
        self._longest = len(self._forms[0]) if self._forms else 0
        self._by_start: dict[str, list[str]] = {}
        for form in self._forms:
            self._by_start.setdefault(form[:SHORTEST], []).append(form)

    def text(self, text: str) -> str:
        """`text` without them."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return self._without_cut(text) if _CUT in text else text

    def __call__(self, value: T) -> T:
        """`value` with every text inside it without them: records, lists and the values of mappings.

        In a mapping, a text under a name that says it is a credential is hidden whole.
        """
        return cast("T", self._walk(value))

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if isinstance(value, Enum) else self.text(value)
        if value is None or isinstance(value, (int, float, Enum)):
            return value
        if isinstance(value, tuple):
            return _same_or(value, tuple(map(self._walk, value)))
        if isinstance(value, list):
            return list(map(self._walk, value))
        if isinstance(value, Mapping):
            return _same_or(value, {key: self._named(key, inner) for key, inner in value.items()})
        return self._record(value) if is_dataclass(value) else value

    def _named(self, name: Any, value: Any) -> Any:
        is_short = type(value) is str and value in self._short
        return MASK if is_short or _is_credential(name, value) else self._walk(value)

    def _record(self, value: Any) -> Any:
        changes = {}
        kind: Any = type(value)
        for name in _texts_of(kind):
            before = getattr(value, name)
            if before and (after := self._walk(before)) is not before and after != before:
                changes[name] = after
        return replace(value, **changes) if changes else value

    def _without_cut(self, text: str) -> str:
        """A text that was shortened, or parts of it before, may break off in the middle of a secret."""
        *heads, last = text.split(_CUT)
        return _CUT.join((*map(self._broken_off, heads), last))

    def _broken_off(self, head: str) -> str:
        # A text that is shortened again may be cut within the mark.
        marked = head.removesuffix("(").removesuffix("…")
        for place in range(max(len(marked) - self._longest, 0), len(marked) - SHORTEST + 1):
            for form in self._by_start.get(marked[place : place + SHORTEST], ()):
                if form.startswith(marked[place:]):
                    return marked[:place] + MASK + head[len(marked) :]
        return head


class Redactor(Values):
    """Replaces secrets by `***`; what holds none is given back as it is, the same object.

    Args:
        secrets: the exact values, as of `Values`; what looks like a credential is hidden beside them.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__(secrets)
        self._last: Any = None

    def _hide(self, secrets: frozenset[str]) -> None:
        super()._hide(secrets)
        whole = (f"(?m:^{_literal(each)}$)" for each in sorted(self._short))
        shapes = (shape.hint for shape in _SHAPES)
        self._may_hold = _finder("|".join([*map(_literal, self._forms), *whole, *shapes]))

    def learn(self, secrets: Iterable[str]) -> None:
        """Hide these as well from now on; none is ever forgotten."""
        if more := set(secrets) - self._secrets:
            self._hide(self._secrets | more)

    def text(self, text: str) -> str:
        """`text` without secrets; doing it again changes nothing."""
        found = self._may_hold(text)
        if found or _CUT in text:
            text = super().text(text)
        if found:
            for may_hold, shape in _hinted_shapes():
                if may_hold(text):
                    text = shape.pattern.sub(shape.replacement, text)
        return text

    def __call__(self, value: T) -> T:
        """`value` with every text inside it redacted: records, lists and the values of mappings.

        In a mapping, a text under a name that says it is a credential is hidden whole.
        """
        # A recording comes twice: on its way to whoever watches, and on its way into the store.
        if value is not self._last:
            self._last = self._walk(value) if self._is_suspicious(value) else value
        return self._last

    def _is_suspicious(self, value: Any) -> bool:
        """Whether taking `value` apart could change anything; told from all its texts in one go."""
        texts: list[str] = []
        if _gather(value, texts):
            return True
        if not texts:
            return False
        together = "\n".join(texts)
        if self._may_hold(together):
            return True
        return _CUT in together and any(_CUT in text and self._without_cut(text) != text for text in texts)


def _gather(value: Any, texts: list[str]) -> bool:
    """Put every text inside `value` into `texts`; True once there is something to be looked at by itself.

    That is a text under the name of a credential, and what looks like text but is of a kind of its own.
    """
    kind: Any = type(value)
    parts: Iterable[Any]
    if take := _taker(kind):
        parts = take(value)
    elif kind is tuple or kind is list:
        parts = value
    elif kind is dict or isinstance(value, Mapping):
        if _name_a_credential(tuple(value)) and any(map(_is_credential, value, value.values())):
            return True
        parts = value.values()
    elif kind is str:
        parts = [value]
    else:
        return isinstance(value, (str, tuple, list)) and not isinstance(value, Enum)
    for part in parts:
        kind = type(part)
        if kind is str:
            texts.append(part)
        elif part and kind not in _TEXTLESS and _gather(part, texts):
            return True
    return False


@cache
def _hinted_shapes() -> tuple[tuple[Callable[[str], bool], _Shape], ...]:
    return tuple((_finder(shape.hint), shape) for shape in _SHAPES)


def _finder(pattern: str) -> Callable[[str], bool]:
    """Whether a text has a pattern of RE2 in it, told in one pass."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _FINDER_MEMORY + _FINDER_MEMORY_EACH * len(pattern)
    search = re2.compile(pattern, options).search

    def is_in(text: str) -> bool:
        try:
            return search(text) is not None
        except UnicodeEncodeError:
            return True  # lone surrogates, which RE2 does not read

    return is_in


def _literal(text: str) -> str:
    """A text as a pattern of RE2."""
    import re2

    return str(re2.escape(text))


def _same_or(before: Any, after: Any) -> Any:
    return before if after == before else after


@lru_cache(4_096)
def _name_a_credential(names: tuple[object, ...]) -> bool:
    return any(map(is_secret_name, names))


def _is_credential(name: object, value: Any) -> bool:
    """Whether a text is one by its name alone; of a value that was extracted `31 characters` is kept."""
    if not is_secret_name(name) or not isinstance(value, str):
        return False
    return value not in ("", MASK) and not value.endswith(" characters")


@cache
def _taker(kind: Any) -> Callable[[Any], tuple[Any, ...]] | None:
    """What takes the texts of `_texts_of` out of a record; None when there are none."""
    match _texts_of(kind):
        case ():
            return None
        case (name,):
            return lambda record: (getattr(record, name),)
        case names:
            return attrgetter(*names)


@cache
def _texts_of(kind: Any) -> tuple[str, ...]:
    """The fields of a record that may hold foreign text; identifiers are the configuration's own."""
    if kind is Point or not is_dataclass(kind):
        return ()  # names and labels of points are the configuration's own, too
    own = ("id", "trace_id", "span_id", "parent_id", "workflow_id", "rule_id", "step_id", "key")
    types = get_type_hints(kind)
    return tuple(
        field.name for field in fields(kind) if field.name not in own and _has_text(types[field.name])
    )


def _has_text(type_: Any) -> bool:
    """Whether values of an annotated type may have text in them."""
    if parts := get_args(type_):
        return any(map(_has_text, parts))
    if isinstance(type_, type) and is_dataclass(type_):
        return bool(_texts_of(type_))
    return type_ in (str, Any)
