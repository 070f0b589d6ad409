"""Foreign text is hostile: `clean()` once on the way in, `plain()` at the widget.

Control characters, escape sequences, bidirectional overrides and invisible characters can move the cursor, write
the clipboard or make columns lie. They are removed or shown as pictures, never passed on.
"""

from __future__ import annotations

import re
import sys

LINE_LIMIT = 4_096
DETAIL_LIMIT = 262_144

# CSI, then string sequences (OSC, DCS, SOS, PM, APC) up to their terminator or the end, then other escapes;
# each in its 7-bit and 8-bit form.
_SEQUENCES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"
    "|\x1b[ -/]*[0-~]?"
)
_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
_INVISIBLE = (
    0x00AD, 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x200B, 0x200C, 0x2060, 0x2061, 0x2062, 0x2063,
    0x2064, 0x3164, 0xFEFF, 0xFFA0, *range(0xFE00, 0xFE10), *range(0xFFF9, 0xFFFC),
)  # fmt: skip


def _table() -> dict[int, int | None]:
    table: dict[int, int | None] = {code: 0x2400 + code for code in range(0x20)}
    table[0x7F] = 0x2421
    table |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
    table |= dict.fromkeys(_BIDI, 0xFFFD)
    table |= dict.fromkeys(_INVISIBLE, None)
    table |= {0x2028: 0x0A, 0x2029: 0x0A, 0x85: 0x0A, 0x09: 0x09, 0x0A: 0x0A}
    return table


_TABLE = _table()
_SUSPECT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\\ud800-\\udfff\u2028\u2029\U000e0000-\U000e01ef"
    + "".join(chr(code) for code in (*_BIDI, *_INVISIBLE))
    + "]"
)
_UNPRINTABLE = re.compile("[\\ud800-\\udfff]")
_TAGS = re.compile("[\U000e0000-\U000e01ef]")
# More than this many combining marks on one letter spill over neighbouring lines.
_ZALGO = re.compile("([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{3})"
                    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")


def clean(value: str | bytes, limit: int = LINE_LIMIT, *, multiline: bool = False) -> str:
    """Make foreign text safe to store and to show.

    Args:
        value: text, or bytes taken as UTF-8 with replacement.
        limit: characters kept; the rest is counted in a closing `…(+n chars)`.
        multiline: keep line ends (as `\\n`) and tabs; otherwise they become `⏎` and a space.

    Returns:
        Text without control characters, escape sequences, bidirectional overrides, invisible characters
        or lone surrogates. Cleaning cleaned text changes nothing.
    """
    if isinstance(value, bytes):
        value = value[: limit * 4 + 4].decode("utf-8", "replace") if len(value) > limit * 4 else value.decode("utf-8", "replace")
    cut = len(value) - limit
    text = value[:limit] if cut > 0 else value
    if _SUSPECT.search(text):
        text = _SEQUENCES.sub("", text.replace("\r\n", "\n"))
        text = _UNPRINTABLE.sub("\ufffd", _TAGS.sub("", text.translate(_TABLE)))
    text = _ZALGO.sub(r"\1", text)
    if not multiline:
        text = text.replace("\n", "⏎").replace("\t", " ")
    return f"{text}…(+{cut} chars)" if cut > 0 else text


def plain(value: object, limit: int = 512) -> str:
    """One safe line of anything, for a cell, a label or a sentence."""
    return clean(value if isinstance(value, (str, bytes)) else str(value), limit)


def own_words(error: BaseException, limit: int = 512) -> str:
    """The message of an exception as one safe line; its type's name when it has none."""
    message = plain(error, limit).strip()
    return message or type(error).__name__


def is_utf8_terminal() -> bool:
    """Whether standard output can carry glyphs beyond ASCII."""
    return (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") == "utf8"
