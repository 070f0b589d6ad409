"""Plain terminal output without libraries: aligned tables, times, durations, colour."""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

from engine.text import is_utf8_terminal, plain

_RED, _GREEN, _YELLOW, _BOLD, _REVERSE = "31", "32", "33", "1", "7"
_BARS, _ASCII_BARS = " ▁▂▃▄▅▆▇█", " .:=#"
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))
_FINEST = ((86_400, 3_600), (3_600, 60), (60, 1))
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
    """A measured time in seconds, for people: `12 ms`, `1.24 s`, `2 m 05 s`, `3 h 10 m`, `2 d 04 h`.

    None stays None; what is no finite number is none. Three digits are enough to compare by.
    """
    if duration is None or not math.isfinite(duration):
        return None
    duration = max(duration, 0.0)
    if duration < 0.9995:
        amount = duration * 1000
        return f"{amount:.1f} ms" if 0 < amount < 0.95 else f"{amount:.0f} ms"
    if duration < 59.95:
        return f"{duration:.2f} s" if duration < 9.995 else f"{duration:.1f} s"
    whole = round(duration)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    minutes = whole // 60
    if minutes < 1440:
        return f"{minutes // 60} h {minutes % 60:02d} m"
    hours = minutes // 60
    return f"{hours // 24} d {hours % 24:02d} h"


def spelled(duration: float) -> str:
    """A time in seconds as it stands in a sentence, exactly: `250 ms`, `1.5 s`, `15 m`, `1 h 30 m`."""
    if 0 < duration < 1:
        return f"{duration * 1000:g} ms"
    parts: list[str] = []
    for size_of, unit in _UNITS:
        amount, duration = divmod(duration, size_of)
        if amount:
            parts.append(f"{amount:0{2 if parts else 1}.0f} {unit}")
    if duration or not parts:
        number = f"{duration:g}"
        parts.append(f"{'0' if parts and duration < 10 else ''}{number} s")
    return " ".join(parts)


def lasted(duration: float) -> str:
    """How long something took or has lasted, in a sentence: `58 ms`, `4.18 s`, `4 m`, `2 h 05 m`.

    With the digits of `seconds` below a minute. From there on in two units, and what is finer is cut off, so
    that `9 m 59 s of 10 m` does not read as if the ten minutes were over.
    """
    duration = max(duration, 0.0)
    if duration < 60:
        return spelled(round(duration, 3 if duration < 0.9995 else 2 if duration < 9.995 else 1))
    finest = next(fine for limit, fine in _FINEST if duration >= limit)
    return spelled(duration // finest * finest)


def percent(share: float | None) -> str | None:
    """A share of 0–1 as `99.5 %`; `100 %` and `0 %` only when exact. None, and what is no number, is None."""
    if share is None or math.isnan(share):
        return None
    if share <= 0 or share >= 1:
        return "100 %" if share > 0 else "0 %"
    return f"{min(max(share * 100, 0.1), 99.9):.1f} %"


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
