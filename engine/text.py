"""Foreign text is hostile: `clean()` once on the way in, `plain()` at the widget.

Control characters, escape sequences, bidirectional overrides and invisible characters can move the cursor,
write the clipboard or make columns lie. They are removed or shown as pictures, never passed on.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence

LINE_LIMIT = 4_096
DETAIL_LIMIT = 262_144

# CSI; then string sequences (OSC, DCS, SOS, PM, APC) that end on their line; then other escapes, and the
# opening of a string that never ends, whose words stay readable. Each in its 7-bit and 8-bit form. No
# alternative can read past the opening of another sequence, which keeps the scan linear.
_SEQUENCES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\n\x07\x1b\x90\x98\x9b-\x9f]*(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]*[0-~]?"
)
_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
# Everything invisible but the zero-width joiner, without which emoji fall apart.
_INVISIBLE = (
    0x00AD, 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x200B, 0x200C,
    *range(0x2060, 0x2066), *range(0x206A, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0,
    *range(0xFFF0, 0xFFFC),
    *range(0x13430, 0x13440), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000),
)  # fmt: skip


def _table() -> dict[int, int | None]:
    table: dict[int, int | None] = {code: 0x2400 + code for code in range(0x20)}
    table[0x7F] = 0x2421
    table |= dict.fromkeys((*range(0x80, 0xA0), *_BIDI), 0xFFFD)
    table |= dict.fromkeys(_INVISIBLE, None)
    table |= {0x2028: 0x0A, 0x2029: 0x0A, 0x85: 0x0A, 0x09: 0x09, 0x0A: 0x0A}
    return table


_TABLE = _table()
_SUSPECT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029"
    + "".join(chr(code) for code in (*_BIDI, *_INVISIBLE) if code < 0xE0000)
    + "\U000e0000-\U000e0fff]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_MARK = (
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u06d6-\u06dc\u0e34-\u0e3a\u0e47-\u0e4e"
    "\u0eb4-\u0ebc\u0ec8-\u0ece\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
# More than this many combining marks on one letter spill over neighbouring lines.
_ZALGO = re.compile(f"({_MARK}{{3}}){_MARK}+")


def clean(value: str | bytes, limit: int = LINE_LIMIT, *, multiline: bool = False) -> str:
    """Make foreign text safe to store and to show.

    Args:
        value: text, or bytes taken as UTF-8 with replacement.
        limit: characters kept; the rest is counted in a closing `…(+n chars)`.
        multiline: keep line ends (as `\\n`) and tabs; otherwise they become `⏎` and a space.

    Returns:
        Text without control characters, escape sequences, bidirectional overrides, invisible characters
        or lone surrogates. Cleaning it again changes nothing, unless it was cut.
    """
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    cut = len(text) - limit
    if cut > 0:
        text = text[:limit]
    if not (text.isascii() and text.isprintable()):
        text = _tame(text)
        if not multiline:
            text = text.replace("\n", "⏎").replace("\t", " ")
    return f"{text}…(+{cut} chars)" if cut > 0 else text


def _tame(text: str) -> str:
    if _SUSPECT.search(text):
        text = _SEQUENCES.sub("", text.replace("\r\n", "\n"))
        text = _SURROGATES.sub("\ufffd", text.translate(_TABLE))
    return text if text.isascii() else _ZALGO.sub(r"\1", text)


def plain(value: object, limit: int = 512) -> str:
    """One safe line of anything, for a cell, a label or a sentence."""
    return clean(value if isinstance(value, (str, bytes)) else str(value), limit)


def plain_marked(
    value: str, places: Sequence[tuple[int, int]], limit: int = 512
) -> tuple[str, list[tuple[int, int]]]:
    """One safe line of a text, and those places (from, to) that it has; none if cleaning moves them."""
    shown = plain(value, limit)
    if not places or len(plain(value, max(len(value), 1))) != len(value):
        return shown, []
    end = min(len(value), limit)
    return shown, [(first, min(last, end)) for first, last in places if first < end]


def own_words(error: BaseException, limit: int = 512) -> str:
    """The message of an exception as one safe line; its type's name when it has none."""
    message = plain(error, limit).strip()
    return message or type(error).__name__


def counted(number: int, word: str) -> str:
    """`1 rule`, `2 rules`: how many there are of what `word` names."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` most likely was meant to be, whatever its case; None when none is near."""
    from difflib import get_close_matches

    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(candidate.lower(), candidate)
    found = get_close_matches(word[:100].lower(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def is_utf8_terminal() -> bool:
    """Whether standard output can carry glyphs beyond ASCII."""
    return (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") == "utf8"
