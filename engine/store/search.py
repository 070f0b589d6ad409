"""What a person types into a log search, made into a question SQLite can answer.

Words, `"phrases"`, `prefix*`, `-not`, and the filters `level:error`, `level:warning+` (and above),
`workflow:login`, `trace:<32 hex digits>`, `execution:42`, `since:1h`. Nothing typed reaches SQLite unquoted.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from engine.errors import QueryError
from engine.model import LogLevel

MAX_LENGTH = 256
MAX_TERMS = 16

_TOKEN = re.compile(r'-?(?:(?:level|workflow|trace|execution|since):)?"[^"]*(?:"\*?|$)|\S+', re.IGNORECASE)
_FILTER = re.compile(r"(-?)(level|workflow|trace|execution|since):(.*)", re.IGNORECASE | re.DOTALL)
_AGE = re.compile(r"(?:\d{1,6}(?:\.\d{1,3})?[smhdw])+")
_AGE_PART = re.compile(r"([\d.]+)([smhdw])")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_LEVELS = {level.label: level for level in LogLevel} | {
    "warn": LogLevel.WARNING,
    "err": LogLevel.ERROR,
    "critical": LogLevel.FATAL,
}
_TRACE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A search taken apart.

    `match` is the FTS5 expression, None when there is nothing to look up; `exclude` likewise holds words
    that no line may have when there is no `match` to take them from. `since` is seconds since the epoch.
    """

    match: str | None = None
    exclude: str | None = None
    level: LogLevel | None = None
    and_above: bool = False
    workflow_id: str | None = None
    trace_id: str | None = None
    execution_id: int | None = None
    since: float | None = None
    terms: tuple[str, ...] = ()


def parse(query: str, now: float) -> LogQuery:
    """Take `query` apart; `now` (seconds since the epoch) is what `since:` counts back from.

    Raises:
        QueryError: it cannot be asked; the hint says how to ask.
    """
    if len(query) > MAX_LENGTH:
        raise QueryError(f"the search is longer than {MAX_LENGTH} characters", "use fewer words")
    tokens = _TOKEN.findall(query.replace("\0", " ").encode("utf-8", "replace").decode())
    if len(tokens) > MAX_TERMS:
        raise QueryError(f"the search has more than {MAX_TERMS} parts", "use fewer words")
    filters: dict[str, str] = {}
    wanted: list[tuple[str, str]] = []
    unwanted: list[str] = []
    for token in tokens:
        if found := _FILTER.fullmatch(token):
            _add_filter(filters, *found.groups())
        elif token.startswith("-") and len(token) > 1:
            unwanted.append(_quoted(token[1:])[1])
        else:
            wanted.append(_quoted(token))
    return _assemble(filters, wanted, unwanted, now)


def _assemble(
    filters: dict[str, str], wanted: list[tuple[str, str]], unwanted: list[str], now: float
) -> LogQuery:
    if unwanted and not wanted and not filters:
        raise QueryError(
            "a search cannot only exclude", "add a word to look for, or a filter such as level:error"
        )
    level, and_above = _level(filters["level"]) if "level" in filters else (None, False)
    workflow_id = filters.get("workflow")
    positive = [f"{{message}} : {phrase}" for _, phrase in wanted]
    # The index narrows the lines down; the column is compared afterwards, for `a-b-c` has the words of `a-b`.
    if workflow_id and _has_words(workflow_id):
        positive.append(f"{{workflow_id}} : {_quote(workflow_id)}")
    match, exclude = " AND ".join(positive) or None, None
    if unwanted:
        negative = f"{{message}} : ({' OR '.join(unwanted)})"
        match, exclude = (f"({match}) NOT {negative}", None) if match else (None, negative)
    return LogQuery(
        match=match,
        exclude=exclude,
        level=level,
        and_above=and_above,
        workflow_id=workflow_id,
        trace_id=_trace(filters["trace"]) if "trace" in filters else None,
        execution_id=_execution(filters["execution"]) if "execution" in filters else None,
        since=now - _age(filters["since"]) if "since" in filters else None,
        terms=tuple(dict.fromkeys(term for term, _ in wanted)),
    )


def _add_filter(filters: dict[str, str], minus: str, name: str, value: str) -> None:
    name, value = name.lower(), value.strip('"').strip()
    if minus:
        raise QueryError(f"{name}: cannot be excluded", "filters say what to show; - excludes words")
    if not value:
        raise QueryError(f"{name}: has no value", _HINTS[name])
    if filters.setdefault(name, value) != value:
        raise QueryError(f"{name}: is given twice", "no line can have both; keep one")


_HINTS = {
    "level": f"one of {', '.join(level.label for level in LogLevel)}; a closing + means that and above",
    "workflow": "the identifier of a workflow, such as workflow:user-login",
    "trace": "the 32 hexadecimal digits of a trace",
    "execution": "the number of an execution, such as execution:42",
    "since": "an age such as since:90s, since:15m, since:1h30m or since:7d",
}


def _quoted(token: str) -> tuple[str, str]:
    """The words to highlight, and the phrase as FTS5 takes it."""
    star = token.endswith("*") and len(token) > 1
    body = token[:-1] if star else token
    if body.startswith('"'):
        body = body[1:].removesuffix('"')
    if not _has_words(body):
        shown = f"{token} has" if token.strip('"').strip() else "an empty phrase has"
        raise QueryError(
            f"{shown} no letters or digits to look for", 'search for words, numbers or "phrases"'
        )
    return body.strip(), _quote(body) + ("*" if star else "")


def _quote(body: str) -> str:
    return '"' + body.replace('"', '""') + '"'


def _has_words(body: str) -> bool:
    """Whether the tokenizer finds anything: letters and digits count, signs and emoji separate."""
    return any(unicodedata.category(char)[0] in "LN" for char in body)


def _level(value: str) -> tuple[LogLevel, bool]:
    name = value.lower().removesuffix("+")
    if name not in _LEVELS:
        raise QueryError(f"there is no level {value}", _HINTS["level"])
    return _LEVELS[name], value.endswith("+")


def _trace(value: str) -> str:
    if not _TRACE.fullmatch(value.lower()):
        raise QueryError(f"{value} is not a trace", _HINTS["trace"])
    return value.lower()


def _execution(value: str) -> int:
    digits = value.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise QueryError(f"{value} is not the number of an execution", _HINTS["execution"])
    return int(digits)


def _age(value: str) -> float:
    if not _AGE.fullmatch(value.lower()):
        raise QueryError(f"{value} is not an age", _HINTS["since"])
    return sum(float(number) * _UNITS[unit] for number, unit in _AGE_PART.findall(value.lower()))
