"""Acknowledge or resolve an alert, with a note for the others."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from engine.model import Alert
from engine.text import plain
from tui.modals.base import Modal
from tui.present import foreign, severity

_NOTE_LIMIT = 500


class NoteModal(Modal[str]):
    """Answers the note, which may be empty, or None when left.

    Args:
        verb: `acknowledge` or `resolve`.
        alert: what it is about.
    """

    def __init__(self, verb: str, alert: Alert) -> None:
        super().__init__()
        self._verb = verb
        self._alert = alert

    def compose(self) -> ComposeResult:
        with self.box(Content(f"{self._verb.capitalize()} alert"), "enter confirm · esc leave"):
            yield Static(
                Content(" ").join([severity(self._alert.severity), foreign(self._alert.rule_name, 80)])
            )
            yield Static(foreign(f"{self._alert.subject}: {self._alert.message}", 200), classes="subtle")
            yield Input(placeholder="note for the others (may stay empty)", max_length=_NOTE_LIMIT)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _confirm(self, event: Input.Submitted) -> None:
        self.dismiss(plain(event.value.strip(), _NOTE_LIMIT))
