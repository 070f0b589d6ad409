"""Ask once more before something changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from tui.modals.base import Modal

_LEADING = ("p", "b")
_LEAVING = ("n", "q")


class ConfirmModal(Modal[bool]):
    """Answers True, or None when left.

    Args:
        title: the question, in our own words.
        lines: what it is about and what comes of it.
        verb: what enter does.
        keys: further ones of `p`, `b` and `q` that confirm: the one that led here, so that pressing it twice
            does it, however fast. `q` leaves otherwise.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"answer('{key}')", show=False) for key in ("enter", "y", *_LEADING, *_LEAVING)
    ]

    def __init__(self, title: str, lines: Sequence[Content], verb: str, keys: Sequence[str] = ()) -> None:
        super().__init__()
        self._heading = title
        self._lines = tuple(lines)
        self._verb = verb
        self._keys = ("enter", "y", *keys)

    def compose(self) -> ComposeResult:
        words = " ".join(self._keys[2:] or self._keys[:1])
        with self.box(Content(self._heading), f"{words} {self._verb} · esc leave"):
            for line in self._lines:
                yield Static(line)

    def action_answer(self, key: str) -> None:
        if key in self._keys:
            self.dismiss(True)
        elif key in _LEAVING:
            self.dismiss(None)
