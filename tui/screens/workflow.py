"""One workflow: its figures, its charts and its executions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from engine.client import Bucket, RetryReport, WorkflowStatus
from engine.model import Execution, Topic
from tui.actions import Scope, bindings
from tui.present import foreign
from tui.screens.base import LOADING
from tui.screens.details import workflow_text
from tui.screens.operating import WorkflowActions
from tui.screens.rows import EXECUTION_COLUMNS, execution_row
from tui.widgets.chart_pair import BUCKETS, ChartPair
from tui.widgets.row_table import RowTable
from tui.widgets.status_bar import hint

_PAGE = 200
_MOST = 5_000


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    """What the view shows."""

    status: WorkflowStatus | None
    buckets: tuple[Bucket, ...]
    executions: tuple[Execution, ...]
    retries: RetryReport


class WorkflowView(WorkflowActions[WorkflowPage]):
    """The detail of one workflow; `enter` on an execution opens its trace.

    Args:
        workflow_id: which one.
    """

    CSS_PATH = "workflow.tcss"
    AUTO_FOCUS = "#executions"
    SCOPE = Scope.WORKFLOWS
    TOPICS = frozenset({Topic.EXECUTIONS, Topic.ENGINE})
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.WORKFLOWS)

    def __init__(self, workflow_id: str) -> None:
        super().__init__()
        self._workflow_id = workflow_id
        self._failures_only = False
        self._limit = _PAGE
        self._more = False
        self._status: WorkflowStatus | None = None

    def compose_body(self) -> ComposeResult:
        facts = Static(classes="pane", id="facts")
        self.set_title(facts, "Workflows", foreign(self._workflow_id, 64))
        yield facts
        yield ChartPair(classes="pane", id="charts")
        table = RowTable(EXECUTION_COLUMNS, empty=LOADING, id="executions")
        table.add_class("pane")
        yield table

    async def fetch(self) -> WorkflowPage:
        until = self.console.moment()
        since = self.console.time_range.since(until)
        statuses = await self.client.workflows(since, until)
        executions = await self.client.executions(
            workflow_id=self._workflow_id,
            since=since,
            failures_only=self._failures_only,
            limit=self._limit,
        )
        self._more = len(executions) >= self._limit
        return WorkflowPage(
            next((status for status in statuses if status.id == self._workflow_id), None),
            await self.client.buckets(since, until, BUCKETS, self._workflow_id),
            self.until_moment(executions),
            await self.client.retries(since, until, self._workflow_id),
        )

    def show(self, data: WorkflowPage) -> None:
        now = self.console.moment()
        label = self.console.time_range.label
        self._status = data.status
        self.workflow_changed()
        facts = self.query_one("#facts", Static)
        if data.status is None:
            facts.update(
                Content("this workflow is no longer in the configuration; what it recorded is below")
            )
        else:
            facts.update(workflow_text(data.status, now, label, data.retries))
            self.set_title(facts, "Workflows", foreign(data.status.name, 120))
        self.query_one(ChartPair).show(data.buckets, self.console.time_range.since(now), now)
        self.set_title(self.query_one("#charts"), f"Charts · {label}")
        table = self.query_one("#executions", RowTable)
        what = "failed executions" if self._failures_only else "executions"
        table.set_empty(hint(f"no {what} in the last {label}", "t", "chooses a longer range"))
        table.set_rows([execution_row(execution, now, named=False) for execution in data.executions])
        self.set_title(table, f"{what.capitalize()} · {label}")

    def selected_workflow(self) -> WorkflowStatus | None:
        return self._status

    def action_toggle_failures(self) -> None:
        """Show only failures, or everything."""
        self._failures_only = not self._failures_only
        self.reload()

    @on(RowTable.Selected)
    def _opened(self, event: RowTable.Selected) -> None:
        self.console.open_execution(int(event.key))

    @on(RowTable.BottomReached)
    def _older(self) -> None:
        if self._more and self._limit < _MOST:
            self._limit += _PAGE
            self.reload()
