"""A letter on every pane; pressing it goes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.sized import Sized

LETTERS = "asdfghjklqwertuiop"


class PanesModal(Sized, ModalScreen[int | None]):
    """Answers which pane was chosen, by its place; None when left. Any other key leaves as well.

    Args:
        regions: where the panes are.
    """

    CSS_PATH = "base.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+o", "leave", show=False)]

    def __init__(self, regions: Sequence[Region]) -> None:
        super().__init__()
        self._regions = tuple(regions[: len(LETTERS)])

    def compose(self) -> ComposeResult:
        for letter, region in zip(LETTERS, self._regions, strict=False):
            sign = Static(Content(f" {letter} "), classes="letter")
            sign.styles.offset = (region.x + max(region.width // 2 - 1, 0), region.y + region.height // 2)
            yield sign

    def on_key(self, event: events.Key) -> None:
        if event.key in ("escape", "ctrl+o"):
            return
        event.stop()
        place = LETTERS.find(event.character or "\n")
        self.dismiss(place if 0 <= place < len(self._regions) else None)

    def action_leave(self) -> None:
        self.dismiss(None)
