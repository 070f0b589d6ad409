"""One execution in full: its facts, its trace and its log lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from engine.model import Execution, LogPage, Span, Topic
from tui.actions import Scope, bindings
from tui.modals.base import PageModal
from tui.present import foreign
from tui.screens.base import LOADING
from tui.screens.details import execution_text, log_text
from tui.screens.rows import LogTable, log_row
from tui.screens.spans import SpanActions
from tui.widgets.row_table import RowTable
from tui.widgets.trace_tree import TraceTree
from tui.widgets.writing import Page, write

_LOG_LINES = 500


@dataclass(frozen=True, slots=True)
class ExecutionPage:
    """What the view shows."""

    execution: Execution
    spans: tuple[Span, ...]
    logs: LogPage


class ExecutionView(SpanActions[ExecutionPage]):
    """The end of every drill-down.

    Args:
        execution_id: which one.
    """

    CSS_PATH = "execution.tcss"
    AUTO_FOCUS = "#trace"
    SCOPE = Scope.EXECUTION
    KEEPS_FILTERS = False
    TOPICS = frozenset({Topic.LOGS, Topic.EXECUTIONS})
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.EXECUTION)

    def __init__(self, execution_id: int) -> None:
        super().__init__()
        self._execution_id = execution_id
        self._page: ExecutionPage | None = None

    def compose_body(self) -> ComposeResult:
        facts = VerticalScroll(Page(id="facts-text"), id="facts", classes="pane")
        tree = TraceTree(id="trace", classes="pane")
        table = LogTable(empty=LOADING, id="logs")
        self.set_title(facts, f"Execution {self._execution_id}")
        self.set_title(tree, "Trace")
        self.set_title(table, "Logs")
        span = VerticalScroll(Page(), id="span", classes="pane")
        self.set_title(span, "Span")
        yield facts
        with Container(id="spans"):
            yield tree
            yield span
        yield table

    async def fetch(self) -> ExecutionPage:
        execution = await self.client.execution(self._execution_id)
        return ExecutionPage(
            execution,
            await self.client.trace(execution.trace_id),
            await self.client.logs(f"execution:{execution.id}", limit=_LOG_LINES),
        )

    def show(self, data: ExecutionPage) -> None:
        self._page = data
        now = self.console.moment()
        execution = data.execution
        write(self.query_one("#facts-text", Page), execution_text(execution, now))
        self.set_title(
            self.query_one("#facts"),
            *self.crumbs(),
            f"Execution {execution.id}",
            foreign(execution.workflow_name, 120),
        )
        self.trace_tree.show(data.spans, logs=data.logs.records)
        self.show_span()
        table = self.query_one("#logs", RowTable)
        table.set_empty(Content("this execution logged nothing"))
        table.set_rows([log_row(record, (), now) for record, _ in data.logs.in_time()])

    def mark(self) -> tuple[str, str]:
        return "execution", str(self._execution_id)

    def crumb(self) -> Content:
        return Content(f"Execution {self._execution_id}")

    def record(self, table: RowTable, key: str) -> object:
        records = self._page.logs.records if self._page is not None and table.id == "logs" else ()
        return next((one for one in records if str(one.id) == key), None) or super().record(table, key)

    def traced(self) -> Execution | None:
        return self._page.execution if self._page is not None else None

    def action_run_now(self) -> None:
        """Start the same workflow again."""
        if self._page is not None:
            ran = self._page.execution
            self.command(lambda: self.client.run_now(ran.workflow_id), f"started {ran.workflow_name}")

    @on(RowTable.Selected, "#logs")
    def _line_opened(self, event: RowTable.Selected) -> None:
        records = self._page.logs.records if self._page else ()
        record = next((record for record in records if str(record.id) == event.key), None)
        if record is not None:
            self.app.push_screen(PageModal(Content("Log line"), log_text(record, self.console.moment())))
