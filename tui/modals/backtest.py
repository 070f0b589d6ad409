"""A rule tried on what happened: as it is, and with other values while they are typed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static
from textual.worker import Worker

from engine.client import EngineClient
from engine.errors import TocsinError
from engine.model.rules import RuleDetail
from engine.text import plain
from tui.modals.backtest_text import end_of_number, found_text, nudged, progress_line
from tui.modals.base import Modal
from tui.present import MUTED, foreign
from tui.state import RANGES, TimeRange
from tui.widgets.field import Field

REST = 0.25
"""Seconds without a key after which what was typed is tried."""
SHOW_EVERY = 0.1
_LONGEST = 200


class BacktestModal(Modal[None]):
    """Type `threshold=5s for=2m`; the fires and messages before and after stand below.

    Args:
        detail: the rule.
        time_range: what is looked at first.
        until: the end of it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "nudge(1)", show=False),
        Binding("down", "nudge(-1)", show=False),
        Binding("pageup", "range(1)", show=False),
        Binding("pagedown", "range(-1)", show=False),
    ]

    def __init__(
        self,
        client: EngineClient,
        detail: RuleDetail,
        time_range: TimeRange,
        until: float,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._client = client
        self._detail = detail
        self._range = time_range
        self._until = until
        self._stopwatch = stopwatch
        self._began = 0.0
        self._done: tuple[float, int] = (0.0, 0)
        self._shown = Content("")
        self._rest: Timer | None = None
        self._worker: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        first = self._detail.settings[0] if self._detail.settings else ""
        with self.box(
            Content("Backtest · ") + foreign(self._detail.status.name, 60),
            "↑ ↓ change the number",
            "pgup pgdn range",
        ):
            yield Static(foreign(self._detail.status.looks_for, 300), classes="subtle")
            yield Static(foreign("  ".join(self._detail.settings), 300, MUTED))
            yield Field(
                first, placeholder="such as threshold=5s for=2m", max_length=_LONGEST, select_on_focus=False
            )
            yield Static(id="range")
            yield Static(id="progress")
            with VerticalScroll(classes="scroll"):
                yield Static(id="found")

    def on_mount(self) -> None:
        line = self.query_one(Input)
        line.focus()
        # Before the unit, where the digits are.
        line.cursor_position = end_of_number(line.value)
        self.set_interval(SHOW_EVERY, self._show_progress)
        self._start()

    def action_nudge(self, way: int) -> None:
        """Make the last number that was typed larger or smaller."""
        line = self.query_one(Input)
        line.value = nudged(line.value, way)
        line.cursor_position = end_of_number(line.value)

    def action_range(self, way: int) -> None:
        """Look at more, or at less, of what happened."""
        place = RANGES.index(self._range) if self._range in RANGES else 0
        self._range = RANGES[min(max(place + way, 0), len(RANGES) - 1)]
        self._start()

    @on(Input.Changed)
    def _typed(self) -> None:
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST, self._start)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._start()

    def _start(self) -> None:
        if self._rest is not None:
            self._rest.stop()
            self._rest = None
        self._began, self._done = self._stopwatch(), (0.0, 0)
        self.query_one("#range", Static).update(Content.styled(f"over the last {self._range.label}", MUTED))
        self._worker = self.run_worker(self._try, group="backtest", exclusive=True)

    async def _try(self) -> None:
        typed = self.query_one(Input).value.split()
        changes = [each for each in typed if each not in self._detail.settings]
        found = self.query_one("#found", Static)
        try:
            compared = await self._client.backtest(
                self._detail.status.id, self._range.since(self._until), self._until, changes, self._told
            )
        except TocsinError as error:
            found.update(Content.styled(plain(str(error)), "$text-error"))
        else:
            found.update(found_text(compared))
        self._done = (1.0, 0)
        self._show_progress()

    def _told(self, share: float, count: int) -> None:
        """Called by the thread that replays: nothing but remembered."""
        self._done = (share, count)

    def _show_progress(self) -> None:
        is_busy = self._worker is not None and not self._worker.is_finished and self._done[0] < 1.0
        share, count = self._done
        spent = self._stopwatch() - self._began
        line = progress_line(share, count, spent) if is_busy else Content("")
        if not line.is_same(self._shown):
            self._shown = line
            self.query_one("#progress", Static).update(line)
