"""Alerts in time: what burns, since when, and who has it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from engine.model import Alert
from tui.widgets.row_table import RowTable


class AlertTimeline(RowTable):
    """Alerts, newest first, each with its life drawn against the time range."""

    class Highlighted(RowTable.Highlighted):
        @property
        def alert_id(self) -> int | None:
            return int(self.key) if self.key is not None else None

    class Selected(RowTable.Selected):
        @property
        def alert_id(self) -> int:
            return int(self.key)

    def __init__(
        self, *, empty: Content | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__((), empty=empty or Content(""), id=id, classes=classes)

    def show(self, alerts: Sequence[Alert], now: float, since: float) -> None:
        """Show these alerts against [since, now]."""

    @property
    def cursor_alert(self) -> Alert | None:
        return None
