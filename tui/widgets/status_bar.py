"""The header line of every view."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content
from textual.widgets import Static

from engine.client import EngineInfo
from engine.model import Health, Severity


class StatusBar(Static):
    """Product, environment, score, firing alerts, live or paused, time range and time."""

    def show(
        self,
        info: EngineInfo | None,
        health: Health | None,
        counts: Mapping[Severity, int],
        live: bool,
        range_label: str,
        now: float,
    ) -> None:
        """Show these; `counts` are alerts that nobody has taken yet."""


def hint(why: str, key: str = "", does: str = "") -> Content:
    """An empty state: why there is nothing here, and which key helps."""
    return Content(why)
