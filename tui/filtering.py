"""What is typed behind `/` in a list: words, phrases and patterns, each of which may be turned round."""

from __future__ import annotations

import re
from collections.abc import Callable

from engine.patterns import PatternError, compile_pattern, encodable

LONGEST = 200
"""Characters of a filter."""

_TERM = re.compile(r'(!?)(?:/((?:\\.|[^/\\])+)(?:/|$)|"([^"]*)(?:"|$)|(\S+))')

Test = Callable[[str], bool]


def compile_filter(text: str) -> Test | None:
    """Whether a line passes: it has every word, phrase in quotes and `/pattern/`, and nothing after a `!`.

    Case does not count. None for a filter that says nothing yet, such as a lone `!` or `/`.

    Raises:
        PatternError: with a sentence, for a pattern that RE2 does not take.
    """
    tests = [test for match in _TERM.finditer(text[:LONGEST]) if (test := _term(*match.groups())) is not None]
    if not tests:
        return None
    return lambda line: all(test(line) for test in tests)


def _term(inverse: str, pattern: str | None, phrase: str | None, word: str | None) -> Test | None:
    if pattern is not None:
        search = compile_pattern(f"(?i){pattern}").search
        return lambda line: (search(encodable(line)) is None) is bool(inverse)
    wanted = (word if phrase is None else phrase) or ""
    if not wanted.strip('/!"'):
        return None
    folded = wanted.casefold()
    return lambda line: (folded in line.casefold()) is not bool(inverse)


__all__ = ["LONGEST", "PatternError", "compile_filter"]
