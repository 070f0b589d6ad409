"""View 3: alerts, and everything that belongs to the one under the cursor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from engine.errors import NotFoundError, TocsinError
from engine.model import Alert, AlertState, Execution, Topic
from tui.actions import Scope, bindings
from tui.bridge import Loader
from tui.explaining import explanation_text
from tui.present import MUTED, foreign
from tui.screens.alerting import AlertActions
from tui.screens.details import alert_text
from tui.state import Vitals
from tui.widgets.timeline import AlertTimeline
from tui.widgets.writing import Page, write

_OPEN = frozenset({AlertState.PENDING, AlertState.FIRING, AlertState.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class AlertPage:
    """What stands beside the list: one alert, the execution that raised it, and why it is as it is."""

    alert: Alert
    cause: Execution | None
    why: Content


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
        self._gone_to: int | None = None
        self._page: AlertPage | None = None
        self._detail: Loader[AlertPage | None] = Loader(
            self, "detail", self._fetch_detail, self._show_detail, self._detail_failed
        )

    def compose_body(self) -> ComposeResult:
        timeline = AlertTimeline(empty=self.nothing_of("alerts"), id="timeline", classes="pane")
        page = VerticalScroll(Page(id="detail-text"), id="detail", classes="pane")
        with Container(classes="split"):
            yield timeline
            yield page
        self.set_title(timeline, "Alerts")
        self.set_title(page, "Alert")

    async def fetch(self) -> AlertList:
        since = self.console.time_range.since(self.console.moment())
        states = _OPEN if self.is_on("open_only") else None
        alerts = await self._with_wanted(
            await self.client.alerts(states=states, since=since, at=self.console.at, limit=500)
        )
        return AlertList(alerts, await self.client.muted() if self.console.past is None else {})

    async def _with_wanted(self, alerts: tuple[Alert, ...]) -> tuple[Alert, ...]:
        """These, and the one that was gone to while the cursor is on it: it may be older, or not be open."""
        wanted = self.console.selection.alert_id
        # A view that is taken down has no list any more.
        if wanted is None and self.stands and self.query_one(AlertTimeline).cursor_key == str(self._gone_to):
            wanted = self._gone_to
        self._gone_to = wanted
        if wanted is None or any(alert.id == wanted for alert in alerts):
            return alerts
        try:
            return (*alerts, (await self.client.alert(wanted, self.console.at)).alert)
        except NotFoundError as error:
            self.console.clear_selection()
            self.console.say(str(error), "warning")
            return alerts

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

    def show_vitals(self, vitals: Vitals | None) -> None:
        super().show_vitals(vitals)
        self.query_one(AlertTimeline).count_from(self.console.moment())
        if self._page is not None:
            self._write_detail(self._page)

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

    def action_mark_all(self) -> None:
        """Mark all open alerts that pass the filter, or, when they are, none of them."""
        passing = {row.key for row in self.query_one(AlertTimeline).shown_rows}
        shown = {
            alert.id
            for alert in self._listed.alerts
            if alert.resolved_at is None and str(alert.id) in passing
        }
        if not shown:
            self.console.say("there is no open alert here to mark", "warning")
        self._marked = self._marked - shown if shown <= self._marked else self._marked | shown
        self._show_list()
        self.alert_changed()

    def action_toggle_resolved(self) -> None:
        """Hide resolved alerts, or show them again."""
        self.toggle("open_only")
        self.reload()

    def _show_list(self) -> None:
        now, time_range = self.console.moment(), self.console.time_range
        timeline, listed = self.query_one(AlertTimeline), self._listed
        timeline.show(listed.alerts, now, time_range.since(now), listed.muted, self._marked)
        counts = Counter(_standing(alert.state) for alert in listed.alerts)
        told = [f"{counts['open']} open"]
        if counts["pending"]:
            told.append(f"{counts['pending']} pending")
        if not self.is_on("open_only"):
            told.append(f"{counts['resolved']} resolved · {time_range.label}")
        marks = f" · {len(self._marked)} marked" if self._marked else ""
        self.set_title(timeline, f"Alerts · {', '.join(told)}{marks}")

    async def _fetch_detail(self) -> AlertPage | None:
        alert = self.query_one(AlertTimeline).cursor_alert
        if alert is None:
            return None
        try:
            detail = await self.client.alert(alert.id, self.console.at)
        except NotFoundError:
            return None
        why = await self.client.explain(alert.id, self.console.at)
        return AlertPage(detail.alert, await self._cause(detail.alert), explanation_text(why[1:]))

    async def _cause(self, alert: Alert) -> Execution | None:
        """The execution that raised it, if one did and it is still stored."""
        if alert.execution_id is None:
            return None
        try:
            return await self.client.execution(alert.execution_id)
        except NotFoundError:
            return None

    def _show_detail(self, shown: AlertPage | None) -> None:
        self._page = shown
        page = self.query_one("#detail", VerticalScroll)
        if shown is None:
            write(self.query_one("#detail-text", Page), Content.styled("no alert is selected", MUTED))
            self.set_title(page, "Alert")
        else:
            self._write_detail(shown)
            self.set_title(page, "Alerts", foreign(f"{shown.alert.rule_name} #{shown.alert.id}", 100))
        self.alert_changed()

    def _write_detail(self, shown: AlertPage) -> None:
        muted = self._listed.muted.get(shown.alert.id, "")
        text = alert_text(shown.alert, shown.cause, shown.why, self.console.moment(), muted)
        write(self.query_one("#detail-text", Page), text)

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


def _standing(state: AlertState) -> str:
    return "open" if state.is_active else state.value
