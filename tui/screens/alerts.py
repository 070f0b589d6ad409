"""View 3: alerts, and everything that belongs to the one under the cursor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import Static

from engine.errors import NotFoundError, TocsinError
from engine.model import Alert, AlertState, Execution, ExplanationLine, Topic
from tui.actions import Scope, bindings
from tui.bridge import Loader
from tui.present import foreign
from tui.screens.alerting import AlertActions
from tui.screens.details import alert_text
from tui.widgets.status_bar import hint
from tui.widgets.timeline import AlertTimeline
from tui.widgets.writing import write

_OPEN = frozenset({AlertState.PENDING, AlertState.FIRING, AlertState.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class AlertPage:
    """What stands beside the list: one alert, the execution that raised it, and why it is as it is."""

    alert: Alert
    cause: Execution | None
    why: tuple[ExplanationLine, ...]


@dataclass(frozen=True, slots=True)
class AlertList:
    """What is listed, and why nobody is told of some of it, by number."""

    alerts: tuple[Alert, ...]
    muted: Mapping[int, str]


class AlertsView(AlertActions[AlertList]):
    """The timeline beside (or above) the detail of one alert."""

    CSS_PATH = "split.tcss"
    AUTO_FOCUS = "#timeline"
    SCOPE = Scope.ALERTS
    TOPICS = frozenset({Topic.ALERTS, Topic.NOTIFICATIONS})
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.ALERTS)

    def __init__(self) -> None:
        super().__init__()
        self._listed = AlertList((), {})
        self._marked: set[int] = set()
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

    async def fetch(self) -> AlertList:
        since = self.console.time_range.since(self.console.moment())
        states = _OPEN if self.is_on("open_only") else None
        alerts = await self.client.alerts(states=states, since=since, at=self.console.at, limit=500)
        return AlertList(alerts, await self.client.muted() if self.console.past is None else {})

    def show(self, data: AlertList) -> None:
        self._listed = data
        self._marked &= {alert.id for alert in data.alerts if alert.resolved_at is None}
        timeline = self.query_one(AlertTimeline)
        self._show_list()
        wanted = self.console.selection.alert_id
        if wanted is not None:
            timeline.move_to(str(wanted))
            self.console.clear_selection()
        self._detail.request()

    def back(self) -> bool:
        if not self._marked:
            return False
        self.clear_marks()
        return True

    def selected_alert(self) -> Alert | None:
        """The open alert under the cursor."""
        alert = self.query_one(AlertTimeline).cursor_alert
        return alert if alert is not None and alert.resolved_at is None else None

    def marked_alerts(self) -> tuple[Alert, ...]:
        return tuple(alert for alert in self._listed.alerts if alert.id in self._marked)

    def clear_marks(self) -> None:
        self._marked.clear()
        self._show_list()
        self.alert_changed()

    def action_mark(self) -> None:
        """Mark the alert under the cursor, or no longer, and go on to the next."""
        alert = self.selected_alert()
        if alert is None:
            self.console.say("only an open alert can be marked", "warning")
            return
        self._marked ^= {alert.id}
        self._show_list()
        self.query_one(AlertTimeline).action_cursor_down()
        self.alert_changed()

    def action_toggle_resolved(self) -> None:
        """Hide resolved alerts, or show them again."""
        self.toggle("open_only")
        self.reload()

    def _show_list(self) -> None:
        now, time_range = self.console.moment(), self.console.time_range
        timeline, listed = self.query_one(AlertTimeline), self._listed
        timeline.show(listed.alerts, now, time_range.since(now), listed.muted, self._marked)
        what = "open" if self.is_on("open_only") else f"open and resolved · {time_range.label}"
        marks = f" · {len(self._marked)} marked" if self._marked else ""
        self.set_title(timeline, f"Alerts · {len(listed.alerts)} {what}{marks}")

    async def _fetch_detail(self) -> AlertPage | None:
        alert = self.query_one(AlertTimeline).cursor_alert
        if alert is None:
            return None
        try:
            detail = await self.client.alert(alert.id, self.console.at)
        except NotFoundError:
            return None
        why = await self.client.explain(alert.id, self.console.at)
        return AlertPage(detail.alert, await self._cause(detail.alert), why)

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
            write(text, hint(f"no alert in the last {label}", "t", "chooses a longer range"))
            self.set_title(page, "Alert")
        else:
            alert = shown.alert
            muted = self._listed.muted.get(alert.id, "")
            write(text, alert_text(alert, shown.cause, shown.why, self.console.moment(), muted))
            self.set_title(page, "Alerts", foreign(f"{alert.rule_name} #{alert.id}", 100))
        self.alert_changed()

    def _detail_failed(self, error: TocsinError | None) -> None:
        self.console.report_trouble(self._detail, error)

    @on(AlertTimeline.Highlighted)
    def _moved(self) -> None:
        self._detail.follow()

    @on(AlertTimeline.Selected)
    def _opened(self, event: AlertTimeline.Selected) -> None:
        alert = event.table.cursor_alert if isinstance(event.table, AlertTimeline) else None
        if alert is None or alert.execution_id is None:
            self.console.say("this alert was not raised by an execution, so it has no trace", "warning")
        else:
            self.console.open_execution(alert.execution_id)
