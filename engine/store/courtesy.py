"""Questions go before the writing: the interpreter is one, and somebody waits for an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 0.002
"""Seconds the writing pauses for at a stretch: most answers take less, and it must go on all the same."""


class Courtesy:
    """Shared by who asks, in the loop, and who writes, in a thread of its own."""

    def __init__(self) -> None:
        self._asking = 0
        self._quiet = threading.Event()
        self._quiet.set()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While a question is being answered; in the loop."""
        self._asking += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self._quiet.set()

    def give_way(self) -> bool:
        """Wait for the answers that are being looked for, at most 2 ms; whether there were any."""
        if self._quiet.is_set():
            return False
        self._quiet.wait(LONGEST)
        return True
