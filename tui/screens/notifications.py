"""View 8: what channels were told, what waits, and what was given up."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from engine.model import Notification, NotificationState, Topic
from tui import present
from tui.actions import Scope, bindings
from tui.screens.base import LOADING, View
from tui.screens.told_text import channels_text, error_style, next_text, told_text
from tui.state import Selection
from tui.widgets.ordering import Sorts
from tui.widgets.row_table import Column, Row, RowTable
from tui.widgets.writing import Page, write

_PAGE = 200
_MOST = 2_000
_COLUMNS = (
    Column("state", "State", 11),
    Column("channel", "Channel", 10, flex=1),
    Column("severity", "", 1),
    Column("title", "About", 14, flex=4),
    Column("kind", "Told of", 12, min_terminal=72),
    Column("tries", "Tries", 5, align="right"),
    Column("next", "Next", 7, align="right", min_terminal=60),
    Column("took", "Took", 8, align="right", min_terminal=84),
    Column("age", "Age", 5, align="right"),
    Column("error", "Reason", 14, flex=3, min_terminal=110),
)
_BY_STATE = (
    NotificationState.DEAD,
    NotificationState.SENDING,
    NotificationState.QUEUED,
    NotificationState.MOVED,
    NotificationState.SENT,
    NotificationState.COLLAPSED,
)
_WAITING = (NotificationState.QUEUED, NotificationState.SENDING)
_SORTS: Sorts = {
    "state": lambda row: _BY_STATE.index(row.state),
    "channel": lambda row: row.channel.casefold(),
    "severity": lambda row: -row.severity.rank,
    "title": lambda row: row.title.casefold(),
    "kind": lambda row: row.transition.value,
    "tries": lambda row: row.tries,
    "next": lambda row: row.next_at if row.state in _WAITING else None,
    "took": lambda row: row.latency,
    "age": lambda row: -row.created_at,
    "error": lambda row: row.error.casefold() or None,
}


class NotificationsView(View[tuple[Notification, ...]]):
    """Channels on top; the rows of the outbox beside (or above) one of them in full."""

    CSS_PATH = "split.tcss"
    AUTO_FOCUS = "#notifications"
    SCOPE = Scope.NOTIFICATIONS
    TOPICS = frozenset({Topic.NOTIFICATIONS, Topic.ALERTS})
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.NOTIFICATIONS)

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, Notification] = {}
        self._limit = _PAGE
        self._more = False
        self._offered: NotificationState | None = None

    def compose_body(self) -> ComposeResult:
        channels = Static(LOADING, id="channels", classes="pane")
        table = RowTable(_COLUMNS, empty=LOADING, sorts=_SORTS, id="notifications", classes="pane")
        page = VerticalScroll(Page(id="told-text"), id="told", classes="pane")
        yield channels
        with Container(classes="split"):
            yield table
            yield page
        self.set_title(channels, "Channels")
        self.set_title(table, "Outbox")
        self.set_title(page, "Message")

    @property
    def table(self) -> RowTable:
        return self.query_one("#notifications", RowTable)

    async def fetch(self) -> tuple[Notification, ...]:
        found = await self.client.notifications(until=self.console.at, limit=self._limit)
        self._more = len(found) >= self._limit
        moment = self.console.moment()
        return tuple(row for row in found if row.created_at <= moment)

    def show(self, data: tuple[Notification, ...]) -> None:
        now, dead_only = self.console.moment(), self.is_on("dead")
        self._rows = {row.key: row for row in data}
        shown = [row for row in data if not dead_only or row.state is NotificationState.DEAD]
        dead = sum(row.state is NotificationState.DEAD for row in data)
        nothing = Content.styled("no channel has been told of anything", present.MUTED)
        write(self.query_one("#channels", Static), channels_text(data, now) if data else nothing)
        table = self.table
        table.set_empty(
            self.hint("nothing was given up", "notifications.dead", "shows all notifications")
            if dead_only
            else self.hint(
                "nobody has been told of anything yet", "view.rules", "shows the rules and their channels"
            )
        )
        table.set_rows([_row(row, now) for row in shown])
        order = "" if table.order else ", newest first"
        self.set_title(table, _title(len(shown), dead, order, dead_only=dead_only))
        self._show_page()

    def selected(self) -> Notification | None:
        """The row under the cursor."""
        return self._rows.get(self.table.cursor_key or "")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what was given up can be tried once more, and only of what is listed there is an alert."""
        if action == "open_alert" and self.stands and self.selected() is None:
            return None
        if action == "retry" and self.stands:
            row = self.selected()
            return True if row is not None and row.state is NotificationState.DEAD else None
        return super().check_action(action, parameters)

    def action_toggle_dead(self) -> None:
        """Show only what was given up, or everything."""
        self.toggle("dead")
        self.reload()

    def action_open_alert(self) -> None:
        """Go to what the message under the cursor is about."""
        if (row := self.selected()) is None:
            self.console.say("no notification is selected", "warning")
        else:
            self.console.open_view("alerts", Selection(alert_id=row.alert_id))

    def action_retry(self) -> None:
        """Queue what was given up once more."""
        row = self.selected()
        if row is None or row.state is not NotificationState.DEAD:
            self.console.say("only what was given up can be tried once more", "warning")
            return
        self.command(lambda: self.client.retry_notification(row.key), f"queued for {row.channel} once more")

    def _show_page(self) -> None:
        page, text, row = (
            self.query_one("#told", VerticalScroll),
            self.query_one("#told-text", Page),
            self.selected(),
        )
        if row is None:
            write(text, Content.styled("no notification is selected", present.MUTED))
            self.set_title(page, "Message")
        else:
            others = [
                other
                for other in self._rows.values()
                if row.message and other.message == row.message and other.key != row.key
            ]
            write(text, told_text(row, others, self.console.moment(), self.key_of("notifications.retry")))
            self.set_title(page, "Message", present.foreign(f"{row.channel} · alert #{row.alert_id}", 80))
        offered = row.state if row is not None else None
        if offered is not self._offered:
            self._offered = offered
            self.refresh_bindings()

    @on(RowTable.Highlighted, "#notifications")
    def _moved(self) -> None:
        self._show_page()

    @on(RowTable.Selected, "#notifications")
    def _opened(self) -> None:
        self.query_one("#told", VerticalScroll).focus()

    @on(RowTable.BottomReached, "#notifications")
    def _older(self) -> None:
        if self._more and self._limit < _MOST:
            self._limit += _PAGE
            self.reload()


def _title(shown: int, dead: int, order: str, *, dead_only: bool) -> str:
    """What is listed, and how much of it."""
    if dead_only:
        return f"Outbox · {shown:,} given up"
    if not shown:
        return "Outbox · empty"
    return f"Outbox · {shown:,}{order}" + (f" · {dead:,} given up" if dead else "")


def _row(row: Notification, now: float) -> Row:
    return Row(
        row.key,
        (
            present.notification_state(row.state),
            present.foreign(row.channel, 64),
            present.severity_sign(row.severity),
            present.foreign(row.title.removeprefix(f"[{row.severity.value}] "), 300),
            Content.styled(row.transition.value, present.MUTED),
            Content(f"{row.tries}") if row.tries else Content.styled(present.sign("–", "-"), present.MUTED),
            Content.styled(next_text(row, now), present.MUTED),
            Content(present.duration_text(row.latency)),
            Content.styled(present.age_text(row.created_at, now), present.MUTED),
            present.foreign(row.error, 300, error_style(row)),
        ),
        "dim" if row.state is NotificationState.COLLAPSED else "",
        of=row,
    )
