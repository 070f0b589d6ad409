"""Plain terminal output without libraries: aligned tables, times, durations, colour."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

from engine.text import is_utf8_terminal, plain

_RED, _GREEN, _YELLOW, _BOLD, _REVERSE = "31", "32", "33", "1", "7"
_BARS, _ASCII_BARS = " ▁▂▃▄▅▆▇█", " .:=#"
_COLOURS = {
    "ok": _GREEN,
    "healthy": _GREEN,
    "resolved": _GREEN,
    "sent": _GREEN,
    "degraded": _YELLOW,
    "warning": _YELLOW,
    "acknowledged": _YELLOW,
    "skipped": _YELLOW,
    "interrupted": _YELLOW,
    "failed": _RED,
    "error": _RED,
    "fatal": _RED,
    "critical": _RED,
    "fired": _RED,
    "firing": _RED,
    "escalated": _RED,
    "unhealthy": _RED,
    "dead": _RED,
}


def wants_colour(stream: TextIO) -> bool:
    """A terminal that can show colour, and nobody asked for none (NO_COLOR)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(word: str, text: str | None = None) -> str:
    """`text` (else `word`) in the colour that the word stands for; unknown words stay as they are."""
    shown = word if text is None else text
    colour = _COLOURS.get(word.strip().lower())
    return f"\x1b[{colour}m{shown}\x1b[0m" if colour else shown


def emphasis(text: str) -> str:
    """The text in bold."""
    return f"\x1b[{_BOLD}m{text}\x1b[0m"


def mark(text: str, places: Sequence[tuple[int, int]]) -> str:
    """The text with its places (from, to), in order and apart, in reverse."""
    pieces, at = [], 0
    for first, last in places:
        pieces += [text[at:first], f"\x1b[{_REVERSE}m", text[first:last], "\x1b[0m"]
        at = last
    return "".join([*pieces, text[at:]])


def bars(counts: Sequence[int]) -> str:
    """One sign a count, the tallest for the greatest."""
    signs = _BARS if is_utf8_terminal() else _ASCII_BARS
    most = max(counts, default=0)
    return "".join(signs[-(-count * (len(signs) - 1) // most) if count else 0] for count in counts)


def cells(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def pad(text: str, width: int, *, right: bool = False) -> str:
    """`text` filled with blanks to `width` columns."""
    blanks = " " * (width - cells(text))
    return blanks + text if right else text + blanks


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, colour: bool = False) -> list[str]:
    """Aligned lines: the header, then the rows; numbers lean right, an absent value is `–`.

    Every cell passes `plain()`. With `colour`, cells that hold a word of state are painted.
    """
    texts = [["–" if cell is None else plain(cell) for cell in row] for row in rows]
    leans = [_is_numeric([row[i] for row in texts]) for i in range(len(header))]
    widths = [max(cells(row[i]) for row in [list(header), *texts]) for i in range(len(header))]

    def line(row: Sequence[str], painted: bool) -> str:
        padded = [pad(c, w, right=lean) for c, w, lean in zip(row, widths, leans, strict=True)]
        padded[-1] = padded[-1] if leans[-1] else row[-1]
        shown = [paint(raw, cell) if painted else cell for raw, cell in zip(row, padded, strict=True)]
        return "  ".join(shown).rstrip()

    title = line(header, painted=False)
    return [emphasis(title) if colour else title, *(line(row, colour) for row in texts)]


def _is_numeric(column: Sequence[str]) -> bool:
    return any(cell[:1].isdigit() for cell in column) and all(
        cell == "–" or (cell[:1].isdigit() and cell.count("-") == 0) for cell in column
    )


def moment(at: float) -> str:
    """Local time with its zone: `2025-03-01 14:05:09 CET`."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def clock_time(at: float) -> str:
    """Local time of day: `14:05:09`."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def seconds(duration: float | None) -> str | None:
    """A duration in seconds, for people: `12 ms`, `3.42 s`, `4 m 10 s`; None stays None."""
    if duration is None:
        return None
    if duration < 0.9995:
        return f"{duration * 1000:.0f} ms"
    if duration < 60:
        return f"{duration:.2f} s"
    minutes, rest = divmod(round(duration), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m" if hours else f"{minutes} m {rest} s"


def percent(share: float | None) -> str | None:
    """A share of 0–1 as `99.5 %`; None stays None. Never rounds up to 100."""
    if share is None:
        return None
    return "100 %" if share >= 1 else f"{min(share * 100, 99.9):.1f} %"


def size(count: int) -> str:
    """Bytes for people: `312 B`, `4.0 KiB`, `1.3 GiB`."""
    if count < 1024:
        return f"{count} B"
    amount, unit = count / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.1f} {unit}"
