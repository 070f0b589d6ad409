"""The views of the console, defined once: their order, keys and modes are all read from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import cast

from textual.screen import Screen


@dataclass(frozen=True, slots=True)
class ViewEntry:
    """One view; its number is its key.

    Args:
        name: its mode, and the module of `tui.screens` it is in.
        screen: its class there.
        help: one sentence.
    """

    name: str
    screen: str
    help: str

    def make(self) -> Screen[None]:
        """The view; its module is imported when it is first seen."""
        return cast("Screen[None]", getattr(import_module(f"tui.screens.{self.name}"), self.screen)())


VIEWS = (
    ViewEntry("dashboard", "DashboardView", "Health, charts, alerts and a trace at a glance."),
    ViewEntry("workflows", "WorkflowsView", "Every workflow with its schedule, outcomes and timing."),
    ViewEntry("alerts", "AlertsView", "Alerts with their events, decisions and notifications."),
    ViewEntry("charts", "ChartsView", "Any series over time, with what it was before."),
    ViewEntry("traces", "TracesView", "Executions and where their time went."),
    ViewEntry("logs", "LogsView", "The newest log lines, and search."),
    ViewEntry("rules", "RulesView", "Every rule with what its conditions are now, and backtests."),
    ViewEntry("notifications", "NotificationsView", "What channels were told, what waits, what has failed."),
    ViewEntry("reports", "ReportsView", "A period against its objectives, and what to do about it."),
)


def modes() -> dict[str, str | Callable[[], Screen[None]]]:
    """Textual's modes, by the names of the views."""
    return {entry.name: partial(ViewEntry.make, entry) for entry in VIEWS}
