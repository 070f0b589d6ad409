"""View 2: every workflow with its schedule, outcomes and timing."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from engine.client import WorkflowStatus
from engine.model import Topic
from tui.actions import Scope, bindings
from tui.screens.base import LOADING
from tui.screens.operating import WorkflowActions
from tui.screens.rows import WORKFLOW_COLUMNS, workflow_row
from tui.widgets.row_table import RowTable
from tui.widgets.status_bar import hint


class WorkflowsView(WorkflowActions[tuple[WorkflowStatus, ...]]):
    """The list of workflows; `enter` opens one."""

    AUTO_FOCUS = "#workflows"
    SCOPE = Scope.WORKFLOWS
    TOPICS = frozenset({Topic.EXECUTIONS, Topic.ENGINE})
    SLOWER = 4.0
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.WORKFLOWS)

    def __init__(self) -> None:
        super().__init__()
        self._statuses: dict[str, WorkflowStatus] = {}

    def compose_body(self) -> ComposeResult:
        table = RowTable(WORKFLOW_COLUMNS, empty=LOADING, id="workflows")
        table.add_class("pane")
        self.set_title(table, "Workflows")
        yield table

    async def fetch(self) -> tuple[WorkflowStatus, ...]:
        until = self.console.moment()
        since = self.console.time_range.since(until)
        return await self.client.workflows(since, until, self.console.past)

    def show(self, data: tuple[WorkflowStatus, ...]) -> None:
        now = self.console.moment()
        self._statuses = {status.id: status for status in data}
        table = self.query_one("#workflows", RowTable)
        table.set_empty(hint("the configuration file names no workflows"))
        table.set_rows([workflow_row(status, now) for status in data])
        paused = sum(status.paused for status in data)
        self.set_title(table, f"Workflows · {len(data)}" + (f" · {paused} paused" if paused else ""))
        self.workflow_changed()

    def record(self, table: RowTable, key: str) -> object:
        return self._statuses.get(key) if table.id == "workflows" else super().record(table, key)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The failures filter and the steps belong to one workflow, not to the list."""
        return (
            False
            if action in ("toggle_failures", "toggle_steps")
            else super().check_action(action, parameters)
        )

    def selected_workflow(self) -> WorkflowStatus | None:
        return self._statuses.get(self.query_one(RowTable).cursor_key or "")

    @on(RowTable.Highlighted)
    def _moved(self) -> None:
        self.workflow_changed()

    @on(RowTable.Selected)
    def _opened(self, event: RowTable.Selected) -> None:
        self.console.open_workflow(event.key)
