"""How a person hears of the configuration: read again at a key, or by an engine that watches its files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.client import EngineInfo
from engine.errors import TocsinError
from engine.model import ReloadReport
from tui.travelling import Travelling


class Reloading(Travelling):
    """The part of the console that reads the configuration again, and tells when that was done elsewhere."""

    _is_reading = False
    """It is read again from here, which is told by the report."""

    def action_reload_configuration(self) -> None:
        self.reload_configuration()

    def reload_configuration(self, edit: Callable[[ReloadReport], None] | None = None) -> None:
        """Read the configuration again and tell what came of it; `edit` mends a file that has a problem."""

        async def reload() -> None:
            self._is_reading = True
            try:
                report = await self.client.reload()
            except TocsinError as error:
                self._is_reading = False
                self.say(str(error), "error")
                return
            if not report.changes:
                self._is_reading = False
            if not report.changes and report.succeeded:
                self.say(f"configuration reloaded: {report.summary}")
                return
            from tui.modals.reloaded import ReloadModal

            self.push_screen(ReloadModal(report, None if edit is None else partial(edit, report)))

        self.run_worker(reload(), group="command")

    def tell_configuration(self, before: EngineInfo | None, now: EngineInfo) -> None:
        """Say, once, that the engine goes by another configuration, or why it does not.

        Args:
            before: what the engine said before, of now; None: nothing yet.
        """
        fault = now.config_fault
        if fault and (before is None or before.config_fault != fault):
            key = self.settings.keys.first("global.reload")
            self.say(f"the configuration stays as it was: {fault} ({key} reads it again)", "error")
        if before is None or not before.digest or not now.live or before.digest == now.digest:
            return
        if not self._is_reading:
            self.say(f"configuration reloaded: {now.digest[:8]} is in force")
        self._is_reading = False
