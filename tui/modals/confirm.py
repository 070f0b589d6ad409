"""Ask once more before something changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from tui.actions import sign_of
from tui.modals.base import Modal

_SAYS_YES = ("enter", "y")
_SAYS_NO = ("n", "q")


class ConfirmModal(Modal[bool]):
    """Answers True, or None when left.

    Args:
        title: the question, in our own words.
        lines: what it is about and what comes of it.
        verb: what enter does.
        keys: those that led here, as Textual names them: pressing one twice does it, however fast.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"answer('{key}')", show=False) for key in (*_SAYS_YES, *_SAYS_NO)
    ]

    def __init__(self, title: str, lines: Sequence[Content], verb: str, keys: Sequence[str] = ()) -> None:
        super().__init__()
        self._heading = title
        self._lines = tuple(lines)
        self._verb = verb
        self._keys = (*keys, *_SAYS_YES)
        for key in set(keys).difference(_SAYS_YES, _SAYS_NO):
            self._bindings.bind(key, f"answer('{key}')", show=False)

    def compose(self) -> ComposeResult:
        with self.box(Content(self._heading), f"{sign_of(self._keys[0])} {self._verb}"):
            for line in self._lines:
                yield Static(line)

    def action_answer(self, key: str) -> None:
        self.dismiss(True if key in self._keys else None)
