"""All keys, by where they are valid; read from the registry of actions."""

from __future__ import annotations

from textwrap import wrap
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.widgets import Input, Static

from tui.actions import Action, Scope, in_scope
from tui.filtering import LONGEST, PatternError, Test, compile_filter
from tui.keymap import Keymap
from tui.modals.base import PageModal
from tui.present import foreign
from tui.widgets.field import Field

_KEY_WIDTH = 12
_LABEL_WIDTH = 18
_INDENT = _KEY_WIDTH + _LABEL_WIDTH
_WIDE = 1_000
_LEAST = 16
"""Cells that a sentence has, at least."""


class HelpModal(PageModal):
    """The page behind `?`, which closes it as well; what is typed behind `/` leaves only lines that have it.

    Args:
        first: the scope of the view it was called from, shown on top.
        keymap: a person's own keys.
    """

    AUTO_FOCUS = ".scroll"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "leave", show=False, id="global.help"),
        # What is typed right behind it belongs to the line that it opens.
        Binding("slash", "search", show=False, id="global.filter", priority=True),
    ]

    def __init__(self, first: Scope | None = None, keymap: Keymap | None = None) -> None:
        super().__init__(Content("Keys"), Content(""))
        self._first = first
        self._own = keymap or Keymap()

    def compose(self) -> ComposeResult:
        down, up, search = (self.keymap.first(id) for id in ("lists.down", "lists.up", "global.filter"))
        with self.box(self._heading, f"{down} {up} scroll", f"{search} search"):
            field = Field(placeholder="words of a key, an action or its sentence", max_length=LONGEST)
            field.display = False
            yield field
            with VerticalScroll(classes="scroll"):
                yield self.page()

    def page(self) -> Static:
        return _Page(self._first, self._own)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The key that opens the line is a letter of it, while it is typed in."""
        if action == "search" and isinstance(self.focused, Field):
            return False
        return super().check_action(action, parameters)

    def action_search(self) -> None:
        """Open the line that is typed in."""
        field = self.query_one(Field)
        field.display = True
        self.set_focus(field)

    def action_leave(self) -> None:
        """Show everything again, or leave."""
        field = self.query_one(Field)
        if not field.display:
            self.dismiss(None)
            return
        field.value, field.display = "", False
        self._read()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.query_one(_Page).sift(event.value)
        self.query_one(VerticalScroll).scroll_home(animate=False)

    @on(Input.Submitted)
    def _read(self) -> None:
        self.set_focus(self.query_one(VerticalScroll))


class _Page(Static):
    """The text, broken anew when its width changes: sentences stay in their column."""

    def __init__(self, first: Scope | None, keymap: Keymap) -> None:
        super().__init__(help_text(first, keymap=keymap))
        self._first = first
        self._keymap = keymap
        self._width = 0
        self._passes: Test | None = None
        self._fault = ""

    def sift(self, text: str) -> None:
        """Show only what has these words."""
        try:
            self._passes, self._fault = compile_filter(text), ""
        except PatternError as error:
            self._fault = str(error)
        self._write()

    def _write(self) -> None:
        text = help_text(self._first, self._width or _WIDE, self._keymap, self._passes)
        self.update(foreign(self._fault, 300, "$text-error") if self._fault else text)

    def on_resize(self, event: Resize) -> None:
        if event.size.width != self._width:
            self._width = event.size.width
            self._write()


def help_text(
    first: Scope | None = None,
    width: int = _WIDE,
    keymap: Keymap | None = None,
    passes: Test | None = None,
) -> Content:
    """Every action with its keys and its sentence, `first` on top; sentences broken at `width` cells.

    Only those of which scope, keys, name or sentence pass, when that is asked.
    """
    own = keymap or Keymap()
    sections = []
    for scope in sorted(Scope, key=lambda scope: scope is not first):
        shown = [
            action
            for action in in_scope(scope)
            if passes is None or passes(f"{scope.value} {own.sign(action)} {action.label} {action.help}")
        ]
        if shown:
            heading = Content.styled(scope.value, "bold $text-primary")
            sections.append(Content("\n").join([heading, *(_line(action, width, own) for action in shown)]))
    return Content("\n\n").join(sections) if sections else Content("no action has these words")


def _line(action: Action, width: int, keymap: Keymap) -> Content:
    keys = keymap.sign(action) or "palette"
    text = ("\n" + " " * _INDENT).join(wrap(action.help, max(width - _INDENT, _LEAST)))
    return Content.assemble(
        (keys.ljust(_KEY_WIDTH), "$text-accent"), (action.label.ljust(_LABEL_WIDTH), "bold"), text
    )
