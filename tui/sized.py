"""Screens are laid out for the size that the terminal has, not for one that it had."""

from __future__ import annotations

from textual import events
from textual.message_pump import MessagePump


class Sized(MessagePump):
    """A screen, named before Textual's own, that lets sizes pass which are no longer the terminal's.

    A screen that is laid out anew tells itself its size. Two different sizes that wait for it at once would
    so follow each other for ever, each laid out again because of the other.
    """

    def on_resize(self, event: events.Resize) -> None:
        if event.size != self.app.size:
            event.prevent_default()
