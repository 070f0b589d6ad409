"""Acknowledge, resolve or comment alerts, with a note for the others."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from engine.model import Alert
from engine.text import counted, plain
from tui.modals.base import Modal
from tui.present import foreign, severity
from tui.widgets.field import Field

_NOTE_LIMIT = 500
_LISTED = 5


class NoteModal(Modal[str]):
    """Answers the note, which may be empty unless it is all there is, or None when left.

    Args:
        verb: `acknowledge`, `resolve` or `note`.
        alerts: what it is about; at least one.
    """

    def __init__(self, verb: str, alerts: Sequence[Alert]) -> None:
        super().__init__()
        self._verb = verb
        self._alerts = tuple(alerts)

    def compose(self) -> ComposeResult:
        count = len(self._alerts)
        what = "alert" if count == 1 else counted(count, "alert")
        title = f"Note on {what}" if self._verb == "note" else f"{self._verb.capitalize()} {what}"
        with self.box(Content(title), "enter confirm"):
            for alert in self._alerts[:_LISTED]:
                yield Static(Content(" ").join([severity(alert.severity), foreign(alert.rule_name, 80)]))
                words = alert.subject if count > 1 else f"{alert.subject}: {alert.message}"
                yield Static(foreign(words, 200), classes="subtle")
            if count > _LISTED:
                yield Static(Content(f"and {count - _LISTED:,} more"), classes="subtle")
            hint = "note for the others" if self._verb == "note" else "note for the others (may stay empty)"
            yield Field(placeholder=hint, max_length=_NOTE_LIMIT)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _confirm(self, event: Input.Submitted) -> None:
        note = plain(event.value.strip(), _NOTE_LIMIT)
        if note or self._verb != "note":
            self.dismiss(note)
