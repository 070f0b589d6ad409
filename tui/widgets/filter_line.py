"""The line under a view in which its list is filtered."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from tui.present import MUTED, foreign
from tui.widgets.field import SearchField

_HINT = 'words, "a phrase", /pattern/, !not'


class FilterLine(Horizontal):
    """Tells of every change while it is typed; enter keeps the filter, and leaves the line."""

    DEFAULT_CSS = """
    FilterLine { height: 1; padding: 0 1; background: $panel; }
    FilterLine Input { width: 1fr; height: 1; border: none; padding: 0; background: $panel; }
    FilterLine Input:focus { border: none; }
    FilterLine Static { width: auto; max-width: 60%; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("down", "keep", show=False)]

    class Changed(Message):
        """Another filter is in the line."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Kept(Message):
        """The person goes back to the list."""

    def __init__(self, text: str, longest: int) -> None:
        super().__init__()
        self._text = text
        self._longest = longest

    def compose(self) -> ComposeResult:
        yield Static(Content.styled("/ ", "bold $primary"))
        yield SearchField(self._text, placeholder=_HINT, max_length=self._longest, id="filter")
        yield Static(id="filter-said")

    def say(self, found: str, fault: str = "") -> None:
        """How many rows pass, in our own words; or why the filter cannot be used."""
        said = foreign(fault, 200, "$text-error") if fault else Content.styled(found, MUTED)
        self.query_one("#filter-said", Static).update(said)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_keep()

    def action_keep(self) -> None:
        self.post_message(self.Kept())
