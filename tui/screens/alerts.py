"""View 3: alerts, and everything that belongs to the one under the cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import Static

from engine.client import AlertDetail
from engine.errors import NotFoundError, TocsinError
from engine.model import Alert, AlertState, Execution, Topic
from tui.actions import Scope, bindings
from tui.bridge import Loader
from tui.present import foreign
from tui.screens.base import AlertActions
from tui.screens.details import alert_text
from tui.widgets.status_bar import hint
from tui.widgets.timeline import AlertTimeline

_OPEN = frozenset({AlertState.PENDING, AlertState.FIRING, AlertState.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class AlertPage:
    """What stands beside the list: one alert, and the execution that raised it."""

    detail: AlertDetail
    cause: Execution | None


class AlertsView(AlertActions[tuple[Alert, ...]]):
    """The timeline beside (or above) the detail of one alert."""

    CSS_PATH = "split.tcss"
    AUTO_FOCUS = "#timeline"
    SCOPE = Scope.ALERTS
    TOPICS = frozenset({Topic.ALERTS, Topic.NOTIFICATIONS})
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.ALERTS)

    def __init__(self) -> None:
        super().__init__()
        self._open_only = False
        self._detail: Loader[AlertPage | None] = Loader(
            self, "detail", self._fetch_detail, self._show_detail, self._detail_failed
        )

    def compose_body(self) -> ComposeResult:
        timeline = AlertTimeline(id="timeline", classes="pane")
        page = VerticalScroll(Static(id="detail-text"), id="detail", classes="pane")
        with Container(classes="split"):
            yield timeline
            yield page
        self.set_title(timeline, "Alerts")
        self.set_title(page, "Alert")

    async def fetch(self) -> tuple[Alert, ...]:
        since = self.console.time_range.since(self.console.moment())
        return await self.client.alerts(states=_OPEN if self._open_only else None, since=since, limit=500)

    def show(self, data: tuple[Alert, ...]) -> None:
        now = self.console.moment()
        timeline = self.query_one(AlertTimeline)
        timeline.show(data, now, self.console.time_range.since(now))
        wanted = self.console.selection.alert_id
        if wanted is not None:
            timeline.move_to(str(wanted))
            self.console.clear_selection()
        what = "open" if self._open_only else f"open and resolved · {self.console.time_range.label}"
        self.set_title(timeline, f"Alerts · {len(data)} {what}")
        self._detail.request(urgent=True)

    def selected_alert(self) -> Alert | None:
        """The open alert under the cursor."""
        alert = self.query_one(AlertTimeline).cursor_alert
        return alert if alert is not None and alert.resolved_at is None else None

    def action_toggle_resolved(self) -> None:
        """Hide resolved alerts, or show them again."""
        self._open_only = not self._open_only
        self.reload()

    async def _fetch_detail(self) -> AlertPage | None:
        alert = self.query_one(AlertTimeline).cursor_alert
        if alert is None:
            return None
        try:
            detail = await self.client.alert(alert.id)
        except NotFoundError:
            return None
        return AlertPage(detail, await self._cause(detail.alert))

    async def _cause(self, alert: Alert) -> Execution | None:
        """The execution that raised it, if one did and it is still stored."""
        if alert.execution_id is None:
            return None
        try:
            return await self.client.execution(alert.execution_id)
        except NotFoundError:
            return None

    def _show_detail(self, shown: AlertPage | None) -> None:
        page = self.query_one("#detail", VerticalScroll)
        text = self.query_one("#detail-text", Static)
        if shown is None:
            label = self.console.time_range.label
            text.update(hint(f"no alert in the last {label}", "t", "chooses a longer range"))
            self.set_title(page, "Alert")
        else:
            alert = shown.detail.alert
            text.update(alert_text(shown.detail, shown.cause, self.console.moment()))
            self.set_title(page, "Alerts", foreign(f"{alert.rule_name} #{alert.id}", 100))
        self.alert_changed()

    def _detail_failed(self, error: TocsinError | None) -> None:
        self.console.report_trouble(self._detail, error)

    @on(AlertTimeline.Highlighted)
    def _moved(self) -> None:
        self._detail.request(urgent=True)

    @on(AlertTimeline.Selected)
    def _opened(self, event: AlertTimeline.Selected) -> None:
        alert = event.table.cursor_alert if isinstance(event.table, AlertTimeline) else None
        if alert is None or alert.execution_id is None:
            self.console.say("this alert was not raised by an execution, so it has no trace", "warning")
        else:
            self.console.open_execution(alert.execution_id)
