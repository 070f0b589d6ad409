"""RE2 patterns: linear in the length of the text, whatever the pattern."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from engine.text import own_words

LINE_CAP = 8_192
MAX_MEMORY = 8 * 1024 * 1024


class Pattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str) -> object | None: ...


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> Pattern:
    """The compiled pattern; case counts unless it starts with `(?i)`.

    Raises:
        ValueError: with a sentence, for what RE2 does not take (look-around, back references, bad syntax).
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        compiled: Pattern = re2.compile(text, options)
    except re2.error as error:
        reason = (
            error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else own_words(error)
        )
        raise ValueError(
            f"the pattern cannot be used: {reason}; "
            "write it in RE2 syntax, without look-around or back references"
        ) from error
    except UnicodeEncodeError:
        raise ValueError("the pattern has a character that is no valid text; remove it") from None
    return compiled


def found(pattern: str, text: str) -> bool:
    """Whether the pattern occurs in the first 8,192 characters of `text`. Raises ValueError as above."""
    line = text[:LINE_CAP].encode("utf-8", "replace").decode()
    return compile_pattern(pattern).search(line) is not None
