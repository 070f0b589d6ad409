"""Where a report is written, and in which form."""

from __future__ import annotations

import time
from pathlib import Path

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.errors import TocsinError
from engine.files import named_file
from engine.reporting.forms import Form, form_of
from engine.text import plain
from tui.modals.base import Modal
from tui.modals.export import where_to
from tui.widgets.field import Field

_FORMS = (Form.MARKDOWN, Form.HTML, Form.CSV, Form.TEXT)
_PATH_LIMIT = 1_000


class SaveReportModal(Modal[tuple[Form, Path]]):
    """Answers the form and the file; digits choose the form, and the name follows.

    Args:
        made_at: when the report was made, for the name.
    """

    def __init__(self, made_at: float) -> None:
        super().__init__()
        self._stem = time.strftime("tocsin-report-%Y%m%d-%H%M", time.localtime(made_at))

    def compose(self) -> ComposeResult:
        with self.box(Content("Export the report"), "1–4 form", "tab file", "enter write"):
            yield OptionList(
                *(
                    Option(Content(f"{number}  {form.words[0].upper()}{form.words[1:]}"), id=form.value)
                    for number, form in enumerate(_FORMS, 1)
                )
            )
            yield Field(self._stem + _FORMS[0].suffix, max_length=_PATH_LIMIT)
            yield Static(where_to(), id="where", classes="subtle")

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.highlighted = 0
        options.focus()

    def on_key(self, event: events.Key) -> None:
        options = self.query_one(OptionList)
        number = int(event.character) if event.character and event.character.isdecimal() else 0
        if self.focused is options and 1 <= number <= len(_FORMS):
            event.stop()
            options.highlighted = number - 1

    @on(OptionList.OptionHighlighted)
    def _form_chosen(self, event: OptionList.OptionHighlighted) -> None:
        field = self.query_one(Input)
        path = Path(field.value)
        if path.name and path.suffix in {form.suffix for form in Form}:
            field.value = str(path.with_suffix(_FORMS[event.option_index].suffix))

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _done(self) -> None:
        text = self.query_one(Input).value.strip()
        if not text or plain(text, _PATH_LIMIT) != text:
            self._wrong("name a file, such as report.md")
            return
        try:
            path = named_file(text)
        except TocsinError as error:
            self._wrong(plain(error))
            return
        highlighted = self.query_one(OptionList).highlighted or 0
        has_form = path.suffix.lower() in {form.suffix for form in Form}
        self.dismiss((form_of(path) if has_form else _FORMS[highlighted], path))

    def _wrong(self, words: str) -> None:
        self.query_one("#where", Static).update(Content.styled(words, "$text-error"))
