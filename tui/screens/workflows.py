"""View 2: every workflow with its schedule, outcomes and timing."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from engine.client import WorkflowStatus
from engine.model import Topic
from tui.actions import Scope, bindings
from tui.screens.base import LOADING
from tui.screens.operating import WorkflowActions
from tui.screens.rows import WorkflowTable
from tui.widgets.row_table import RowTable


class WorkflowsView(WorkflowActions[tuple[WorkflowStatus, ...]]):
    """The list of workflows; `enter` opens one."""

    AUTO_FOCUS = "#workflows"
    SCOPE = Scope.WORKFLOWS
    TOPICS = frozenset({Topic.EXECUTIONS, Topic.ENGINE})
    SLOWER = 4.0
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.WORKFLOWS)

    def compose_body(self) -> ComposeResult:
        table = WorkflowTable(empty=LOADING, id="workflows", classes="pane")
        self.set_title(table, "Workflows")
        yield table

    async def fetch(self) -> tuple[WorkflowStatus, ...]:
        until = self.console.moment()
        since = self.console.time_range.since(until)
        return await self.client.workflows(since, until, self.console.past)

    def show(self, data: tuple[WorkflowStatus, ...]) -> None:
        now = self.console.moment()
        table = self.query_one(WorkflowTable)
        table.set_empty(Content("the configuration file names no workflows"))
        table.show(data, now)
        paused = sum(status.paused for status in data)
        self.set_title(table, f"Workflows · {len(data)}" + (f" · {paused} paused" if paused else ""))
        self.workflow_changed()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The failures filter and the steps belong to one workflow, not to the list."""
        return (
            False
            if action in ("toggle_failures", "toggle_steps")
            else super().check_action(action, parameters)
        )

    def selected_workflow(self) -> WorkflowStatus | None:
        table = self.query_one(WorkflowTable)
        return table.record(table.cursor_key or "")

    @on(RowTable.Highlighted)
    def _moved(self) -> None:
        self.workflow_changed()

    @on(RowTable.Selected)
    def _opened(self, event: RowTable.Selected) -> None:
        self.console.open_workflow(event.key)
