"""What can be done with the spans of a trace: fold them, read one, go to its log lines."""

from __future__ import annotations

from typing import TypeVar

from textual import on
from textual.content import Content

from engine.model import Execution
from tui.modals.base import PageModal
from tui.present import foreign
from tui.screens.base import View
from tui.widgets.row_table import RowTable
from tui.widgets.trace_tree import TraceTree
from tui.widgets.writing import Page, write

T = TypeVar("T")
_AFTER = 60.0
"""Seconds after an execution within which what it logged was written."""


class SpanActions(View[T]):
    """A view with a trace in it and, where there is room, the span under its cursor in full."""

    def traced(self) -> Execution | None:
        """The execution whose trace is shown."""
        raise NotImplementedError

    @property
    def trace_tree(self) -> TraceTree:
        return self.query_one(TraceTree)

    def show_span(self) -> None:
        """Say all that is known of the span under the cursor."""
        span, pane = self.trace_tree.cursor_span, self.query_one("#span")
        text = pane.query_one(Page)
        if span is None:
            write(text, Content("no span to show"))
            self.set_title(pane, "Span")
        else:
            write(text, self.trace_tree.detail(span))
            self.set_title(pane, "Span", foreign(span.name, 60))

    def action_fold(self, away: bool) -> None:
        """Hide what is below the span under the cursor, or show it."""
        self.trace_tree.fold(away)

    def action_span_logs(self) -> None:
        """Go to the log, to the lines of the span under the cursor, or of its whole execution."""
        from tui.screens.logs import LogsView

        execution, span = self.traced(), self.trace_tree.cursor_span
        if execution is None:
            self.console.say("no execution is selected", "warning")
            return
        own = span is not None and any(one.span_id == span.span_id for one in self.trace_tree.logs_of(span))
        query = f"execution:{execution.id}"
        if own and span is not None:
            query += f" span:{span.span_id}"
        since = self.console.time_range.since(self.console.moment())
        until = execution.ended_at + _AFTER if execution.started_at < since else None
        self.console.open_view("logs")
        screen = self.app.screen
        if isinstance(screen, LogsView):
            screen.call_after_refresh(screen.search_for, query, until)

    @on(RowTable.Highlighted, "#trace")
    def _span_pointed_at(self) -> None:
        self.show_span()

    @on(TraceTree.Opened)
    def _span_opened(self, event: TraceTree.Opened) -> None:
        self.app.push_screen(PageModal(foreign(event.span.name, 120), self.trace_tree.detail(event.span)))
