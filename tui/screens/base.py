"""What every view has: a header, a notice line, a footer, and data that is fetched only while it is seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar, cast

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from engine.client import EngineClient
from engine.errors import TocsinError
from engine.model import Alert, Execution, Topic
from tui.actions import Scope
from tui.bridge import Loader
from tui.present import MUTED, foreign
from tui.state import Vitals
from tui.widgets.key_bar import KeyBar
from tui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from tui.app import TocsinApp

T = TypeVar("T")

LOADING = Content.styled("loading …", MUTED)


class View(Screen[None], Generic[T]):
    """One view over the engine.

    A subclass says which news concern it (`TOPICS`), how to `fetch` what it shows, and how to `show` it.
    Nothing is fetched while another view or a modal is in front.
    """

    SCOPE: ClassVar[Scope]
    TOPICS: ClassVar[frozenset[Topic]] = frozenset()
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-normal"), (120, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]
    ALLOW_IN_MAXIMIZED_VIEW = "KeyBar, StatusBar"

    def __init__(self) -> None:
        super().__init__()
        self._loader: Loader[T] = Loader(self, "load", self.fetch, self._show, self._failed)
        self._awake = False
        self._titles: dict[Widget, Content] = {}

    @property
    def console(self) -> TocsinApp:
        return cast("TocsinApp", self.app)

    @property
    def client(self) -> EngineClient:
        return self.console.client

    @property
    def stands(self) -> bool:
        """It has been composed, and neither it nor the app is being taken down."""
        return self.is_mounted and self.is_attached and self.app.is_running

    def compose(self) -> ComposeResult:
        yield StatusBar()
        yield Static(id="notice")
        yield from self.compose_body()
        yield KeyBar()

    def compose_body(self) -> ComposeResult:
        """The widgets between header and footer."""
        raise NotImplementedError

    async def fetch(self) -> T:
        """Ask the engine for what this view shows. Raises TocsinError."""
        raise NotImplementedError

    def show(self, data: T) -> None:
        """Show what was fetched."""
        raise NotImplementedError

    def show_vitals(self, vitals: Vitals | None) -> None:
        """Show the engine's vital signs and the time; called at least once a second."""
        self.query_one(StatusBar).show(
            vitals.info if vitals else None,
            vitals.health if vitals else None,
            vitals.firing if vitals else {},
            self.console.live,
            self.console.time_range.label,
            self.console.moment(),
            vitals.missed if vitals and not self.console.live else 0,
        )
        self.show_notice()

    def show_notice(self) -> None:
        """Say in the line under the header what is wrong, if anything is."""
        notice = self.query_one("#notice", Static)
        text = self.console.trouble
        notice.display = bool(text)
        if text:
            notice.update(foreign(text))

    def topics_changed(self, topics: frozenset[Topic]) -> None:
        """The engine has news of `topics`."""
        if self._awake and self.console.live and topics & self.TOPICS:
            self._loader.request()

    def reload(self) -> None:
        """Fetch now, whatever was under way: the question has changed."""
        if self._awake:
            self._loader.request(urgent=True)

    def back(self) -> bool:
        """Leave what can be left within this view; False when there is nothing."""
        return False

    def zoom(self) -> None:
        """Give the focused pane the whole screen."""
        node = self.focused
        while node is not None and not node.has_class("pane"):
            node = node.parent if isinstance(node.parent, Widget) else None
        if node is not None:
            self.maximized = node

    def until_moment(self, executions: Sequence[Execution]) -> tuple[Execution, ...]:
        """Without those that have started since the display was paused."""
        moment = self.console.moment()
        return tuple(one for one in executions if one.started_at <= moment)

    def command(self, work: Callable[[], Awaitable[object]], done: str) -> None:
        """Run a command of the engine and tell how it went."""

        async def run() -> None:
            try:
                await work()
            except TocsinError as error:
                self.console.say(str(error), "error")
            else:
                self.console.say(done)
                self.reload()

        self.run_worker(run(), group="command")

    def confirmed(
        self, title: str, lines: Sequence[Content], verb: str, key: str, act: Callable[[], None]
    ) -> None:
        """Act once the person has said yes; `key` is the one that led here, if any, and says yes as well."""
        from tui.modals.confirm import ConfirmModal

        def finish(agreed: bool | None) -> None:
            if agreed:
                act()

        self.app.push_screen(ConfirmModal(title, lines, verb, (key,) if key else ()), finish)

    def set_title(self, pane: Widget, *parts: Content | str) -> None:
        """Write a pane's title; strings are our own words, foreign ones come as Content."""
        title = Content(" › ").join([part if isinstance(part, Content) else Content(part) for part in parts])
        # A title that is set, even to what it was, redraws the whole pane.
        old = self._titles.get(pane)
        if old is None or not old.is_same(title):
            self._titles[pane] = title
            pane.border_title = title

    def on_screen_resume(self, _event: events.ScreenResume) -> None:
        self._awake = True
        self.show_vitals(self.console.vitals)
        self._loader.request(urgent=True)

    def on_screen_suspend(self, _event: events.ScreenSuspend) -> None:
        self._awake = False
        self._loader.stop()

    def _show(self, data: T) -> None:
        if self.stands:
            with self.app.batch_update():
                self.show(data)

    def _failed(self, error: TocsinError | None) -> None:
        self.console.report_trouble(self, error)


class AlertActions(View[T]):
    """A view whose cursor can be on an alert: it can be acknowledged and resolved from here."""

    def __init__(self) -> None:
        super().__init__()
        self._had_alert: bool | None = None

    def selected_alert(self) -> Alert | None:
        """The open alert under the cursor."""
        raise NotImplementedError

    def alert_changed(self) -> None:
        """The cursor or its alert has changed: show whether there is something to take or to close."""
        has_alert = self.selected_alert() is not None
        if has_alert is not self._had_alert:
            self._had_alert = has_alert
            self.refresh_bindings()

    def action_acknowledge(self) -> None:
        self._with_note("acknowledge")

    def action_resolve(self) -> None:
        self._with_note("resolve")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what needs an open alert while there is none under the cursor."""
        if action in ("acknowledge", "resolve") and self.stands and self.selected_alert() is None:
            return None
        return super().check_action(action, parameters)

    def _with_note(self, verb: str) -> None:
        from tui.modals.note import NoteModal

        alert = self.selected_alert()
        if alert is None:
            self.console.say("no open alert is selected", "warning")
            return
        command = self.client.acknowledge if verb == "acknowledge" else self.client.resolve
        author = self.console.author

        def finish(note: str | None) -> None:
            if note is not None:
                self.command(lambda: command(alert.id, author, note), f"{verb}d: {alert.rule_name}")

        self.app.push_screen(NoteModal(verb, alert), finish)
