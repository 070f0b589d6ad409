"""The console: modes, keymap, palette, themes and shared state. No domain logic lives here."""

from __future__ import annotations

import asyncio
import getpass
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.content import Content
from textual.notifications import SeverityLevel
from textual.widgets import Input
from textual.worker import WorkerFailed

from engine.client import EngineClient
from engine.clock import Clock
from engine.errors import TocsinError
from engine.model import Alert, AlertState, Notice, Severity, Topic
from engine.paths import state_dir
from engine.text import clean, own_words, plain
from tui import present
from tui.actions import ACTIONS, MUTATING_COMMANDS, Scope, bindings, in_scope
from tui.bridge import Bridge, EngineChanged, Loader
from tui.crash import write_crash_log
from tui.lifecycle import SignalGuard
from tui.memory import Memory
from tui.palette import ActionProvider
from tui.reloading import Reloading
from tui.settings import Settings
from tui.state import DEFAULT_RANGE, RANGES, Vitals
from tui.themes import OWN_THEMES, themes_for
from tui.time_cursor import TimeCursor
from tui.views import modes
from tui.vital_signs import read_vitals

_VITAL_TOPICS = frozenset({Topic.HEALTH, Topic.ALERTS, Topic.ENGINE, Topic.EXECUTIONS})
_TICKS_PER_REFRESH = 5
NOTICE_TIMEOUT = 20.0
_TOASTS: dict[Severity, SeverityLevel] = {
    Severity.INFO: "information",
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
    Severity.CRITICAL: "error",
}
_ACTIVE = frozenset({AlertState.FIRING, AlertState.ACKNOWLEDGED})
_DIGEST_SHOWN = 8
_LETTERS = frozenset(
    action.command.removeprefix("app.").partition("(")[0]
    for action in in_scope(Scope.GLOBAL)
    if action.priority and not action.key.startswith("ctrl+")
)
"""Commands whose keys mean something else to a modal, and are letters of a text for who types one."""
_WHILE_LIVE = {
    action.command.removeprefix("app."): action.while_live
    for action in ACTIONS
    if action.while_live is not None
}


class TocsinApp(Reloading):
    """The terminal console over one engine.

    Args:
        client: the engine's door; closed by the caller.
        clock: wall time for ages and ranges.
        crash_log: where a traceback goes if the console breaks.
        memory: what is kept from run to run; without it, this run remembers nothing afterwards.
        settings: a person's own keys and colours.
        looks_only: refuse whatever would change something.
        opened_at: the moment to begin with, seconds since the epoch; None: live.
    """

    TITLE = "tocsin"
    CSS_PATH = "screens/base.tcss"
    MODES = modes()
    DEFAULT_MODE = "dashboard"
    COMMANDS = {ActionProvider}
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.GLOBAL)
    ENABLE_COMMAND_PALETTE = True
    NOTIFICATION_TIMEOUT = 4.0

    def __init__(
        self,
        client: EngineClient,
        *,
        clock: Clock | None = None,
        crash_log: Path | None = None,
        memory: Memory | None = None,
        settings: Settings | None = None,
        looks_only: bool = False,
        opened_at: float | None = None,
    ) -> None:
        super().__init__(client, memory, settings, looks_only=looks_only, clock=clock, opened_at=opened_at)
        self.vitals: Vitals | None = None
        self.author = _author()
        self._present: Vitals | None = None
        self._told: Vitals | None = None
        self._crash_log = crash_log or state_dir() / "crash.log"
        self._crash_sentence = ""
        self.parting = ""
        self._ticks = 0
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._troubles: dict[object, str] = {}
        self._bridge = Bridge(client, self.post_message)
        self._vitals_loader: Loader[Vitals] = Loader(
            self, "vitals", self._fetch_vitals, self._show_vitals, self._vitals_failed,
            rest=self.rest, slower=4.0,
        )  # fmt: skip
        self._notices_loader: Loader[tuple[Notice, ...]] = Loader(
            self, "notices", self._fetch_notices, self._show_notices, partial(self.report_trouble, "notices")
        )
        self._noticed = 0
        self._alert_news = 0
        self._ringing: tuple[int, tuple[Alert, ...]] = (-1, ())
        self.animation_level = "none"
        for theme in themes_for(self.console.color_system):
            self.register_theme(theme)
        self.theme = OWN_THEMES[0].name
        self._recall()

    @property
    def crash_sentence(self) -> str:
        """One sentence about the crash that ended the console, or an empty string."""
        return self._crash_sentence

    @property
    def trouble(self) -> str:
        """What keeps the console from showing the engine, or an empty string."""
        return next(iter(self._troubles.values()), "")

    @property
    def frame_colour(self) -> str:
        """Which of the theme's colours frames the environment; empty for none."""
        return self.settings.colour(self.vitals.info.environment) if self.vitals is not None else ""

    def leave(self) -> None:
        """End the console; safe to call from any thread and from a signal handler."""
        loop = self._running_loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self.exit, 0)

    def on_mount(self) -> None:
        self._running_loop = asyncio.get_running_loop()
        try:
            self._bridge.open()
        except TocsinError as error:
            self.report_trouble(self, error)
        # After the shell's `fg` the terminal is empty, and Textual would draw only what has changed.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self._vitals_loader.request()
        self.set_interval(1.0, self._tick)
        if self.memory.view in self.MODES:
            self.switch_mode(self.memory.view)
        for fault in filter(None, (*self.settings.faults, self.memory.note)):
            self.say(fault, "warning")

    def on_unmount(self) -> None:
        self._bridge.close()
        memory = self.memory
        memory.theme, memory.view, memory.range = self.theme, self.current_mode, self.time_range.label
        try:
            memory.save()
        except OSError as error:
            self.parting = f"how the console was left could not be kept: {own_words(error)}"

    def _recall(self) -> None:
        """Look as the console did when it was left."""
        if self.memory.theme in self.available_themes:
            self.theme = self.memory.theme
        known = {item.label: item for item in RANGES}
        self.set_reactive(TocsinApp.time_range, known.get(self.memory.range, DEFAULT_RANGE))

    # What other parts of the console ask for.

    def report_trouble(self, source: object, error: TocsinError | None) -> None:
        """Remember, or forget with None, why `source` has nothing to show."""
        before = self.trouble
        if error is None:
            self._troubles.pop(source, None)
        else:
            self._troubles[source] = plain(error)
        if self.trouble != before and (view := self.view) is not None and view.stands:
            view.show_notice()

    # Time, news and state.

    def _tick(self) -> None:
        if not SignalGuard.terminal_present():
            self.exit(0)
            return
        self._ticks += 1
        self.play_on()
        view = self.view
        if view is not None and view.stands and view is self.screen:
            view.show_vitals(self.vitals)
        if self._ticks % _TICKS_PER_REFRESH == 0 and self.live:
            self._alert_news += 1
            self._vitals_loader.request()
            if view is not None:
                view.topics_changed(view.TOPICS)

    def on_engine_changed(self, _message: EngineChanged) -> None:
        topics = self._bridge.take()
        self._alert_news += Topic.ALERTS in topics
        if topics & _VITAL_TOPICS:
            self._vitals_loader.request()
        if Topic.NOTIFICATIONS in topics:
            self._notices_loader.request()
        if (view := self.view) is not None:
            view.topics_changed(topics)

    async def _fetch_notices(self) -> tuple[Notice, ...]:
        return await self.client.notices(self._noticed)

    def _show_notices(self, notices: tuple[Notice, ...]) -> None:
        """Toasts for what channels of the kind `console` say, whatever is paused; one bell for all."""
        for notice in notices:
            self._noticed = max(self._noticed, notice.number)
            title, body = plain(notice.title), clean(notice.body, multiline=True)
            severity = _TOASTS[notice.severity]
            self.notify(body, title=title, severity=severity, timeout=NOTICE_TIMEOUT, markup=False)
        if any(notice.bell for notice in notices):
            self.bell()

    async def _fetch_vitals(self) -> Vitals:
        now, at = await self._vitals_of(None), self.past
        if at is None:
            return now
        known = self._present or now
        then = await self._vitals_of(at)
        changed = then.info.digest if then.info.digest != now.info.digest else ""
        return replace(then, missed=known.rung_by(now).missed, in_force=changed[:_DIGEST_SHOWN])

    async def _vitals_of(self, at: float | None) -> Vitals:
        alerts = self._open_alerts if at is None else partial(self._ask_open_alerts, at)
        vitals, fault = await read_vitals(self.client, at, alerts)
        self.report_trouble("vitals in part", fault)
        return vitals

    async def _open_alerts(self) -> tuple[Alert, ...]:
        """Those of now, asked for again when there is news of alerts, and every few seconds in any case."""
        number, alerts = self._ringing
        if number != (newest := self._alert_news):
            alerts = await self._ask_open_alerts(None)
            self._ringing = newest, alerts
        return alerts

    async def _ask_open_alerts(self, at: float | None) -> tuple[Alert, ...]:
        return await self.client.alerts(states=_ACTIVE, at=at, limit=500)

    def _show_vitals(self, vitals: Vitals) -> None:
        if self.past is None:
            self.tell_configuration(None if self._told is None else self._told.info, vitals.info)
            self._told = vitals
        if self.live:
            self._present = vitals
        elif self.past is None and self.vitals is not None:
            # What is held still stays as it is, but for word of what begins to ring meanwhile.
            vitals = self.vitals.rung_by(vitals)
        before, self.vitals = self.vitals, vitals
        view = self.view
        # What moves all the time is shown with the time, once a second.
        if view is not None and view.stands and (self.past is not None or vitals.is_news(before)):
            view.show_vitals(vitals)

    def _vitals_failed(self, error: TocsinError | None) -> None:
        self.report_trouble(self, error)
        if error is not None and self.live and self.vitals is not None and self.vitals.heard:
            self._show_vitals(self.vitals.unheard())

    def watch_time_range(self) -> None:
        self._reload()

    def watch_cursor(self, before: TimeCursor, after: TimeCursor) -> None:
        if after.at is None or after.is_past:
            self._vitals_loader.request(urgent=True)
        if before.at != after.at:
            self._reload()
        elif (view := self.view) is not None and view.stands:
            view.show_vitals(self.vitals)
        if (before.at is None, before.is_past) != (after.at is None, after.is_past):
            self.screen.refresh_bindings()

    def _reload(self) -> None:
        view = self.view
        if view is not None and view.stands:
            view.show_vitals(self.vitals)
            view.reload()

    # Actions; their keys and words are in tui.actions.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is valid only while live, or only while paused, is hidden at other times."""
        if self.refusal and action in MUTATING_COMMANDS:
            return False
        if action in _LETTERS and (self.view is not self.screen or isinstance(self.focused, Input)):
            return False
        if action == "filter" and (view := self.view) is not None and view.SEARCHES:
            return False
        if action in ("pause_checks", "resume_checks"):
            return self.vitals is not None and self.vitals.info.paused is (action == "resume_checks")
        return self.live is _WHILE_LIVE[action] if action in _WHILE_LIVE else True

    def action_help(self) -> None:
        from tui.modals.help import HelpModal

        self.push_screen(HelpModal(self.view.SCOPE if self.view else None, self.settings.keys))

    def action_next_theme(self) -> None:
        names = [theme.name for theme in OWN_THEMES] + sorted(
            name for name in self.available_themes if not name.startswith("tocsin-")
        )
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.say(f"theme {self.theme}")

    def action_pause_checks(self) -> None:
        if (view := self.view) is not None:
            view.confirmed(
                "Pause all checks?", [Content("Nothing is checked until they are resumed.")], "pause", "",
                lambda: view.command(lambda: self.client.set_paused(True), "all checks are paused"),
            )  # fmt: skip

    def action_resume_checks(self) -> None:
        if (view := self.view) is not None:
            view.command(lambda: self.client.set_paused(False), "checks run again")

    def action_help_quit(self) -> None:
        """Who presses ctrl+c wants to leave, or to copy; the key to leave is the one that the help names."""
        self.say(f"{self.settings.keys.first('global.quit')} leaves the console")

    def action_suspend_process(self) -> None:
        """Give the terminal back to the shell until `fg`, unless an engine would stand still as well."""
        known = self._present or self.vitals
        if known is None or (known.info.live and not known.info.attached):
            self.say("the engine runs in this console and would stand still with it", "warning")
        elif self._driver is None or not self._driver.can_suspend:
            self.say("a console cannot be put aside in this terminal", "warning")
        else:
            super().action_suspend_process()

    async def action_quit(self) -> None:
        known = self._present or self.vitals
        lines = present.leaving(known.info, known.firing) if known else ()
        view = self.view
        # A second key typed at once arrives before the question can take it.
        if view is None or view is not self.screen or not lines:
            self.exit(0)
        else:
            view.confirmed("Leave?", lines, "leave", "global.quit", lambda: self.exit(0))

    # Crash.

    def _handle_exception(self, error: Exception) -> None:
        """Leave with one sentence; the traceback, without local variables, goes to a file."""
        if self._crash_sentence:
            return
        cause = error.error if isinstance(error, WorkerFailed) else error
        self._crash_sentence = write_crash_log(self._crash_log, cause)
        self._return_code = 1
        self._exception = error
        self.panic(Text(self._crash_sentence))
        self._exception_event.set()


def _author() -> str:
    try:
        return plain(getpass.getuser(), 64)
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
