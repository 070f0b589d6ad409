"""View 1: health, charts, alert timeline and a trace, all at once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from engine.client import Bucket, WorkflowStatus
from engine.errors import TocsinError
from engine.model import Alert, Span, Topic
from tui import present
from tui.actions import Scope, bindings
from tui.bridge import Loader
from tui.screens.alerting import AlertActions
from tui.screens.operating import WorkflowActions
from tui.screens.traced import Traced, choose
from tui.state import Selection, Vitals
from tui.widgets.chart_pair import BUCKETS, ChartPair, clock_steps
from tui.widgets.health_pane import NO_WORKFLOWS, HealthPane
from tui.widgets.pane_grid import STEP, WAYS, PaneGrid
from tui.widgets.timeline import AlertTimeline
from tui.widgets.trace_tree import TraceTree

_NONE_THEN = Content("there were no workflows then")
_SUMS = 0.005
"""The part of the time (0–1) that summing up may take."""


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """What all panes but that of the trace show."""

    workflows: tuple[WorkflowStatus, ...]
    buckets: tuple[Bucket, ...]
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class TracePage:
    """What the pane of the trace shows, and what was pointed at when it was fetched."""

    pointed: Alert | str | None
    traced: Traced
    spans: tuple[Span, ...]


class DashboardView(AlertActions[DashboardPage], WorkflowActions[DashboardPage]):
    """Four panes; the trace is that of the alert or workflow pointed at, else of what fails, else the newest.

    While the trace itself has the focus it stays what it is.
    """

    CSS_PATH = "dashboard.tcss"
    AUTO_FOCUS = "#health RowTable"
    SCOPE = Scope.DASHBOARD
    TOPICS = frozenset({Topic.EXECUTIONS, Topic.ALERTS, Topic.HEALTH})
    SLOWER = 4.0
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.DASHBOARD)

    def __init__(self) -> None:
        super().__init__()
        self._page: DashboardPage | None = None
        self._pointed: Alert | str | None = None
        self._traced: TracePage | None = None
        self._summed: tuple[tuple[WorkflowStatus, ...], tuple[Bucket, ...]] | None = None
        self._sums_due = 0.0
        # A cursor that moves asks for a trace alone: to sum up all workflows at every key takes too long.
        self._trace: Loader[TracePage] = Loader(
            self, "trace", self._fetch_trace, self._show_trace, self._trace_failed
        )

    def compose_body(self) -> ComposeResult:
        health = HealthPane(id="health", classes="pane")
        charts = ChartPair(empty=self.nothing_of("executions"), id="charts", classes="pane")
        charts.can_focus = True
        timeline = AlertTimeline(empty=self.nothing_of("alerts"), id="timeline", classes="pane")
        trace = TraceTree(id="trace", classes="pane")
        with PaneGrid(id="panes"):
            yield health
            yield charts
            yield timeline
            yield trace
        self.set_title(health, "Health")
        self.set_title(charts, "Charts")
        self.set_title(timeline, "Alerts")
        self.set_title(trace, "Trace")

    def on_mount(self) -> None:
        kept = self.console.memory.panes
        shares = {way: kept[f"dashboard.{way}"] for way in WAYS if f"dashboard.{way}" in kept}
        self.query_one(PaneGrid).restore(shares)

    async def fetch(self) -> DashboardPage:
        until = self.console.moment()
        since = self.console.time_range.since(until)
        workflows, buckets = await self._figures(since, until)
        alerts = await self.client.alerts(since=since, at=self.console.at)
        return DashboardPage(
            workflows, buckets, tuple(alert for alert in alerts if alert.started_at <= until)
        )

    def show(self, data: DashboardPage) -> None:
        before, self._page = self._page, data
        now, label = self.console.moment(), self.console.time_range.label
        since = self.console.time_range.since(now)
        self.query_one(HealthPane).set_empty(NO_WORKFLOWS if self.console.past is None else _NONE_THEN)
        self._show_health()
        charts = self.query_one(ChartPair)
        if before is None or data.buckets is not before.buckets:
            charts.show(data.buckets)
        self.set_title(charts, f"Charts · all workflows · {label}")
        timeline = self.query_one(AlertTimeline)
        timeline.show(data.alerts, now, since)
        active = sum(alert.state.is_active for alert in data.alerts)
        self.set_title(timeline, f"Alerts · {active} open · {label}")
        self.alert_changed()
        self.workflow_changed()
        self._trace.request()

    def show_vitals(self, vitals: Vitals | None) -> None:
        super().show_vitals(vitals)
        self._show_health()
        self.query_one(AlertTimeline).count_from(self.console.moment())

    def topics_changed(self, topics: frozenset[Topic]) -> None:
        # Between two sums, only alerts are news.
        if Topic.ALERTS in topics or time.monotonic() >= self._sums_due:
            super().topics_changed(topics)

    def reload(self) -> None:
        self._summed = None
        super().reload()

    def back(self) -> bool:
        if self._pointed is None:
            return False
        self._pointed = None
        self.query_one(AlertTimeline).release()
        self.query_one(HealthPane).release()
        self._trace.request(urgent=True)
        return True

    def selected_alert(self) -> Alert | None:
        """The open alert under the timeline's cursor."""
        alert = self.query_one(AlertTimeline).cursor_alert
        return alert if alert is not None and alert.resolved_at is None else None

    def action_open_pane(self) -> None:
        """Open the full view of the focused pane; lists open what their cursor is on themselves."""
        if self.query_one(ChartPair).has_focus:
            self.console.open_view("traces")

    def action_grow(self, steps: int) -> None:
        """Give the focused pane more room, or less."""
        grid = self.query_one(PaneGrid)
        pane = next((pane for pane in grid.children if pane.has_focus_within), None)
        if pane is not None:
            grid.grow(pane, steps * STEP)

    def action_move_border(self, right: int, down: int) -> None:
        self.query_one(PaneGrid).move(right * STEP, down * STEP)

    def action_even(self) -> None:
        self.query_one(PaneGrid).even()

    def selected_workflow(self) -> WorkflowStatus | None:
        """The workflow under the cursor of the health pane, while that has the focus."""
        pane = self.query_one(HealthPane)
        if self._page is None or not pane.has_focus_within:
            return None
        found = (status for status in self._page.workflows if status.id == pane.cursor_workflow)
        return next(found, None)

    def _show_health(self) -> None:
        vitals = self.console.vitals
        if vitals is not None:
            workflows = self._page.workflows if self._page else ()
            self.query_one(HealthPane).show(vitals.health, workflows, self.console.moment())

    async def _figures(
        self, since: float, until: float
    ) -> tuple[tuple[WorkflowStatus, ...], tuple[Bucket, ...]]:
        """What each workflow and all of them have done; where that takes long, less often than alerts."""
        began = time.monotonic()
        if self._summed is None or began >= self._sums_due:
            workflows = await self.client.workflows(since, until, self.console.past)
            # What is held still or past ends at its moment.
            steps = clock_steps(since, until) if self.console.live else (since, until, BUCKETS)
            self._summed = workflows, await self.client.buckets(*steps)
            ended = time.monotonic()
            self._sums_due = ended + min((ended - began) / _SUMS, Loader.SLOWEST)
        return self._summed

    async def _fetch_trace(self) -> TracePage:
        """The trace to show; the one that is being read stays."""
        pointed, shown = self._pointed, self._traced
        is_read = self.stands and self.query_one(TraceTree).has_focus
        if is_read and shown is not None and shown.spans and shown.pointed is pointed:
            return shown
        workflows = self._page.workflows if self._page is not None else ()
        traced = await choose(self.client, pointed, workflows, self.console.moment())
        execution = traced.execution
        spans = await self.client.trace(execution.trace_id) if execution is not None else ()
        return TracePage(pointed, traced, spans)

    def _show_trace(self, data: TracePage) -> None:
        if not self.stands:
            return
        self._traced = data
        tree = self.query_one(TraceTree)
        tree.show(data.spans)
        execution = data.traced.execution
        if execution is None:
            nothing = self._nothing_ran()
            tree.set_empty(Content(data.traced.why) if data.pointed else nothing)
            self.set_title(tree, "Trace")
            return
        age = present.age_text(execution.started_at, self.console.moment())
        name = present.foreign(execution.workflow_name, 60)
        self.set_title(tree, "Trace", name, f"{data.traced.why} · {age}")

    def _nothing_ran(self) -> Content:
        if self.console.past is not None:
            return self.hint("nothing had been executed by then", "global.live", "goes back to now")
        runs = f"then {self.key_of('workflows.run')} runs a workflow"
        return self.hint("nothing has been executed yet", "view.workflows", runs)

    def _trace_failed(self, error: TocsinError | None) -> None:
        self.console.report_trouble(self._trace, error)

    def _point(self, at: Alert | str | None) -> None:
        """Show the trace of this alert, or workflow, from now on; of those passed over, none."""
        old = self._pointed
        same = old.id == at.id if isinstance(old, Alert) and isinstance(at, Alert) else old == at
        if at is not None and not same:
            self._pointed = at
            self._trace.follow()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Who goes to the alerts points at one."""
        self.workflow_changed()
        if event.widget is self.query_one(AlertTimeline):
            self._point(self.query_one(AlertTimeline).cursor_alert)

    @on(AlertTimeline.Highlighted)
    def _alert_highlighted(self) -> None:
        timeline = self.query_one(AlertTimeline)
        if timeline.taken and timeline.has_focus:
            self._point(timeline.cursor_alert)
        self.alert_changed()

    @on(HealthPane.Highlighted)
    def _workflow_highlighted(self) -> None:
        pane = self.query_one(HealthPane)
        if pane.taken and pane.has_focus_within:
            self._point(pane.cursor_workflow)
        self.workflow_changed()

    @on(AlertTimeline.Selected)
    def _alert_opened(self, event: AlertTimeline.Selected) -> None:
        self.console.open_view("alerts", Selection(alert_id=event.alert_id))

    @on(HealthPane.Selected)
    def _workflow_opened(self, event: HealthPane.Selected) -> None:
        self.console.open_workflow(event.workflow_id)

    @on(PaneGrid.Moved)
    def _border_moved(self, event: PaneGrid.Moved) -> None:
        shares = event.grid.shares
        panes = self.console.memory.panes
        for way in WAYS:
            panes.pop(f"dashboard.{way}", None)
        panes.update({f"dashboard.{way}": share for way, share in shares.items()})

    @on(TraceTree.Opened)
    def _trace_opened(self) -> None:
        execution = self._traced.traced.execution if self._traced else None
        if execution is not None:
            self.console.open_view("traces", Selection(execution_id=execution.id))
