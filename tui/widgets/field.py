"""A line to type in, into which nothing gets that a terminal would obey."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import Input

from engine.text import clean
from tui.keymap import BACK


class Field(Input):
    """Textual's input takes control characters as they are, pasted or set; here they are made harmless."""

    def validate_value(self, value: str) -> str:
        """`value` as it can be shown."""
        return clean(value)

    async def _on_key(self, event: events.Key) -> None:
        """Do at once what edits the line: Textual does it after the letters that were typed behind it."""
        if event.is_printable:
            return
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            if "." not in binding.action and await self.app.run_action(binding.action, self):
                event.stop()
                event.prevent_default()
                return


class SearchField(Field):
    """A line in a view, by which its list is searched or filtered; the footer says how to leave it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Keep", key_display="enter", tooltip="Go back to the list as it is now."),
        Binding("escape", "app.step_back", "Show all", key_display="esc", tooltip="Hide nothing.", id=BACK),
    ]
