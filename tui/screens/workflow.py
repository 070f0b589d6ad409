"""One workflow: its figures, its charts and its executions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content

from engine.client import Bucket, RetryReport, WorkflowStatus
from engine.errors import TocsinError
from engine.model import Execution, Span, Topic
from tui.actions import Scope, bindings
from tui.bridge import Loader
from tui.modals.base import PageModal
from tui.present import age_text, foreign
from tui.screens.base import LOADING
from tui.screens.details import workflow_text
from tui.screens.operating import WorkflowActions
from tui.screens.rows import EXECUTION_COLUMNS, EXECUTION_SORTS, execution_row
from tui.screens.steps import STEP_COLUMNS, is_step, step_rows, step_text
from tui.widgets.chart_pair import BUCKETS, ChartPair
from tui.widgets.row_table import RowTable
from tui.widgets.writing import Page, write

_PAGE = 200
_MOST = 5_000


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    """What the view shows."""

    status: WorkflowStatus | None
    buckets: tuple[Bucket, ...]
    executions: tuple[Execution, ...]
    retries: RetryReport


@dataclass(frozen=True, slots=True)
class Ran:
    """An execution with its spans."""

    execution: Execution
    spans: tuple[Span, ...]


class WorkflowView(WorkflowActions[WorkflowPage]):
    """The detail of one workflow; `enter` on an execution opens its trace, on a step what it got back.

    The steps are those of the newest execution that ran, or of the one that a person points at.

    Args:
        workflow_id: which one.
    """

    CSS_PATH = "workflow.tcss"
    AUTO_FOCUS = "#executions"
    SCOPE = Scope.WORKFLOWS
    KEEPS_FILTERS = False
    TOPICS = frozenset({Topic.EXECUTIONS, Topic.ENGINE})
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.WORKFLOWS)

    def __init__(self, workflow_id: str) -> None:
        super().__init__()
        self._workflow_id = workflow_id
        self._failures_only = False
        self._limit = _PAGE
        self._more = False
        self._status: WorkflowStatus | None = None
        self._executions: tuple[Execution, ...] = ()
        self._run: Ran | None = None
        self._steps: Loader[Ran | None] = Loader(
            self, "steps", self._fetch_steps, self._show_steps, self._steps_failed
        )

    def compose_body(self) -> ComposeResult:
        facts = Page(classes="pane", id="facts")
        self.set_title(facts, *self.crumbs(), foreign(self._workflow_id, 64))
        yield facts
        steps = RowTable(STEP_COLUMNS, empty=LOADING, id="steps")
        steps.add_class("pane")
        self.set_title(steps, "Steps")
        with Container(id="middle"):
            yield ChartPair(empty=self.nothing_of("executions"), classes="pane", id="charts")
            yield steps
        table = RowTable(EXECUTION_COLUMNS, empty=LOADING, sorts=EXECUTION_SORTS, id="executions")
        table.add_class("pane")
        yield table

    async def fetch(self) -> WorkflowPage:
        until = self.console.moment()
        since = self.console.time_range.since(until)
        statuses = await self.client.workflows(since, until, self.console.past)
        executions = await self.client.executions(
            workflow_id=self._workflow_id,
            since=since,
            until=self.console.at,
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
        facts = self.query_one("#facts", Page)
        if data.status is None:
            facts.update(
                Content("this workflow is no longer in the configuration; what it recorded is below")
            )
        else:
            write(facts, workflow_text(data.status, now, label, data.retries))
            self.set_title(facts, *self.crumbs(), foreign(data.status.name, 120))
        self.query_one(ChartPair).show(data.buckets)
        self.set_title(self.query_one("#charts"), f"Charts · {label}")
        table = self.query_one("#executions", RowTable)
        what = "failed executions" if self._failures_only else "executions"
        table.set_empty(
            self.hint(f"no {what} in {self.console.range_words}", "global.range", "chooses a longer range")
        )
        self._executions = data.executions
        table.set_rows([execution_row(execution, now, named=False) for execution in data.executions])
        self.set_title(table, f"{what.capitalize()} · {label}")
        self._steps.request()

    def mark(self) -> tuple[str, str]:
        return "workflow", self._workflow_id

    def crumb(self) -> Content:
        return foreign(self._status.name if self._status is not None else self._workflow_id, 40)

    def record(self, table: RowTable, key: str) -> object:
        found = (one for one in self._executions if table.id == "executions" and str(one.id) == key)
        return next(found, None) or super().record(table, key)

    def selected_workflow(self) -> WorkflowStatus | None:
        return self._status

    def action_toggle_failures(self) -> None:
        """Show only failures, or everything."""
        self._failures_only = not self._failures_only
        self.reload()

    def action_toggle_steps(self) -> None:
        """Show the steps in place of the charts, or the charts again."""
        self.toggle_class("-steps")
        steps = self.query_one("#steps", RowTable)
        (steps if self.has_class("-steps") else self.query_one("#executions", RowTable)).focus()

    def _pointed_at(self) -> Execution | None:
        """The execution under the cursor, if a person put it there and it ran; else the newest that ran."""
        table = self.query_one("#executions", RowTable)
        ran = {str(one.id): one for one in self._executions if one.attempt_count}
        pointed = ran.get(table.cursor_key or "") if table.taken else None
        return pointed or next(iter(ran.values()), None)

    async def _fetch_steps(self) -> Ran | None:
        wanted = self._pointed_at()
        if wanted is None or (self._run is not None and self._run.execution.id == wanted.id):
            return self._run if wanted is not None else None
        return Ran(wanted, await self.client.trace(wanted.trace_id))

    def _show_steps(self, ran: Ran | None) -> None:
        self._run = ran
        steps = self.query_one("#steps", RowTable)
        if ran is None:
            steps.set_empty(self.hint("it has not run in this time", "workflows.run", "runs it now"))
            steps.set_rows([])
            self.set_title(steps, "Steps")
            return
        steps.set_empty(Content("its trace was not kept, or it ended before its first step"))
        steps.set_rows(step_rows(ran.spans))
        execution, now = ran.execution, self.console.moment()
        age = age_text(execution.started_at, now)
        self.set_title(steps, "Steps", f"execution {execution.id} · {execution.outcome} · {age}")

    def _steps_failed(self, error: TocsinError | None) -> None:
        self.console.report_trouble(self._steps, error)

    @on(RowTable.Highlighted, "#executions")
    def _moved(self) -> None:
        self._steps.follow()

    @on(RowTable.Selected, "#steps")
    def _step_opened(self, event: RowTable.Selected) -> None:
        spans = self._run.spans if self._run is not None else ()
        step = next((span for span in spans if span.span_id == event.key and is_step(span)), None)
        if step is None:
            return

        async def open_page() -> None:
            try:
                replies = await self.client.replies(self._workflow_id, until=self.console.past)
            except TocsinError as error:
                self.console.say(str(error), "error")
                return
            text = step_text(step, spans, replies, self.console.moment(), self.console.past is not None)
            self.app.push_screen(PageModal(foreign(f"{self._workflow_id} › {step.name}", 120), text))

        self.run_worker(open_page(), group="step", exclusive=True)

    @on(RowTable.Selected, "#executions")
    def _opened(self, event: RowTable.Selected) -> None:
        self.console.open_execution(int(event.key))

    @on(RowTable.BottomReached, "#executions")
    def _older(self) -> None:
        if self._more and self._limit < _MOST:
            self._limit += _PAGE
            self.reload()
