"""How far long work is, on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from engine.text import is_utf8_terminal

SILENT_FOR = 1.0
"""Seconds that work may take before its progress is shown."""
INTERVAL = 0.1
_WIDTH = 24


class Progress:
    """A line that says how much is done and when the rest will be; nothing where there is no terminal."""

    def __init__(self, word: str, stream: TextIO | None = None) -> None:
        self._word = word
        self._stream = stream or sys.stderr
        self._began = self._shown_at = time.monotonic()
        self._is_shown = False

    def __call__(self, done: float, total: float, detail: str = "") -> None:
        """`done` of `total` is over; `detail` is added."""
        now = time.monotonic()
        spent = now - self._began
        if spent < SILENT_FOR or now - self._shown_at < INTERVAL or done <= 0 or not self._stream.isatty():
            return
        self._shown_at, self._is_shown = now, True
        share = min(done / total, 1.0) if total else 1.0
        left = spent * (1 - share) / share if share else 0.0
        words = f"{self._word} {_bar(share)} {share:.0%}, {left:.0f} s left"
        print(f"\r{words}{', ' if detail else ''}{detail}\x1b[K", end="", file=self._stream, flush=True)

    def close(self) -> None:
        """Take the line away."""
        if self._is_shown:
            print("\r\x1b[K", end="", file=self._stream, flush=True)


def _bar(share: float) -> str:
    full, empty = "█░" if is_utf8_terminal() else "#-"
    done = int(share * _WIDTH)
    return full * done + empty * (_WIDTH - done)
