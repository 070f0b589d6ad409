"""Alerts in time: what burns, since when, and who has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import partial

from textual.content import Content

from engine.model import Alert, AlertState
from tui.present import (
    MUTED,
    age_text,
    alert_state,
    clock_text,
    fit,
    foreign,
    muted,
    severity,
    severity_style,
    sign,
)
from tui.widgets.columns import Cells, Column, Row
from tui.widgets.ordering import Sorts
from tui.widgets.row_table import RowTable

_COLUMNS = (
    Column("severity", "Severity", 10),
    Column("state", "State", 10, min_terminal=48),
    Column("what", "Alert", 20, flex=16, most=52),
    Column("who", "By", 12, flex=1, min_terminal=90, most=16),
    Column("age", "Age", 5, align="right"),
    Column("life", "", 11, flex=2, min_terminal=72, most=96),
)
_STATE, _WHAT, _AGE, _LIFE = 1, 2, 4, 5
_BY_STATE = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.PENDING, AlertState.RESOLVED)
_SORTS: Sorts = {
    "severity": lambda alert: -alert.severity.rank,
    "state": lambda alert: _BY_STATE.index(alert.state),
    "what": lambda alert: f"{alert.subject} {alert.rule_name}".casefold(),
    "who": lambda alert: (alert.resolved_by or alert.acked_by).casefold() or None,
    "age": lambda alert: -(alert.fired_at or alert.started_at),
}
NOT_MUTED: Mapping[int, str] = {}


class AlertTimeline(RowTable):
    """Open alerts first, the worst on top; then the others, newest first; lives drawn against the range."""

    class Highlighted(RowTable.Highlighted):
        """The cursor is on another alert, or on none."""

        @property
        def alert_id(self) -> int | None:
            return int(self.key) if self.key is not None else None

    class Selected(RowTable.Selected):
        """Enter, or a click on the cursor's alert."""

        @property
        def alert_id(self) -> int:
            return int(self.key)

    def __init__(
        self, *, empty: Content | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(
            _COLUMNS,
            empty=empty or Content("no alerts in this range"),
            lead=True,
            sorts=_SORTS,
            id=id,
            classes=classes,
        )
        self._alerts: dict[str, Alert] = {}
        self._since = 0.0
        self._now = 1.0

    def show(
        self,
        alerts: Sequence[Alert],
        now: float,
        since: float,
        muted: Mapping[int, str] = NOT_MUTED,
        marked: Set[int] = frozenset(),
    ) -> None:
        """Show these alerts against [since, now].

        Args:
            muted: why nobody is told of some of them, by their numbers.
            marked: the numbers of those that a person has marked.
        """
        before = self._start_text()
        self._since, self._now = since, max(now, since + 1.0)
        self._alerts = {str(alert.id): alert for alert in sorted(alerts, key=_urgency, reverse=True)}
        self.set_rows(
            [
                _row(key, alert, muted.get(alert.id, ""), alert.id in marked)
                for key, alert in self._alerts.items()
            ]
        )
        if self._start_text() != before:
            self.refresh()

    def count_from(self, now: float) -> None:
        """It is `now`: draw the lines in view anew that say something else at this time."""
        before = self._start_text()
        self._since, self._now = self._since + now - self._now, now
        if self._start_text() != before:
            self.refresh()
        else:
            self.redraw_changed()

    @property
    def cursor_alert(self) -> Alert | None:
        return self._alerts.get(self.cursor_key or "")

    def record(self, key: str) -> Alert | None:
        return self._alerts.get(key)

    def cell(self, row: Row, place: int, width: int) -> Content:
        alert = self._alerts[row.key]
        if place == _LIFE:
            return self._life(alert, width)
        if place == _AGE:
            return Content(self._age(alert))
        if place == _WHAT and self.size.width < _COLUMNS[_STATE].min_terminal:
            return alert_state(alert.state)[:2] + row.cells[place]
        return row.cells[place]

    def drawn_besides(self, row: Row) -> object:
        """Bars and ages move with the time, whatever the rows say."""
        alert = self._alerts.get(row.key)
        if alert is None:
            return None
        places = dict(self._places(self.scrollable_content_region.width))
        bar = self._bar(alert, places[_LIFE]) if _LIFE in places else None
        return self._age(alert), bar, alert.state, alert.started_at < self._since

    def title_cell(self, place: int, width: int) -> Content:
        if place != _LIFE:
            return super().title_cell(place, width)
        start, end = self._start_text(), "now"
        return fit(Content(start), max(width - len(end), 0)) + Content(end)

    def _age(self, alert: Alert) -> str:
        return age_text(alert.fired_at or alert.started_at, self._now)

    def _life(self, alert: Alert, width: int) -> Content:
        """From its start to its end, or to now; what was before the range is an arrow."""
        start, end = self._bar(alert, width)
        bar = sign("━", "=") * (end - start)
        if alert.started_at < self._since:
            bar = sign("◂", "<") + bar[1:]
        if alert.resolved_at is None:
            bar = bar[:-1] + sign("▸", ">")
        style = severity_style(alert.severity) if alert.state.is_active else MUTED
        track = sign("·", ".")
        return (
            Content.styled(track * start, "$foreground 20%")
            + Content.styled(bar, style)
            + Content.styled(track * (width - end), "$foreground 20%")
        )

    def _bar(self, alert: Alert, width: int) -> tuple[int, int]:
        """The first cell of its bar, and the one after its last."""
        scale = width / (self._now - self._since)
        ended = alert.resolved_at if alert.resolved_at is not None else self._now
        start = min(max(int((alert.started_at - self._since) * scale), 0), width - 1)
        return start, min(max(round((ended - self._since) * scale), start + 1), width)

    def _start_text(self) -> str:
        """When the range begins."""
        return clock_text(self._since, seconds=False)


def _urgency(alert: Alert) -> tuple[bool, bool, int, float, int]:
    """What is open comes before what waits and what is over; the worst of it, then the newest, first."""
    is_open = alert.state.is_active
    rank = alert.severity.rank if is_open else 0
    return is_open, alert.state is AlertState.PENDING, rank, alert.started_at, alert.id


def _row(key: str, alert: Alert, why: str, is_marked: bool) -> Row:
    dim = alert.state in (AlertState.RESOLVED, AlertState.PENDING)
    return Row(key, partial(_cells, alert, why, is_marked), "dim" if dim else "", of=alert)


def _cells(alert: Alert, why: str, is_marked: bool) -> Cells:
    what = foreign(alert.subject, 200) + Content.styled(" · ", MUTED) + foreign(alert.rule_name)
    is_muted = bool(why) and alert.state is AlertState.FIRING
    return (
        severity(alert.severity),
        muted() if is_muted else alert_state(alert.state, short=True),
        Content.styled(sign("▪ ", "+ "), "bold $accent") + what if is_marked else what,
        foreign(why, 120, MUTED) if is_muted else _who(alert),
        Content(""),
        Content(""),
    )


def _who(alert: Alert) -> Content:
    """Who has it, or who ended it."""
    if alert.state is AlertState.RESOLVED:
        return foreign(alert.resolved_by, 60)
    return foreign(alert.acked_by, 60)
