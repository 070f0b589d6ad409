"""How a person moves through time: the one moment that every pane shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.reactive import reactive

from engine.client import AlertDetail, EngineClient
from engine.clock import Clock, SystemClock
from engine.errors import TocsinError
from engine.model import AlertEventKind, Landmark
from engine.text import own_words, plain
from tui.memory import Memory
from tui.moving import Moving
from tui.settings import Settings
from tui.state import DEFAULT_RANGE, Selection, TimeRange
from tui.time_cursor import LIVE, STEPS_OF_RANGE, TimeCursor, alert_number, held, moment_of

PAST_REFUSAL = "this is the past, which nothing changes: {key} goes back to now"


class Travelling(Moving):
    """The part of the console that knows which moment it shows, and over what range before it.

    Args:
        clock: wall time for ages and ranges.
        opened_at: the moment to begin with, seconds since the epoch; None: live.
    """

    time_range: reactive[TimeRange] = reactive(DEFAULT_RANGE, init=False)
    cursor: reactive[TimeCursor] = reactive(LIVE, init=False)

    def __init__(
        self,
        client: EngineClient,
        memory: Memory | None,
        settings: Settings | None,
        *,
        looks_only: bool,
        clock: Clock | None,
        opened_at: float | None,
    ) -> None:
        super().__init__(client, memory, settings, looks_only=looks_only)
        self._clock = clock or SystemClock()
        self._watched_at = self._clock.now()
        if opened_at is not None:
            self.set_reactive(Travelling.cursor, LIVE.go(opened_at, self._clock.now()))

    @property
    def live(self) -> bool:
        """Whether it shows what happens now; setting it to False holds the display still."""
        return self.cursor.at is None

    @live.setter
    def live(self, live: bool) -> None:
        if live is not self.live:
            self.cursor = LIVE if live else held(self._clock.now())

    def moment(self) -> float:
        """The time the console shows: now, when it was held still, or a moment of the past."""
        return self._clock.now() if self.cursor.at is None else self.cursor.at

    def now(self) -> float:
        """Wall time, whatever is shown."""
        return self._clock.now()

    @property
    def at(self) -> float | None:
        """The moment that reads are to be of: None while it is live."""
        return self.cursor.at

    @property
    def past(self) -> float | None:
        """The moment of the past that is shown; None while it is live, or only held still."""
        return self.cursor.at if self.cursor.is_past else None

    @property
    def range_words(self) -> str:
        """The time range in words: `the last 15m`, or `the 15m before`."""
        label = self.time_range.label
        return f"the {label} before" if self.cursor.is_past else f"the last {label}"

    @property
    def refusal(self) -> str:
        """Why nothing can be changed from here, or an empty string."""
        return super().refusal or (PAST_REFUSAL.format(key=self._live_key) if self.cursor.is_past else "")

    @property
    def _live_key(self) -> str:
        return self.settings.keys.first("global.live")

    def travel(self, at: float) -> None:
        """Show everything as it was then."""
        self.cursor = self.cursor.go(at, self._clock.now())

    def catch_up(self) -> None:
        """Hold a display that is held still at now instead: whoever did something sees what came of it."""
        if self.at is not None and self.past is None:
            self.cursor = held(self._clock.now())

    def play_on(self) -> None:
        """Let the past go by for as long as whoever watches has watched since this was called last."""
        now = self._clock.now()
        watched, self._watched_at = now - self._watched_at, now
        self.cursor = self.cursor.played(max(watched, 0.0), now)

    # Actions; their keys and words are in tui.actions.

    def action_pause(self) -> None:
        self.live = False

    def action_go_live(self) -> None:
        self.live = True

    def action_step_moment(self, parts: int) -> None:
        """Go a part of the range back, or forward."""
        if self.live and parts > 0:
            self.say("this is now: there is nothing later")
        else:
            seconds = parts * self.time_range.seconds / STEPS_OF_RANGE
            self.cursor = self.cursor.step(seconds, self._clock.now())

    def action_landmark(self, later: bool) -> None:
        """Go to the nearest alert or change of the configuration."""
        if self.live and later:
            self.say("this is now: there is nothing later")
            return

        async def find() -> None:
            mark = await self.client.landmark(self.moment(), later=later)
            if mark is None:
                now = f"there is no later alert; {self._live_key} shows now"
                self.say(now if later else "there is no earlier alert")
            else:
                self._travel_to(mark.at, mark.alert_id)
                self.say(await self._what_is_at(mark))

        self._ask(find)

    async def _what_is_at(self, mark: Landmark) -> str:
        if mark.alert_id is not None:
            return f"alert #{mark.alert_id} {mark.kind}: {plain(mark.what, 120)}"
        is_first = len(await self.client.configurations(mark.at, mark.at)) < 2
        return f"{'the first' if is_first else 'another'} configuration: {plain(mark.what, 12)}"

    def action_play(self) -> None:
        """Let the past go by, faster each time, then stand still."""
        self.play_on()
        cursor = self.cursor.faster(self._clock.now())
        if cursor == self.cursor:
            self.say("this is now: go back first, then play it")
        self.cursor = cursor

    def action_go_to(self) -> None:
        """Go to a moment that the person types."""
        from tui.modals.moment import MomentModal

        def chosen(text: str | None) -> None:
            if text:
                self._go_to(text)

        self.push_screen(MomentModal(self._clock.now()), chosen)

    def action_choose_range(self) -> None:
        """Choose how far back is looked, or from when to when."""
        from tui.modals.time_range import ChosenRange, TimeRangeModal

        def chosen(choice: ChosenRange | None) -> None:
            if choice is None:
                return
            self.time_range = choice.range
            if choice.until is not None:
                self.travel(choice.until)

        self.push_screen(TimeRangeModal(self.time_range, self._clock.now()), chosen)

    def _go_to(self, text: str) -> None:
        number = alert_number(text)
        if number is None:
            try:
                self.travel(moment_of(text, self._clock.now()))
            except ValueError as error:
                self.say(own_words(error), "warning")
            return

        async def find() -> None:
            detail = await self.client.alert(number)
            self._travel_to(_first_seen(detail), number)
            self.say(f"alert #{number}: {detail.alert.rule_name}")

        self._ask(find)

    def _travel_to(self, at: float, alert_id: int | None) -> None:
        """Show the moment, and put the cursor on the alert where alerts are listed."""
        if alert_id is not None and self.current_mode == "alerts":
            self.selection = Selection(alert_id=alert_id)
        self.travel(at)

    def _ask(self, find: Callable[[], Awaitable[None]]) -> None:
        """Ask the engine where to go; one question at a time."""

        async def run() -> None:
            try:
                await find()
            except TocsinError as error:
                self.say(str(error), "error")

        self.run_worker(run(), group="travel", exclusive=True)


def _first_seen(detail: AlertDetail) -> float:
    """From when on the past shows an alert firing, or, when it never fired, from when it was there."""
    fired = (event.at for event in detail.events if event.kind is AlertEventKind.FIRED)
    alert = detail.alert
    return next(fired, alert.started_at if alert.fired_at is None else alert.fired_at)
