"""A trace as a waterfall: the tree of spans beside their times on one scale."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.message import Message

from engine.model import Span
from tui.widgets.row_table import RowTable


class TraceTree(RowTable):
    """Spans of one trace under a cursor."""

    class Opened(Message):
        """Enter, or a click, on a span."""

        def __init__(self, tree: TraceTree, span: Span) -> None:
            super().__init__()
            self.tree = tree
            self.span = span

        @property
        def control(self) -> TraceTree:
            return self.tree

    def __init__(
        self, *, empty: Content | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__((), empty=empty or Content(""), id=id, classes=classes)

    def show(self, spans: Sequence[Span], title: Content | None = None) -> None:
        """Show these spans; `title` becomes the border's title."""

    @property
    def cursor_span(self) -> Span | None:
        return None

    def detail(self, span: Span) -> Content:
        """Everything known of a span, for reading: times, status, attributes, events."""
        return Content("")
