"""Searches of log lines as rules have them, tried in memory on each line as it is recorded.

The language is that of the log view without its times and numbers: words, `"phrases"`, `prefix*`, `-not`,
`/patterns/` and `/patterns/i` (RE2), `level:error`, `level:warning+` (and above), `source:nginx`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from engine.model import LogLevel, LogRecord
from engine.patterns import LINE_CAP, compile_pattern, encodable
from engine.text import nearest, plain

MAX_TERMS = 16
MAX_COUNT = 1_000
MAX_KEPT = 20_000
SOURCE = "source:"
_LEVELS = {level.label: level for level in LogLevel} | {
    "warn": LogLevel.WARNING,
    "err": LogLevel.ERROR,
    "critical": LogLevel.FATAL,
}
_TOKEN = re.compile(r'-?(?:/(?:\\.|[^/\\])+/i?(?=\s|$)|(?:[a-z]+:)?"[^"]*(?:"\*?|$))|\S+', re.IGNORECASE)
_FILTER = re.compile(r'(level|source|[a-z]+):"?(.*?)"?', re.IGNORECASE)
_PATTERN = re.compile(r"/(.+)/(i?)")
_WORDS = re.compile(r"[^\W_]+")
_ELSEWHERE = ("workflow", "trace", "span", "execution", "since", "until")


@dataclass(frozen=True, slots=True)
class LineSearch:
    """A search taken apart; words are in lower case and begin and end with a space, prefixes only begin."""

    level: LogLevel | None = None
    and_above: bool = False
    source: str | None = None
    words: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    unwanted_patterns: tuple[str, ...] = ()

    def fits(self, record: LogRecord) -> bool:
        """Whether the line is one of those that are looked for; its first 8,192 characters count."""
        if self.level is not None and not (
            record.level >= self.level if self.and_above else record.level == self.level
        ):
            return False
        if self.source is not None and record.source != self.source:
            return False
        text = encodable(record.message[:LINE_CAP])
        if self.words or self.unwanted:
            folded = _folded(text)
            if not all(word in folded for word in self.words) or any(w in folded for w in self.unwanted):
                return False
        return all(compile_pattern(pattern).search(text) for pattern in self.patterns) and not any(
            compile_pattern(pattern).search(text) for pattern in self.unwanted_patterns
        )


@lru_cache(maxsize=1024)
def parse_search(text: str) -> LineSearch:
    """Take a search apart.

    Raises:
        ValueError: with a sentence that says what is wrong and what to write.
    """
    tokens = [found[0] for found in _TOKEN.finditer(encodable(text))]
    if not tokens or len(tokens) > MAX_TERMS:
        raise ValueError(f"a search has 1 to {MAX_TERMS} parts, found {len(tokens)}")
    found: dict[str, list[str]] = {"": [], "-": [], "/": [], "-/": []}
    level, and_above, source = None, False, None
    for token in tokens:
        minus, body = ("-", token[1:]) if token.startswith("-") and len(token) > 1 else ("", token)
        if pattern := _PATTERN.fullmatch(body):
            written = f"(?i){pattern[1]}" if pattern[2] else pattern[1]
            compile_pattern(written)
            found[f"{minus}/"].append(written)
        elif (name := _FILTER.fullmatch(body)) and name[1].lower() in ("level", "source", *_ELSEWHERE):
            if minus or name[1].lower() in _ELSEWHERE:
                raise ValueError(f"`{plain(token, 60)}` cannot be part of a rule's search; leave it out")
            if name[1].lower() == "source":
                source = name[2]
            else:
                level, and_above = _level(name[2])
        else:
            found[minus].append(_term(body))
    if not (found[""] or found["/"] or level or source):
        raise ValueError("a search cannot only exclude; add a word, or a filter such as level:error")
    return LineSearch(level, and_above, source, *(tuple(terms) for terms in found.values()))


class LineBook:
    """When lines came that rules look for, by search and by whom they are about.

    A line is about the workflow that left it, or about `source:NAME` when it was read from files. At most the
    newest 1,000 times are kept of each pair, and at most 20,000 pairs; those that are quiet longest go first.

    Args:
        searches: all that anybody will ask for; an empty one takes every line.
    """

    def __init__(self, searches: Iterable[str]) -> None:
        self._searches = {text: _readable(text) for text in searches}
        self._times: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        self._newest: dict[tuple[str, str], tuple[float, str]] = {}
        self._heartbeats: dict[str, float] = {}

    def add(self, records: Iterable[LogRecord]) -> None:
        """Take in lines as they are recorded."""
        for record in records:
            subject = record.workflow_id or (f"{SOURCE}{record.source}" if record.source else "")
            if record.workflow_id and record.fields.get("signal") == "success":
                self._heartbeats[record.workflow_id] = record.at
            for text, search in self._searches.items():
                if search is not None and subject and search.fits(record):
                    self._note((text, subject), record)

    def count(self, search: str, subject: str, since: float) -> int:
        """How many fitting lines there were from `since` on, at most 1,000."""
        times = self._times.get((search, subject), ())
        return len(times) - bisect_left(times, since)

    def newest(self, search: str, subject: str) -> tuple[float, str] | None:
        """When the fitting line that came last was written, and its text."""
        return self._newest.get((search, subject))

    def heartbeat(self, workflow_id: str) -> float | None:
        """When the workflow's job last said that it succeeded."""
        return self._heartbeats.get(workflow_id)

    def take_over(self, before: LineBook) -> None:
        """Go on with the lines of another, of the searches that are asked for here, too."""
        self._heartbeats.update(before._heartbeats)
        for key, times in before._times.items():
            if key[0] in self._searches:
                self._times[key] = times
                self._newest[key] = before._newest[key]

    def _note(self, key: tuple[str, str], record: LogRecord) -> None:
        times = self._times.get(key)
        if times is None:
            if len(self._times) == MAX_KEPT:
                del self._newest[self._times.popitem(last=False)[0]]
            times = self._times[key] = []
        # Files of several sources are not read in the order of their lines.
        insort(times, record.at)
        if len(times) > MAX_COUNT:
            del times[0]
        self._times.move_to_end(key)
        self._newest[key] = record.at, plain(record.message, 200)


def _readable(text: str) -> LineSearch | None:
    """None for a search that cannot be read, which fails when its rule is evaluated."""
    try:
        return parse_search(text) if text else LineSearch()
    except ValueError:
        return None


def _level(written: str) -> tuple[LogLevel, bool]:
    name = written.lower().removesuffix("+")
    if name not in _LEVELS:
        near = nearest(name, _LEVELS)
        hint = f"did you mean {near}?" if near else f"there is {', '.join(_LEVELS)}"
        raise ValueError(f"there is no level `{plain(name, 40)}`; {hint}")
    return _LEVELS[name], written.endswith("+")


def _term(written: str) -> str:
    prefix = written.endswith("*")
    folded = _folded(written)
    if not folded.strip():
        raise ValueError(f"`{plain(written, 60)}` has no letters or digits to look for")
    return folded.rstrip(" ") if prefix else folded


@lru_cache(maxsize=16)
def _folded(text: str) -> str:
    """Words in small letters without accents, a space around each."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return f" {' '.join(_WORDS.findall(text.lower()))} "
