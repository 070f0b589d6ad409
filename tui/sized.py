"""Screens are laid out for the size that the terminal has, not for one that it had."""

from __future__ import annotations

from collections.abc import MutableMapping

from textual import events
from textual.message_pump import MessagePump

WIDEST = 2_000
"""Cells of a terminal that are believed, either way: some screens side by side have fewer."""


def forget_unlikely_sizes(environ: MutableMapping[str, str]) -> None:
    """Drop a `COLUMNS` or `LINES` that no terminal has, so that the size of the terminal itself counts.

    A frame is kept cell by cell: for a hundred million of them the console would not come up.
    """
    for name in ("COLUMNS", "LINES"):
        digits = environ.get(name, "").lstrip("0")
        if digits.isdecimal() and (len(digits) > len(str(WIDEST)) or int(digits) > WIDEST):
            del environ[name]


class Sized(MessagePump):
    """A screen, named before Textual's own, that lets sizes pass which are no longer the terminal's.

    A screen that is laid out anew tells itself its size. Two different sizes that wait for it at once would
    so follow each other for ever, each laid out again because of the other.
    """

    def on_resize(self, event: events.Resize) -> None:
        if event.size != self.app.size:
            event.prevent_default()
