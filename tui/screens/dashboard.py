"""View 1: health, charts, alert timeline and a trace, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from engine.client import Bucket, WorkflowStatus
from engine.errors import NotFoundError
from engine.model import Alert, Execution, Span, Topic
from tui import present
from tui.actions import Scope, bindings
from tui.screens.base import AlertActions
from tui.screens.charts import BUCKETS, ChartPair
from tui.state import Selection, Vitals
from tui.widgets.health_pane import HealthPane
from tui.widgets.timeline import AlertTimeline
from tui.widgets.trace_tree import TraceTree


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """What the four panes show."""

    workflows: tuple[WorkflowStatus, ...]
    buckets: tuple[Bucket, ...]
    alerts: tuple[Alert, ...]
    execution: Execution | None
    spans: tuple[Span, ...]


class DashboardView(AlertActions[DashboardPage]):
    """Four panes; the trace is that of the alert under the cursor, or the newest."""

    CSS_PATH = "dashboard.tcss"
    AUTO_FOCUS = "#health RowTable"
    SCOPE = Scope.DASHBOARD
    TOPICS = frozenset({Topic.EXECUTIONS, Topic.ALERTS, Topic.HEALTH})
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.DASHBOARD)

    def __init__(self) -> None:
        super().__init__()
        self._page: DashboardPage | None = None
        self._pinned: int | None = None

    def compose_body(self) -> ComposeResult:
        health = HealthPane(id="health", classes="pane")
        charts = ChartPair(id="charts", classes="pane")
        charts.can_focus = True
        timeline = AlertTimeline(id="timeline", classes="pane")
        trace = TraceTree(id="trace", classes="pane")
        with Container(id="panes"):
            yield health
            yield charts
            yield timeline
            yield trace
        self.set_title(health, "Health")
        self.set_title(charts, "Charts")
        self.set_title(timeline, "Alerts")
        self.set_title(trace, "Trace")

    async def fetch(self) -> DashboardPage:
        until = self.console.moment()
        since = self.console.time_range.since(until)
        execution = await self._chosen_execution()
        return DashboardPage(
            await self.client.workflows(since, until),
            await self.client.buckets(since, until, BUCKETS),
            await self.client.alerts(since=since),
            execution,
            await self.client.trace(execution.trace_id) if execution else (),
        )

    def show(self, data: DashboardPage) -> None:
        self._page = data
        now, label = self.console.moment(), self.console.time_range.label
        since = self.console.time_range.since(now)
        self._show_health()
        charts = self.query_one(ChartPair)
        charts.show(data.buckets, since, now)
        self.set_title(charts, f"Charts · all workflows · {label}")
        timeline = self.query_one(AlertTimeline)
        timeline.show(data.alerts, now, since)
        active = sum(alert.state.is_active for alert in data.alerts)
        self.set_title(timeline, f"Alerts · {active} open · {label}")
        self.alert_changed()
        self._show_trace(data, now)

    def show_vitals(self, vitals: Vitals | None) -> None:
        super().show_vitals(vitals)
        self._show_health()

    def back(self) -> bool:
        if self._pinned is None:
            return False
        self._pinned = None
        self.reload()
        return True

    def selected_alert(self) -> Alert | None:
        """The open alert under the timeline's cursor."""
        alert = self.query_one(AlertTimeline).cursor_alert
        return alert if alert is not None and alert.resolved_at is None else None

    def action_open_pane(self) -> None:
        """Open the full view of the focused pane; lists open what their cursor is on themselves."""
        if self.query_one(ChartPair).has_focus:
            self.console.open_view("traces")

    def action_run_now(self) -> None:
        """Start the workflow under the cursor of the health pane."""
        pane = self.query_one(HealthPane)
        workflow_id = pane.cursor_workflow
        if workflow_id is None or not pane.has_focus_within:
            self.console.say("tab to a workflow in the health pane first", "warning")
        else:
            self.command(lambda: self.client.run_now(workflow_id), f"started {workflow_id}")

    def _show_health(self) -> None:
        vitals = self.console.vitals
        if vitals is not None:
            workflows = self._page.workflows if self._page else ()
            self.query_one(HealthPane).show(vitals.health, workflows, self.console.moment())

    def _show_trace(self, data: DashboardPage, now: float) -> None:
        tree = self.query_one(TraceTree)
        tree.show(data.spans)
        execution = data.execution
        if execution is None:
            self.set_title(tree, "Trace")
            return
        which = "alert" if self._pinned is not None else "newest"
        age = present.age_text(execution.started_at, now)
        self.set_title(tree, "Trace", present.foreign(execution.workflow_name, 60), f"{which} · {age}")

    async def _chosen_execution(self) -> Execution | None:
        if self._pinned is not None:
            try:
                return await self.client.execution(self._pinned)
            except NotFoundError:
                self._pinned = None
        newest = await self.client.executions(limit=10)
        return next((execution for execution in newest if execution.attempt_count), None)

    @on(AlertTimeline.Highlighted)
    def _alert_highlighted(self) -> None:
        if not self.query_one(AlertTimeline).has_focus:
            return
        alert = self.query_one(AlertTimeline).cursor_alert
        if alert is not None and alert.execution_id not in (None, self._pinned):
            self._pinned = alert.execution_id
            self.reload()
        self.alert_changed()

    @on(AlertTimeline.Selected)
    def _alert_opened(self, event: AlertTimeline.Selected) -> None:
        self.console.open_view("alerts", Selection(alert_id=event.alert_id))

    @on(HealthPane.Selected)
    def _workflow_opened(self, event: HealthPane.Selected) -> None:
        self.console.open_workflow(event.workflow_id)

    @on(TraceTree.Opened)
    def _trace_opened(self) -> None:
        execution = self._page.execution if self._page else None
        if execution is not None:
            self.console.open_view("traces", Selection(execution_id=execution.id))
