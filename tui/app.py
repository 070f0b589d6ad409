"""The console: modes, keymap, palette, themes and shared state. No domain logic lives here."""

from __future__ import annotations

import asyncio
import getpass
import os
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import App
from textual.binding import BindingType
from textual.content import Content
from textual.notifications import SeverityLevel
from textual.reactive import reactive
from textual.worker import WorkerFailed

from engine.client import EngineClient
from engine.clock import Clock, SystemClock
from engine.errors import TocsinError
from engine.model import AlertState, Topic
from engine.paths import state_dir
from engine.text import plain
from tui import present
from tui.actions import ACTIONS, Scope, bindings
from tui.bridge import Bridge, EngineChanged, Loader
from tui.crash import write_crash_log
from tui.lifecycle import SignalGuard
from tui.palette import ActionProvider
from tui.screens.base import View
from tui.state import DEFAULT_RANGE, Selection, TimeRange, Vitals
from tui.themes import OWN_THEMES
from tui.views import modes

_VITAL_TOPICS = frozenset({Topic.HEALTH, Topic.ALERTS, Topic.ENGINE, Topic.EXECUTIONS})
_TICKS_PER_REFRESH = 5
_WHILE_LIVE = {
    action.command.removeprefix("app."): action.while_live
    for action in ACTIONS
    if action.while_live is not None
}


class TocsinApp(App[int]):
    """The terminal console over one engine.

    Args:
        client: the engine's door; closed by the caller.
        clock: wall time for ages and ranges.
        crash_log: where a traceback goes if the console breaks.
    """

    TITLE = "tocsin"
    CSS_PATH = ["screens/base.tcss", "modals/base.tcss"]
    MODES = modes()
    DEFAULT_MODE = "dashboard"
    COMMANDS = {ActionProvider}
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.GLOBAL)
    ENABLE_COMMAND_PALETTE = True
    NOTIFICATION_TIMEOUT = 4.0

    time_range: reactive[TimeRange] = reactive(DEFAULT_RANGE, init=False)
    live: reactive[bool] = reactive(True, init=False)
    selection: reactive[Selection] = reactive(Selection(), init=False)

    def __init__(
        self, client: EngineClient, *, clock: Clock | None = None, crash_log: Path | None = None
    ) -> None:
        super().__init__()
        self.client = client
        self.vitals: Vitals | None = None
        self.author = _author()
        self._clock = clock or SystemClock()
        self._crash_log = crash_log or state_dir() / "crash.log"
        self._crash_sentence = ""
        self._frozen_at = 0.0
        self._ticks = 0
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._troubles: dict[object, str] = {}
        self._bridge = Bridge(client, self.post_message)
        self._vitals_loader: Loader[Vitals] = Loader(
            self, "vitals", self._fetch_vitals, self._show_vitals, self._vitals_failed
        )
        self.animation_level = "none"
        for theme in OWN_THEMES:
            self.register_theme(theme)
        self.theme = OWN_THEMES[0].name

    @property
    def crash_sentence(self) -> str:
        """One sentence about the crash that ended the console, or an empty string."""
        return self._crash_sentence

    @property
    def trouble(self) -> str:
        """What keeps the console from showing the engine, or an empty string."""
        return next(iter(self._troubles.values()), "")

    @property
    def view(self) -> View[object] | None:
        """The view in front, or behind a modal."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, View)), None)

    def moment(self) -> float:
        """The time the console shows: now, or when it was paused."""
        return self._clock.now() if self.live else self._frozen_at

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
        self._vitals_loader.request()
        self.set_interval(1.0, self._tick)

    def on_unmount(self) -> None:
        self._bridge.close()

    # What other parts of the console ask for.

    def say(self, text: str, severity: SeverityLevel = "information") -> None:
        """A toast of one safe line; severity is `information`, `warning` or `error`."""
        self.notify(plain(text), severity=severity, markup=False)

    def report_trouble(self, source: object, error: TocsinError | None) -> None:
        """Remember, or forget with None, why `source` has nothing to show."""
        before = self.trouble
        if error is None:
            self._troubles.pop(source, None)
        else:
            self._troubles[source] = plain(error)
        if self.trouble != before and (view := self.view) is not None and view.stands:
            view.show_notice()

    def open_execution(self, execution_id: int) -> None:
        """Show one execution in full, on top of the present view."""
        from tui.screens.execution import ExecutionView

        self.push_screen(ExecutionView(execution_id))

    def open_view(self, name: str, selection: Selection | None = None) -> None:
        """Switch to a view's first page, pointing at `selection`."""
        if selection is not None:
            self.selection = selection
        self.switch_mode(name)
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def clear_selection(self) -> None:
        """What was pointed at has been shown."""
        self.selection = Selection()

    def open_workflow(self, workflow_id: str) -> None:
        """Show one workflow in full, in the workflows' mode."""
        from tui.screens.workflow import WorkflowView

        self.open_view("workflows")
        self.push_screen(WorkflowView(workflow_id))

    # Time, news and state.

    def _tick(self) -> None:
        if not SignalGuard.terminal_present():
            self.exit(0)
            return
        self._ticks += 1
        view = self.view
        if view is not None and view.stands and view is self.screen:
            view.show_vitals(self.vitals)
        if self._ticks % _TICKS_PER_REFRESH == 0 and self.live:
            self._vitals_loader.request()
            if view is not None:
                view.topics_changed(view.TOPICS)

    def on_engine_changed(self, _message: EngineChanged) -> None:
        topics = self._bridge.take()
        if topics & _VITAL_TOPICS:
            self._vitals_loader.request()
        if (view := self.view) is not None:
            view.topics_changed(topics)

    async def _fetch_vitals(self) -> Vitals:
        states = frozenset({AlertState.FIRING, AlertState.ACKNOWLEDGED})
        return Vitals(
            await self.client.info(),
            await self.client.health(),
            await self.client.alerts(states=states, limit=500),
        )

    def _show_vitals(self, vitals: Vitals) -> None:
        if not self.live and self.vitals is not None:
            # What is held still stays as it is, but for word of what begins to ring meanwhile.
            vitals = self.vitals.rung_by(vitals)
        self.vitals = vitals
        view = self.view
        if view is not None and view.stands:
            view.show_vitals(vitals)

    def _vitals_failed(self, error: TocsinError | None) -> None:
        self.report_trouble(self, error)

    def watch_time_range(self) -> None:
        self._reload()

    def watch_live(self, live: bool) -> None:
        if not live:
            self._frozen_at = self._clock.now()
        else:
            self._vitals_loader.request(urgent=True)
        self._reload()
        self.screen.refresh_bindings()

    def _reload(self) -> None:
        view = self.view
        if view is not None and view.stands:
            view.show_vitals(self.vitals)
            view.reload()

    # Actions; their keys and words are in tui.actions.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is valid only while live, or only while paused, is hidden at other times."""
        if action in ("pause_checks", "resume_checks"):
            return self.vitals is not None and self.vitals.info.paused is (action == "resume_checks")
        return self.live is _WHILE_LIVE[action] if action in _WHILE_LIVE else True

    def action_view(self, name: str) -> None:
        if not isinstance(self.screen, View):
            return
        if name == self.current_mode:
            self.open_view(name)
        else:
            self.switch_mode(name)

    def action_search(self) -> None:
        from tui.screens.logs import LogsView

        self.open_view("logs")
        if isinstance(self.screen, LogsView):
            self.screen.call_after_refresh(self.screen.start_search)

    def action_choose_range(self) -> None:
        from tui.modals.time_range import TimeRangeModal

        def chosen(time_range: TimeRange | None) -> None:
            if time_range is not None:
                self.time_range = time_range

        self.push_screen(TimeRangeModal(self.time_range), chosen)

    def action_pause(self) -> None:
        self.live = False

    def action_go_live(self) -> None:
        self.live = True

    def action_zoom(self) -> None:
        screen = self.screen
        if screen.maximized is not None:
            screen.minimize()
        elif isinstance(screen, View):
            screen.zoom()

    def action_step_back(self) -> None:
        screen = self.screen
        if screen.maximized is not None:
            screen.minimize()
        elif isinstance(screen, View) and screen.back():
            return
        elif len(self.screen_stack) > 1:
            self.pop_screen()
        else:
            self.switch_mode("dashboard")

    def action_help(self) -> None:
        from tui.modals.help import HelpModal

        self.push_screen(HelpModal(self.view.SCOPE if self.view else None))

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
        self.say("q leaves the console")

    async def action_quit(self) -> None:
        lines = present.leaving(self.vitals.info, self.vitals.firing) if self.vitals else ()
        view = self.view
        # A second key typed at once arrives before the question can take it.
        if view is None or view is not self.screen or not lines:
            self.exit(0)
        else:
            view.confirmed("Leave?", lines, "leave", "q", lambda: self.exit(0))

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
