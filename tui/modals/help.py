"""All keys, by where they are valid; read from the registry of actions."""

from __future__ import annotations

from textwrap import wrap
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from tui.actions import Action, Scope, in_scope
from tui.keymap import Keymap
from tui.modals.base import PageModal

_KEY_WIDTH = 12
_LABEL_WIDTH = 18
_INDENT = _KEY_WIDTH + _LABEL_WIDTH
_WIDE = 1_000
_LEAST = 16
"""Cells that a sentence has, at least."""


class HelpModal(PageModal):
    """The page behind `?`.

    Args:
        first: the scope of the view it was called from, shown on top.
        keymap: a person's own keys.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,f1", "leave", show=False)]

    def __init__(self, first: Scope | None = None, keymap: Keymap | None = None) -> None:
        super().__init__(Content("Keys"), Content(""))
        self._first = first
        self._keymap = keymap or Keymap()

    def page(self) -> Static:
        return _Page(self._first, self._keymap)


class _Page(Static):
    """The text, broken anew when its width changes: sentences stay in their column."""

    def __init__(self, first: Scope | None, keymap: Keymap) -> None:
        super().__init__(help_text(first, keymap=keymap))
        self._first = first
        self._keymap = keymap
        self._width = 0

    def on_resize(self, event: Resize) -> None:
        if event.size.width != self._width:
            self._width = event.size.width
            self.update(help_text(self._first, self._width, self._keymap))


def help_text(first: Scope | None = None, width: int = _WIDE, keymap: Keymap | None = None) -> Content:
    """Every action with its keys and its sentence, `first` on top; sentences broken at `width` cells."""
    scopes = sorted(Scope, key=lambda scope: scope is not first)
    return Content("\n\n").join([_section(scope, width, keymap or Keymap()) for scope in scopes])


def _section(scope: Scope, width: int, keymap: Keymap) -> Content:
    lines = [
        Content.styled(scope.value, "bold $text-primary"),
        *(_line(action, width, keymap) for action in in_scope(scope)),
    ]
    return Content("\n").join(lines)


def _line(action: Action, width: int, keymap: Keymap) -> Content:
    keys = keymap.sign(action) or "palette"
    text = ("\n" + " " * _INDENT).join(wrap(action.help, max(width - _INDENT, _LEAST)))
    return Content.assemble(
        (keys.ljust(_KEY_WIDTH), "$text-accent"), (action.label.ljust(_LABEL_WIDTH), "bold"), text
    )
