"""View 5: executions, and where the time of the one under the cursor went."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from engine.errors import TocsinError
from engine.model import Execution, LogPage, Span, Topic
from tui import present
from tui.actions import Scope, bindings
from tui.bridge import Loader
from tui.screens.base import LOADING
from tui.screens.rows import EXECUTION_SORTS, NAMED_EXECUTION_COLUMNS, execution_row
from tui.screens.spans import SpanActions
from tui.widgets.row_table import RowTable
from tui.widgets.trace_tree import NO_SPANS, TraceTree
from tui.widgets.writing import Page

_PAGE = 200
_MOST = 5_000
_LOG_LINES = 200


class TracesView(SpanActions[tuple[Execution, ...]]):
    """Executions beside (or above) the waterfall of one; `enter` opens it in full."""

    CSS_PATH = "split.tcss"
    AUTO_FOCUS = "#executions"
    SCOPE = Scope.TRACES
    TOPICS = frozenset({Topic.EXECUTIONS})
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.TRACES)

    def __init__(self) -> None:
        super().__init__()
        self._executions: dict[str, Execution] = {}
        self._limit = _PAGE
        self._more = False
        self._trace: Loader[tuple[tuple[Span, ...], LogPage]] = Loader(
            self, "trace", self._fetch_trace, self._show_trace, self._trace_failed
        )

    def compose_body(self) -> ComposeResult:
        table = RowTable(NAMED_EXECUTION_COLUMNS, empty=LOADING, sorts=EXECUTION_SORTS, id="executions")
        table.add_class("pane")
        tree = TraceTree(id="trace", classes="pane")
        span = VerticalScroll(Page(), id="span", classes="pane")
        self.set_title(span, "Span")
        with Container(classes="split"):
            yield table
            with Container(id="spans"):
                yield tree
                yield span
        self.set_title(table, "Executions")
        self.set_title(tree, "Trace")

    @property
    def table(self) -> RowTable:
        return self.query_one("#executions", RowTable)

    async def fetch(self) -> tuple[Execution, ...]:
        since = self.console.time_range.since(self.console.moment())
        found = await self.client.executions(
            since=since, until=self.console.at, failures_only=self.is_on("failures"), limit=self._limit
        )
        self._more = len(found) >= self._limit
        found = self.until_moment(found)
        wanted = self.console.selection.execution_id
        if wanted is None or any(execution.id == wanted for execution in found):
            return found
        return (*found, await self.client.execution(wanted))

    def show(self, data: tuple[Execution, ...]) -> None:
        self._executions = {str(execution.id): execution for execution in data}
        now, label = self.console.moment(), self.console.time_range.label
        table = self.table
        what = "failed executions" if self.is_on("failures") else "executions"
        table.set_empty(
            self.hint(f"no {what} in {self.console.range_words}", "global.range", "chooses a longer range")
        )
        table.set_rows([execution_row(execution, now, named=True) for execution in data])
        wanted = self.console.selection.execution_id
        if wanted is not None:
            table.move_to(str(wanted))
            self.console.clear_selection()
        self.set_title(table, f"{what.capitalize()} · {len(data)}{'+' * self._more} · {label}")
        self._trace.request()

    def record(self, table: RowTable, key: str) -> object:
        return self._executions.get(key) if table is self.table else super().record(table, key)

    def action_toggle_failures(self) -> None:
        """Show only failures, or everything."""
        self.toggle("failures")
        self.reload()

    def _under_cursor(self) -> Execution | None:
        key = self.table.cursor_key
        return self._executions.get(key) if key is not None else None

    def traced(self) -> Execution | None:
        return self._under_cursor()

    async def _fetch_trace(self) -> tuple[tuple[Span, ...], LogPage]:
        execution = self._under_cursor()
        if execution is None:
            return (), LogPage(())
        spans = await self.client.trace(execution.trace_id)
        return spans, await self.client.logs(f"execution:{execution.id}", limit=_LOG_LINES)

    def _show_trace(self, found: tuple[tuple[Span, ...], LogPage]) -> None:
        spans, logs = found
        tree = self.trace_tree
        tree.show(spans, logs=logs.records)
        self.show_span()
        execution = self._under_cursor()
        tree.set_empty(NO_SPANS if execution is not None else Content("no execution is selected"))
        if execution is None:
            self.set_title(tree, "Trace")
            return
        age = present.ago_text(execution.started_at, self.console.moment())
        self.set_title(
            tree, "Trace", present.foreign(execution.workflow_name, 80), f"{execution.outcome} · {age}"
        )

    def _trace_failed(self, error: TocsinError | None) -> None:
        self.console.report_trouble(self._trace, error)

    @on(RowTable.Highlighted, "#executions")
    def _moved(self) -> None:
        self._trace.follow()

    @on(RowTable.Selected, "#executions")
    def _opened(self, event: RowTable.Selected) -> None:
        self.console.open_execution(int(event.key))

    @on(RowTable.BottomReached, "#executions")
    def _older(self) -> None:
        if self._more and self._limit < _MOST:
            self._limit += _PAGE
            self.reload()
