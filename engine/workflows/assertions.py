"""Expectations on what a step returned: `status == 200`, `duration < 800ms`, `json.items[0].name == 'x'`.

A path that leads nowhere is *missing*: it equals null and passes nothing else, negated or not. Either side
may be a placeholder: `json.id == {{ login.id }}`, `{{ env.region }} == 'eu'`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from engine.lines import spelled
from engine.model import Assertion, Scalar
from engine.patterns import Pattern, compile_pattern, encodable
from engine.redaction import is_secret_name
from engine.text import plain
from engine.workflows.difference import list_difference, text_difference
from engine.workflows.fieldpath import MISSING, SCOPE, FieldPath, parse_path, scan_path
from engine.workflows.literals import Expected, parse_literal
from engine.workflows.templates import Scope, has_placeholders, render

TEXT_LIMIT = 2_000
SHOWN_LIMIT = 60
DIGITS = 6
"""Of seconds, at most: a microsecond."""
EMPTY: Scope = MappingProxyType({})
MATCH_LIMIT = 1_048_576
EXTRACT_LIMIT = 65_536

TIMINGS = frozenset(
    {"duration", "dns", "connect", "tls", "first_byte", "transfer"} | {"rtt", "rtt_min", "rtt_max", "jitter"}
)
"""Fields that are seconds. Missing an expectation on one of them is `degraded`: slow is not down."""

REMAINING = frozenset({"expires_in", "chain_expires_in"})
"""Fields that are seconds, too, but until something ends; below zero when it has ended."""

_OPERATOR = re.compile(r"\s*(==|!=|<=|>=|<|>|(?:not\s+)?(?:in|contains|matches)\b)\s*")
_LENGTH = re.compile(r"len\(\s*")
_CLOSING = re.compile(r"\s*\)")
_NEGATION = re.compile(r"not\s+(?!in\b|contains\b|matches\b)")
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Expectation:
    """A parsed expectation; `left` and `right` are its sides as they are shown, `right` with its operator."""

    text: str
    path: FieldPath
    length: bool
    negated: bool
    operator: str
    expected: Expected
    pattern: Any
    left: str
    right: str
    is_soft: bool = False
    """Whether failing it means degraded rather than failed."""

    @property
    def root(self) -> str:
        """The field it looks at, such as `status` or `json`."""
        return self.path.root

    def filled_in(self, scope: Scope) -> Expectation:
        """The same with the placeholders of its right side filled in.

        Raises:
            CheckError: a placeholder names nothing that is known.
            ValueError: what was filled in is no pattern.
        """
        if not has_placeholders(self.expected):
            return self
        expected = render(self.expected, scope)
        pattern = _pattern(expected) if self.operator == "matches" else None
        return replace(self, expected=expected, pattern=pattern)

    def check(self, fields: Mapping[str, Any], scope: Scope = EMPTY) -> Assertion:
        """Hold it against the fields of a reply, or against `scope` when its left side is a placeholder."""
        path = self.path
        actual = path.find({SCOPE: scope} if path.root == SCOPE else fields)
        if self.length and actual is not MISSING:
            actual = len(actual) if isinstance(actual, (str, list, dict)) else MISSING
        passed = self._holds(actual)
        shown = self._show(actual) if passed else self._difference(actual) or self._show(actual)
        return Assertion(self.text, passed, f"{self.left} ({shown}) {self.right}")

    def _holds(self, actual: Any) -> bool:
        if actual is MISSING:
            is_null = self.expected is None
            return is_null and (self.operator, self.negated) in (("==", False), ("!=", True))
        if isinstance(actual, str) and self.root != "json":
            actual = _as_number(actual, self.expected)
        return self._compare(actual) is not self.negated

    def _compare(self, actual: Any) -> bool:
        match self.operator:
            case "==":
                return _equal(actual, self.expected)
            case "!=":
                return not _equal(actual, self.expected)
            case "in":
                assert isinstance(self.expected, tuple)
                return any(_equal(_as_number(actual, item), item) for item in self.expected)
            case "contains":
                return _contains(actual, self.expected)
            case "matches":
                text = actual if isinstance(actual, str) else _as_text(actual)
                return self.pattern.search(encodable(text[:MATCH_LIMIT])) is not None
        ordered = (_is_number(actual) and _is_number(self.expected)) or (
            isinstance(actual, str) and isinstance(self.expected, str)
        )
        return ordered and _ORDER[self.operator](actual, self.expected)

    def _difference(self, actual: Any) -> str:
        """Where it parts from what was expected, when it is too long to be shown; nothing otherwise."""
        if self.operator != "==" or self.negated or self._is_secret:
            return ""
        if isinstance(actual, str) and isinstance(self.expected, str):
            long = max(len(actual), len(self.expected)) > SHOWN_LIMIT
            return text_difference(actual, self.expected) if long else ""
        if isinstance(actual, list) and isinstance(self.expected, tuple):
            return list_difference(actual, self.expected)
        return ""

    @property
    def _is_secret(self) -> bool:
        return is_secret_name(str(self.path.parts[-1] if self.path.parts else self.root))

    def _show(self, actual: Any) -> str:
        if actual is MISSING:
            return "missing"
        if isinstance(actual, str):
            return f"{len(actual)} characters" if self._is_secret else plain(actual, SHOWN_LIMIT)
        if isinstance(actual, float):
            if self.root in TIMINGS:
                return spelled(self._rounded(actual, 3 if actual < 10 else 1))
            if self.root in REMAINING:
                return f"{'-' if actual < 0 else ''}{spelled(abs(self._rounded(actual, 0)))}"
        text = _as_text(actual)
        return text if isinstance(actual, (int, float)) else plain(text, SHOWN_LIMIT)

    def _rounded(self, actual: float, digits: int) -> float:
        """With `digits`, or as many as it takes to differ from what is expected, on the same side of it."""
        expected = self.expected
        while digits < DIGITS and isinstance(expected, (int, float)):
            shown = round(actual, digits)
            if (shown < expected, shown > expected) == (actual < expected, actual > expected):
                break
            digits += 1
        return round(actual, digits)


@lru_cache(1_024)
def parse_expectation(text: str) -> Expectation:
    """Read an expectation: `[not] path operator value`, or `len(path) operator value`.

    Operators: `== != < <= > >= in contains matches`; `matches` takes an RE2 pattern and searches.
    What has been read is kept: the checks of a file mostly expect the same.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    text = text.strip()
    if len(text) > TEXT_LIMIT:
        raise ValueError(f"an expectation has at most {TEXT_LIMIT} characters")
    negation = _NEGATION.match(text)
    start = negation.end() if negation else 0
    length = _LENGTH.match(text, start)
    path, end = scan_path(text, length.end() if length else start)
    if length:
        closing = _CLOSING.match(text, end)
        if closing is None:
            raise ValueError("len( has no closing )")
        end = closing.end()
    sign = _OPERATOR.match(text, end)
    if sign is None:
        hint = "; did you mean ==?" if text[end:].lstrip().startswith("=") else ""
        raise ValueError(f"after {text[:end]!r} one of == != < <= > >= in contains matches is expected{hint}")
    if sign.end() == len(text):
        raise ValueError(f"after {sign[1]} a value is expected")
    words = sign[1].split()
    expected = parse_literal(text[sign.end() :])
    return Expectation(
        text=text,
        path=path,
        length=length is not None,
        negated=(negation is not None) is not (len(words) == 2),
        operator=words[-1],
        expected=_fitting(words[-1], expected),
        pattern=_pattern(expected) if words[-1] == "matches" and not has_placeholders(expected) else None,
        left=text[:end].rstrip(),
        right=_shown(path.root, sign[1], expected) or text[end:].strip(),
        is_soft=path.root in TIMINGS,
    )


def _shown(root: str, sign: str, expected: Expected) -> str:
    """A side that is a time; empty when it is none."""
    if root not in TIMINGS | REMAINING or not isinstance(expected, (int, float)) or expected < 0:
        return ""
    return f"{sign} {spelled(expected)}"


@dataclass(frozen=True, slots=True)
class Extraction:
    """What is taken from a reply for later steps: the value at a path, or what a pattern finds in it."""

    path: FieldPath
    pattern: Any = None

    @classmethod
    def of(cls, path: str, pattern: str | None = None) -> Extraction:
        """Read a path, and a pattern in RE2 syntax.

        Raises:
            ValueError: with a sentence.
        """
        return cls(parse_path(path), None if pattern is None else _pattern(pattern))

    def take(self, fields: Mapping[str, Any]) -> Scalar:
        """The value in `fields`; of a pattern its first group, or the whole when it has none.

        Raises:
            ValueError: with a sentence: it is missing, no single value, or longer than 65,536 characters.
        """
        value = self.path.find(fields)
        if self.pattern is None or value is MISSING:
            return _single(self.path.text, value)
        text = value if isinstance(value, str) else _as_text(value)
        match = self.pattern.search(encodable(text[:MATCH_LIMIT]))
        if match is None:
            raise ValueError(f"nothing in {self.path.text} matches the pattern")
        return _single(self.path.text, match[1 if self.pattern.groups else 0] or "")


def extract(path: str, fields: Mapping[str, Any]) -> Scalar:
    """The value at `path`, for later steps.

    Raises:
        ValueError: as `Extraction.take`, or the path cannot be read.
    """
    return Extraction.of(path).take(fields)


def _single(path: str, value: Any) -> Scalar:
    if value is MISSING:
        raise ValueError(f"{path} is missing")
    if isinstance(value, str) and len(value) > EXTRACT_LIMIT:
        raise ValueError(f"{path} has {len(value)} characters, the limit is {EXTRACT_LIMIT}")
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ValueError(f"{path} is {'a list' if isinstance(value, list) else 'an object'}, not one value")


def _fitting(sign: str, expected: Expected) -> Expected:
    if (sign == "in") is not isinstance(expected, tuple) and sign in ("in", "contains", *_ORDER):
        raise ValueError(
            "in takes a list such as [200, 204]" if sign == "in" else f"{sign} does not take a list"
        )
    return expected


def _pattern(expected: Expected) -> Pattern:
    if not isinstance(expected, str):
        raise ValueError("matches takes a pattern in quotes")
    return compile_pattern(encodable(expected))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_number(actual: Any, expected: object) -> Any:
    """Headers and bodies are text: against a number they are read as one where they look like one."""
    if not (isinstance(actual, str) and _is_number(expected)) or len(actual) > 50:
        return actual
    try:
        return float(actual)
    except ValueError:
        return actual


def _equal(actual: Any, expected: Expected) -> bool:
    if isinstance(actual, bool) is not isinstance(expected, bool):
        return False
    return bool(actual == (list(expected) if isinstance(expected, tuple) else expected))


def _contains(actual: Any, expected: Expected) -> bool:
    if isinstance(actual, str):
        return _as_text(expected) in actual
    if isinstance(actual, list):
        return any(_equal(item, expected) for item in actual)
    return isinstance(actual, Mapping) and _as_text(expected) in actual


def _as_text(value: Any) -> str:
    """As JSON writes scalars; containers by their size, since they may be huge."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"list of {len(value)}"
    if isinstance(value, Mapping):
        return f"object of {len(value)}"
    if isinstance(value, int) and abs(value) > 10**30:
        return f"{float(value):g}" if abs(value) < 10**300 else "a huge number"
    return str(value)
