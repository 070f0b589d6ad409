"""Why an alert is as it is, in words: the page behind `e`."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from engine.model import ExplanationLine
from tui.explaining import explanation_text
from tui.modals.base import PageModal
from tui.present import foreign


class ExplainedModal(PageModal):
    """The page; its first line is its title.

    Args:
        as_of: the moment of the past that it tells of, in words.
    """

    def __init__(self, lines: Sequence[ExplanationLine], as_of: str = "") -> None:
        title = foreign(lines[0].text, 200) if lines else Content("Explanation")
        if as_of:
            title = Content.assemble(title, (f" · as of {as_of}", "$accent"))
        super().__init__(title, explanation_text(lines[1:]))
