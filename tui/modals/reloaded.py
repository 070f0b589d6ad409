"""What reading the configuration again has changed, or why it changed nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from engine.model import ReloadReport
from engine.text import plain
from tui.modals.base import PageModal

_EDIT = "rules.edit"
_STYLES = {"+": "$text-success", "-": "$text-error", "~": "$text-warning"}
_PLACE = re.compile(r"(.+?):(\d{1,9})(?::\d+)?: ", re.ASCII)


class ReloadModal(PageModal):
    """The differences that are in force now, or every problem with its place.

    Args:
        again: opens the file once more, when it was edited here.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("E", "edit", show=False, id=_EDIT)]

    def __init__(self, report: ReloadReport, again: Callable[[], None] | None = None) -> None:
        title = "Configuration reloaded" if report.succeeded else "The configuration stays as it was"
        super().__init__(Content(title), reload_text(report))
        self._again = None if report.succeeded else again

    def compose(self) -> ComposeResult:
        hints = [f"{self.keymap.first(_EDIT)} edit again"] if self._again is not None else []
        with self.box(self._heading, *hints), VerticalScroll(classes="scroll"):
            yield self.page()

    def action_edit(self) -> None:
        """Leave for the editor."""
        if self._again is not None:
            self.dismiss(None)
            self.app.call_later(self._again)


def reload_text(report: ReloadReport) -> Content:
    """The report, a line for each difference or problem."""
    summary = Content.styled(plain(report.summary), "bold")
    problems = (Content(plain(problem)) for problem in report.problems)
    changes = (Content.styled(plain(change), _STYLES.get(change[:1], "")) for change in report.changes)
    return Content("\n").join([summary, Content(""), *problems, *changes])


def line_of(report: ReloadReport, file: str) -> int | None:
    """The line of the first problem that is in `file`; None when none is."""
    places = (_PLACE.match(problem) for problem in report.problems)
    return next((int(at[2]) for at in places if at and Path(at[1]).name == Path(file).name), None)
