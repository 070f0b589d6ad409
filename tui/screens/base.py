"""What every view has: a header, a notice line, a footer, and data that is fetched only while it is seen."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from engine.client import EngineClient
from engine.errors import TocsinError
from engine.model import Execution, Topic
from tui.actions import MUTATING, Scope
from tui.bridge import Loader
from tui.present import MUTED, duration_text, foreign
from tui.screens.listing import Listing
from tui.state import Vitals
from tui.widgets.key_bar import KeyBar
from tui.widgets.status_bar import Looking, StatusBar, hint
from tui.widgets.writing import write, write_title

T = TypeVar("T")

LATE = 1.0
"""Seconds without an answer after which a view says what it waits for."""
_MOST_DRAWING = 0.01
"""Seconds of drawing that count at most: for them, what is fetched next waits half a second longer."""
LOADING = Content.styled("loading …", MUTED)


class View(Listing, Generic[T]):
    """One view over the engine.

    A subclass says which news concern it (`TOPICS`), how to `fetch` what it shows, and how to `show` it.
    Nothing is fetched while another view or a modal is in front.
    """

    SCOPE: ClassVar[Scope]
    TOPICS: ClassVar[frozenset[Topic]] = frozenset()
    SLOWER: ClassVar[float] = 1.0
    """How many times slower than others it follows the news: a list of all there is costs more than a few."""
    SEARCHES: ClassVar[bool] = False
    """Its list is searched in the store, not filtered."""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-normal"), (120, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]
    ALLOW_IN_MAXIMIZED_VIEW = "KeyBar, StatusBar, FilterLine"

    def __init__(self) -> None:
        super().__init__()
        self._loader: Loader[T] = Loader(
            self, "load", self.fetch, self._show, self._failed,
            rest=self._rest, slower=self.SLOWER, apart=self.drawing_took,
        )  # fmt: skip
        self._drawn_for = 0.0
        self._awake = self._styled = False
        self._titles: dict[Widget, Content] = {}
        self._words: dict[Widget, tuple[Content | str, ...]] = {}

    @property
    def client(self) -> EngineClient:
        return self.console.client

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """What can be done here now; nothing that would change something, where that is refused."""
        active = super().active_bindings
        if not self.console.refusal:
            return active
        return {key: one for key, one in active.items() if one.binding.id not in MUTATING}

    def mark(self) -> tuple[str, str] | None:
        """What this shows, its kind and identifier, when it stands on top of a view; None for a view."""
        return None

    def crumb(self) -> Content:
        """What this is in a word or two, for the way that leads to what stands on top of it."""
        return Content(self.SCOPE.value)

    def crumbs(self) -> tuple[Content, ...]:
        """The way that leads here, the view first."""
        stack = [screen for screen in self.app.screen_stack if isinstance(screen, View)]
        below = stack[: stack.index(self)] if self in stack else stack[:-1]
        return tuple(screen.crumb() for screen in below)

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
        past = self.console.past
        self.query_one(StatusBar).show(
            vitals.info if vitals and vitals.heard else None,
            vitals.health if vitals else None,
            vitals.firing if vitals and vitals.alerts_known else None,
            self.console.live,
            self.console.time_range.label,
            self.console.moment(),
            vitals.missed if vitals and not self.console.live else 0,
            self.console.frame_colour,
            None if past is None else self._looking(past, vitals),
            self.console.looks_only,
            vitals.taken if vitals else 0,
        )
        self.show_notice()

    def _looking(self, past: float, vitals: Vitals | None) -> Looking:
        console = self.console
        return Looking(past, console.now(), console.cursor.speed, vitals.in_force if vitals else "")

    def show_notice(self) -> None:
        """Say in the line under the header what is wrong, if anything is."""
        notice = self.query_one("#notice", Static)
        trouble, waited = self.console.trouble, self._loader.waited
        text = foreign(trouble)
        if not trouble and waited >= LATE:
            text = Content(f"waiting for the engine: no answer for {duration_text(waited)}; keys work")
        notice.set_class(not trouble, "-waiting")
        notice.display = bool(text)
        if text:
            write(notice, text)

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

    def hint(self, why: str, id: str = "", does: str = "") -> Content:
        """An empty state: why there is nothing here, and which key, that of the action `id`, helps."""
        return hint(why, self.key_of(id) if id else "", does)

    def nothing_of(self, what: str) -> Content:
        """An empty state of what is shown for the time range."""
        return self.hint(f"no {what} in this range", "global.range", "chooses a longer one")

    def key_of(self, id: str) -> str:
        """The key of an action, as this person has it."""
        return self.console.settings.keys.first(id)

    def until_moment(self, executions: Sequence[Execution]) -> tuple[Execution, ...]:
        """Without those that have started since the display was paused."""
        moment = self.console.moment()
        return tuple(one for one in executions if one.started_at <= moment)

    def command(self, work: Callable[[], Awaitable[object]], done: str, *, changes: bool = True) -> None:
        """Run a command of the engine and tell how it went; nothing when `done` is empty.

        Args:
            changes: what is shown is changed by it, so that a display that is held still catches up.
        """

        async def run() -> None:
            try:
                await work()
            except TocsinError as error:
                self.console.say(str(error), "error")
            else:
                if done:
                    self.console.say(done)
                if changes:
                    self.console.catch_up()
                self.reload()

        self.run_worker(run(), group="command")

    def confirmed(
        self, title: str, lines: Sequence[Content], verb: str, leading: str, act: Callable[[], None]
    ) -> None:
        """Act once the person has said yes; so does the key of the action `leading`, if one led here."""
        from tui.modals.confirm import ConfirmModal

        keys = self.console.settings.keys.all(leading) if leading else ()

        def finish(agreed: bool | None) -> None:
            if agreed:
                act()

        self.app.push_screen(ConfirmModal(title, lines, verb, keys), finish)

    def set_title(self, pane: Widget, *parts: Content | str) -> None:
        """Write a pane's title; strings are our own words, foreign ones come as Content."""
        self._words[pane] = parts
        title = Content(" › ").join([part if isinstance(part, Content) else Content(part) for part in parts])
        if text := self.filter_within(pane):
            title = Content.assemble(title, " › ", foreign(text, 120, "$text-accent"))
        old = self._titles.get(pane)
        if old is None or not old.is_same(title):
            self._titles[pane] = title
            write_title(pane, title)

    def retitle(self, pane: Widget) -> None:
        self.set_title(pane, *self._words.get(pane, ()))

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self._awake = True
        # Its style is what it was; a theme that was chosen meanwhile has been seen to before this.
        event.refresh_styles, self._styled = not self._styled, True
        # Who changes views faster than they are made meets one that has nothing in it yet.
        if self.stands:
            self.show_vitals(self.console.vitals)
        self._loader.request(urgent=True)

    def on_screen_suspend(self, _event: events.ScreenSuspend) -> None:
        self._awake = False
        self._loader.stop()

    def _show(self, data: T) -> None:
        if self.stands:
            with self.app.batch_update():
                self.show(data)
                self.point()

    def drawing_took(self) -> float:
        """Seconds of processor time that frames took since this was last asked, as far as they count."""
        took, self._drawn_for = self._drawn_for, 0.0
        return min(took, _MOST_DRAWING)

    def _compositor_refresh(self) -> None:
        began = time.thread_time()
        super()._compositor_refresh()
        self._drawn_for += time.thread_time() - began

    def _rest(self) -> float:
        return self.console.rest()

    def _failed(self, error: TocsinError | None) -> None:
        self.console.report_trouble(self, error)
