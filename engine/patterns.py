"""RE2 patterns, as people write them in files and searches: linear in the text, whatever the pattern."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Protocol

from engine.text import own_words, plain

LINE_CAP = 8_192
MAX_MEMORY = 8 * 1024 * 1024


class Pattern(Protocol):
    """A compiled pattern; what it is tried on has to be `encodable`."""

    def search(self, text: str) -> Any | None: ...

    def finditer(self, text: str) -> Iterator[Any]: ...


class PatternError(ValueError):
    """A pattern that RE2 does not take; `reason` is why, in its own words."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the pattern cannot be used: {reason}; "
            "write it in RE2 syntax, without look-around or back references"
        )
        self.reason = reason


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> Pattern:
    """The compiled pattern; case counts unless it starts with `(?i)`.

    Raises:
        PatternError: with a sentence, for what RE2 does not take (look-around, back references, bad syntax).
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        compiled: Pattern = re2.compile(text, options)
    except re2.error as error:
        reason = plain(error.args[0], 200) if error.args else own_words(error)
        raise PatternError(reason) from None
    except UnicodeEncodeError:
        raise PatternError("it has a character that is no valid text") from None
    return compiled


def encodable(text: str) -> str:
    """The text, as long as it was, with what UTF-8 cannot hold (lone surrogates) replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def found(pattern: str, text: str) -> bool:
    """Whether the pattern occurs in the first 8,192 characters of `text`. Raises PatternError as above."""
    return compile_pattern(pattern).search(encodable(text[:LINE_CAP])) is not None
