"""Where the rows of a list are written."""

from __future__ import annotations

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from engine.errors import TocsinError
from engine.files import named_file
from engine.text import counted, plain
from tui.modals.base import Modal
from tui.present import foreign
from tui.widgets.field import Field

ENDINGS = (".csv", ".json", ".ndjson")
_PATH_LIMIT = 1_000


class ExportModal(Modal[Path]):
    """Answers the file, whose ending says the format.

    Args:
        name: the file that is proposed.
        count: how many rows there are.
    """

    def __init__(self, name: str, count: int) -> None:
        super().__init__()
        self._proposed = name
        self._count = count

    def compose(self) -> ComposeResult:
        with self.box(Content(f"Export {counted(self._count, 'row')}"), "enter write"):
            yield Static(where_to(), classes="subtle")
            yield Field(self._proposed, max_length=_PATH_LIMIT)
            yield Static(Content(f"the ending says the format: {', '.join(ENDINGS)}"), id="formats")

    def on_mount(self) -> None:
        field = self.query_one(Input)
        field.focus()
        field.cursor_position = len(self._proposed)

    @on(Input.Submitted)
    def _written(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        wrong = f"the file's name has to end with {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        try:
            path = named_file(text)
        except TocsinError as error:
            wrong = plain(error)
        else:
            if plain(text, _PATH_LIMIT) == text and path.suffix.lower() in ENDINGS:
                self.dismiss(path)
                return
        self.query_one("#formats", Static).update(Content.styled(wrong, "$text-error"))


def where_to() -> Content:
    """Where a file goes whose name says no directory."""
    try:
        return foreign(f"in {Path.cwd()}; nothing is overwritten", 300)
    except OSError:
        return Content("the directory that this runs in is gone: name a file by its whole path")
