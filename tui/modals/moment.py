"""Choose a moment of the past to look at."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from engine.text import own_words
from tui.modals.base import Modal
from tui.present import MUTED, foreign, zone_text
from tui.time_cursor import EXAMPLES, alert_number, moment_of
from tui.widgets.field import Field


class MomentModal(Modal[str]):
    """Answers what was typed: a moment, or an alert such as `#42`.

    Args:
        now: seconds since the epoch.
    """

    def __init__(self, now: float) -> None:
        super().__init__()
        self._now = now

    def compose(self) -> ComposeResult:
        with self.box(Content("Go to a moment"), "enter go"):
            yield Field(placeholder=f"14:30 ({zone_text()})", max_length=60)
            yield Static(Content.styled(EXAMPLES, MUTED), id="moment-hint")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one("#moment-hint", Static).update(Content.styled(EXAMPLES, MUTED))

    @on(Input.Submitted)
    def _confirm(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        try:
            if alert_number(text) is None:
                moment_of(text, self._now)
        except ValueError as error:
            self.query_one("#moment-hint", Static).update(foreign(own_words(error), 200, "$text-error"))
        else:
            self.dismiss(text)
