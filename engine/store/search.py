"""What a person types into a log search, made into a question SQLite can answer.

Words, `"phrases"`, `prefix*`, `-not`, patterns `/re2/` (`/re2/i` for any case), and filters:
`level:error`, `level:warning+` (and above), `workflow:login`, `source:nginx`, `execution:42`, `trace:` and
its 32 hexadecimal digits or the first 8 or more of them, `span:` and its 16, `since:1h`,
`until:2026-11-21T03:00` (see `engine.moments`). Nothing typed reaches SQLite unquoted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import NoReturn

from engine.errors import QueryError
from engine.model import LogLevel
from engine.moments import EXAMPLES, is_clock_time, moment
from engine.patterns import PatternError, compile_pattern, encodable
from engine.text import nearest, plain

MAX_LENGTH = 256
MAX_TERMS = 16
PATTERN_CANDIDATES = 20_000
"""Newest lines, of those that fit the rest of a search, that its patterns are tried on."""

_LEVELS = {level.label: level for level in LogLevel} | {
    "warn": LogLevel.WARNING,
    "err": LogLevel.ERROR,
    "critical": LogLevel.FATAL,
}
_HINTS = {
    "level": f"level: and one of {', '.join(level.label for level in LogLevel)}, with a + for that and above",
    "workflow": "the identifier of a workflow, such as workflow:user-login",
    "source": "the name of a source, such as source:nginx",
    "trace": "trace: and the 32 hexadecimal digits of a trace, or the first 8 or more of them",
    "span": "span: and the 16 hexadecimal digits of a span",
    "execution": "the number of an execution, such as execution:42",
    "since": f"since: and one of {EXAMPLES}",
    "until": f"until: and one of {EXAMPLES}",
}
_PATTERN = r"/(?:\\.|[^/\\])+/i?"
_NAMES = "|".join(_HINTS)
_TOKEN = re.compile(
    rf'-?(?:{_PATTERN}(?=\s|$)|(?:(?:{_NAMES}):)?"[^"]*(?:"\*?|$))|\S+', re.IGNORECASE | re.DOTALL
)
_IS_PATTERN = re.compile(rf"(-?)({_PATTERN})", re.DOTALL)
_FILTER = re.compile(rf"(-?)({_NAMES}):(.*)", re.IGNORECASE | re.DOTALL)
_TRACE = re.compile(r"[0-9a-f]{8,32}")
_SPAN = re.compile(r"[0-9a-f]{16}")
_WORDS_HINT = 'type a word, a number, "a phrase" or /a pattern/'


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A search taken apart.

    Args:
        match: the FTS5 expression, None when there is nothing to look up.
        exclude: likewise the words that no line may have when there is no `match` to take them from.
        trace_prefix: at least 8 digits that the trace begins with; `trace_id` is None then.
        since: seconds since the epoch, as is `until`; a line is wanted when since ≤ its time < until.
        patterns: RE2 patterns that a line must have, and `unwanted_patterns` those it must not; `accepts`
            tries them.
        phrases: the words and phrases to highlight, as FTS5 takes them.
    """

    match: str | None = None
    exclude: str | None = None
    level: LogLevel | None = None
    and_above: bool = False
    workflow_id: str | None = None
    source: str | None = None
    trace_id: str | None = None
    trace_prefix: str | None = None
    span_id: str | None = None
    execution_id: int | None = None
    since: float | None = None
    until: float | None = None
    patterns: tuple[str, ...] = ()
    unwanted_patterns: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()

    @property
    def has_patterns(self) -> bool:
        """Whether `accepts` has a say."""
        return bool(self.patterns or self.unwanted_patterns)

    def accepts(self, message: str) -> bool:
        """Whether the patterns let the line through; words and filters are SQLite's affair."""
        text = encodable(message)
        return all(compile_pattern(pattern).search(text) for pattern in self.patterns) and not any(
            compile_pattern(pattern).search(text) for pattern in self.unwanted_patterns
        )


def parse(query: str, now: float, zone: tzinfo | None = None) -> LogQuery:
    """Take `query` apart.

    Args:
        now: seconds since the epoch, what ages count back from.
        zone: of the dates and times in it; the machine's when None.

    Raises:
        QueryError: it cannot be asked; the hint quotes what was typed and says what to type.
    """
    if len(query) > MAX_LENGTH:
        _refuse(query, f"the search is longer than {MAX_LENGTH} characters", "type fewer words")
    tokens = [found[0] for found in _TOKEN.finditer(encodable(query.replace("\0", " ")))]
    if len(tokens) > MAX_TERMS:
        _refuse(query, f"the search has more than {MAX_TERMS} parts", "type fewer words")
    filters: dict[str, tuple[str, str]] = {}
    patterns: tuple[list[str], list[str]] = ([], [])
    words: tuple[list[str], list[str]] = ([], [])
    for token in tokens:
        if found := _IS_PATTERN.fullmatch(token):
            patterns[bool(found[1])].append(_pattern(token, found[2]))
        elif found := _FILTER.fullmatch(token):
            _add_filter(filters, token, *found.groups())
        elif token.startswith("-") and len(token) > 1:
            words[True].append(_quoted(token[1:], token))
        else:
            words[False].append(_quoted(token, token))
    if (words[True] or patterns[True]) and not (words[False] or patterns[False] or filters):
        _refuse(
            query, "a search cannot only exclude", "add a word to look for, or a filter such as level:error"
        )
    return _assemble(filters, patterns, words, now, zone)


def _assemble(
    filters: Mapping[str, tuple[str, str]],
    patterns: tuple[Sequence[str], Sequence[str]],
    words: tuple[Sequence[str], Sequence[str]],
    now: float,
    zone: tzinfo | None,
) -> LogQuery:
    level, and_above = _level(*filters["level"]) if "level" in filters else (None, False)
    workflow_id = filters["workflow"][1] if "workflow" in filters else None
    trace = _digits("trace", _TRACE, filters)
    since, until = _range(filters, now, zone)
    match, exclude = _expressions(words, workflow_id)
    return LogQuery(
        match=match,
        exclude=exclude,
        level=level,
        and_above=and_above,
        workflow_id=workflow_id,
        source=filters["source"][1] if "source" in filters else None,
        trace_id=trace if trace and len(trace) == 32 else None,
        trace_prefix=trace if trace and len(trace) < 32 else None,
        span_id=_digits("span", _SPAN, filters),
        execution_id=_execution(*filters["execution"]) if "execution" in filters else None,
        since=since,
        until=until,
        patterns=tuple(dict.fromkeys(patterns[False])),
        unwanted_patterns=tuple(dict.fromkeys(patterns[True])),
        phrases=tuple(dict.fromkeys(words[False])),
    )


def _expressions(
    words: tuple[Sequence[str], Sequence[str]], workflow_id: str | None
) -> tuple[str | None, str | None]:
    """What to match, and what to leave out when there is nothing to match."""
    positive = [f"{{message}} : {phrase}" for phrase in words[False]]
    # The index narrows the lines down; the column is compared afterwards, for `a-b-c` has the words of `a-b`.
    if workflow_id and _has_words(workflow_id):
        positive.append(f"{{workflow_id}} : {_quote(workflow_id)}")
    match = " AND ".join(positive) or None
    if not words[True]:
        return match, None
    negative = f"{{message}} : ({' OR '.join(words[True])})"
    return (f"({match}) NOT {negative}", None) if match else (None, negative)


def _refuse(typed: str, message: str, advice: str) -> NoReturn:
    raise QueryError(message, f"instead of {plain(typed, 60)}, {advice}")


def _add_filter(filters: dict[str, tuple[str, str]], token: str, minus: str, name: str, value: str) -> None:
    name, value = name.lower(), value.strip('"').strip()
    if minus:
        _refuse(
            token, f"{name}: cannot be excluded", "type what is to be shown; - excludes words and patterns"
        )
    if not value:
        _refuse(token, f"{name}: has no value", f"type {_HINTS[name]}")
    if filters.setdefault(name, (token, value))[1] != value:
        _refuse(
            f"{filters[name][0]} {token}",
            f"{name}: is given twice",
            "type one of them: no line can have both",
        )


def _quoted(token: str, typed: str) -> str:
    """The words as a phrase that FTS5 takes."""
    star = token.endswith("*") and len(token) > 1
    body = token[:-1] if star else token
    if body.startswith('"'):
        body = body[1:].removesuffix('"')
    if not _has_words(body):
        what = plain(token, 60) if token.strip('"').strip() else "an empty phrase"
        _refuse(typed, f"{what} has no letters or digits to look for", _WORDS_HINT)
    return _quote(body) + ("*" if star else "")


def _quote(body: str) -> str:
    return '"' + body.replace('"', '""') + '"'


def _has_words(body: str) -> bool:
    """Whether the tokenizer finds anything: letters, digits and private signs; all else separates."""
    return any(unicodedata.category(char)[0] in "LN" or unicodedata.category(char) == "Co" for char in body)


def _pattern(token: str, typed: str) -> str:
    body, _, flag = typed[1:].rpartition("/")
    pattern = f"(?i){body}" if flag else body
    try:
        compile_pattern(pattern)
    except PatternError as error:
        _refuse(
            token,
            f"the pattern cannot be used: {plain(error.reason, 100)}",
            "type a pattern in RE2 syntax, without look-around or back references, or the words in quotes",
        )
    return pattern


def _level(token: str, value: str) -> tuple[LogLevel, bool]:
    name = value.lower().removesuffix("+")
    if name not in _LEVELS:
        near = nearest(name, _LEVELS)
        meant = f"level:{near}, or " if near else ""
        _refuse(token, f"there is no level {plain(value, 40)}", f"type {meant}{_HINTS['level']}")
    return _LEVELS[name], value.endswith("+")


def _digits(name: str, shape: re.Pattern[str], filters: Mapping[str, tuple[str, str]]) -> str | None:
    if name not in filters:
        return None
    token, value = filters[name]
    if not shape.fullmatch(value.lower()):
        _refuse(token, f"{plain(value, 40)} is not a {name}", f"type {_HINTS[name]}")
    return value.lower()


def _execution(token: str, value: str) -> int:
    digits = value.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        _refuse(token, f"{plain(value, 40)} is not the number of an execution", f"type {_HINTS['execution']}")
    return int(digits)


def _range(
    filters: Mapping[str, tuple[str, str]], now: float, zone: tzinfo | None
) -> tuple[float | None, float | None]:
    """From the beginning of what `since:` names to the end of what `until:` does: a day is in it whole."""
    since = _moment("since", filters, now, zone)[0]
    until = _moment("until", filters, now, zone)[1]
    if since is not None and until is not None and until <= since:
        if is_clock_time(filters["until"][1]):
            # `since:23:00 until:01:00` goes over midnight.
            until = _moment("until", filters, since + 86_400.0, zone)[1]
        if until is None or until <= since:
            typed = f"{filters['since'][0]} {filters['until'][0]}"
            _refuse(
                typed, "no time lies between since: and until:", "type an earlier since: or a later until:"
            )
    return since, until


def _moment(
    name: str, filters: Mapping[str, tuple[str, str]], now: float, zone: tzinfo | None
) -> tuple[float, float] | tuple[None, None]:
    if name not in filters:
        return None, None
    token, value = filters[name]
    try:
        return moment(value, now, zone)
    except ValueError:
        _refuse(token, f"{plain(value, 40)} is not a time", f"type {_HINTS[name]}")
