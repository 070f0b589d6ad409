"""View 2: every workflow with its schedule, outcomes and timing."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from engine.client import WorkflowStatus
from engine.model import Topic
from tui.actions import Scope, bindings
from tui.screens.base import LOADING, View
from tui.screens.rows import WORKFLOW_COLUMNS, workflow_row
from tui.widgets.row_table import RowTable
from tui.widgets.status_bar import hint


class WorkflowsView(View[tuple[WorkflowStatus, ...]]):
    """The list of workflows; `enter` opens one."""

    AUTO_FOCUS = "#workflows"
    SCOPE = Scope.WORKFLOWS
    TOPICS = frozenset({Topic.EXECUTIONS, Topic.ENGINE})
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.WORKFLOWS)

    def compose_body(self) -> ComposeResult:
        table = RowTable(WORKFLOW_COLUMNS, empty=LOADING, id="workflows")
        table.add_class("pane")
        self.set_title(table, "Workflows")
        yield table

    async def fetch(self) -> tuple[WorkflowStatus, ...]:
        until = self.console.moment()
        return await self.client.workflows(self.console.time_range.since(until), until)

    def show(self, data: tuple[WorkflowStatus, ...]) -> None:
        now = self.console.moment()
        table = self.query_one("#workflows", RowTable)
        table.set_empty(hint("the configuration file names no workflows"))
        table.set_rows([workflow_row(status, now) for status in data])
        self.set_title(table, f"Workflows · {len(data)}")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The failures filter belongs to one workflow, not to the list."""
        return False if action == "toggle_failures" else super().check_action(action, parameters)

    def action_run_now(self) -> None:
        """Start the workflow under the cursor."""
        workflow_id = self.query_one(RowTable).cursor_key
        if workflow_id is not None:
            self.command(lambda: self.client.run_now(workflow_id), f"started {workflow_id}")

    @on(RowTable.Selected)
    def _opened(self, event: RowTable.Selected) -> None:
        self.console.open_workflow(event.key)
