"""The part of the fake engine that is about its configuration."""

from __future__ import annotations

from engine.model import ReloadReport
from tests.tui.fake_data import NOW


class FakeReload:
    """Answers `reload()` with `reload_report`, and counts how often it was asked."""

    config_fault = ""
    reload_report = ReloadReport(NOW, "nothing has changed")
    reloads = 0

    async def reload(self) -> ReloadReport:
        self.reloads += 1
        return self.reload_report
