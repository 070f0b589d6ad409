"""What reading the configuration again has changed, or why it changed nothing."""

from __future__ import annotations

from textual.content import Content

from engine.model import ReloadReport
from engine.text import plain
from tui.modals.base import PageModal

_STYLES = {"+": "$text-success", "-": "$text-error", "~": "$text-warning"}


class ReloadModal(PageModal):
    """The differences that are in force now, or every problem with its place."""

    def __init__(self, report: ReloadReport) -> None:
        title = "Configuration reloaded" if report.succeeded else "The configuration stays as it was"
        super().__init__(Content(title), reload_text(report))


def reload_text(report: ReloadReport) -> Content:
    """The report, a line for each difference or problem."""
    summary = Content.styled(plain(report.summary), "bold")
    problems = (Content(plain(problem)) for problem in report.problems)
    changes = (Content.styled(plain(change), _STYLES.get(change[:1], "")) for change in report.changes)
    return Content("\n").join([summary, Content(""), *problems, *changes])
