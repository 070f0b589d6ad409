"""Choose the time range that all views share."""

from __future__ import annotations

from typing import NamedTuple

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.text import own_words
from tui.modals.base import Modal
from tui.present import foreign
from tui.state import RANGES, TimeRange, range_over
from tui.time_cursor import range_of
from tui.widgets.field import Field

_WORDS = {"m": "minutes", "h": "hours", "d": "days"}
_NOW = 1.0
"""Seconds before now that a range may end and still be one up to now."""


class ChosenRange(NamedTuple):
    """How far to look back, and from when; None: from wherever the console stands."""

    range: TimeRange
    until: float | None = None


class TimeRangeModal(Modal[ChosenRange]):
    """Answers the chosen range; digits choose at once, `f` leads to the field for another one.

    Args:
        current: the range that is in use.
        now: seconds since the epoch.
    """

    def __init__(self, current: TimeRange, now: float) -> None:
        super().__init__()
        self._current = current
        self._now = now

    def compose(self) -> ComposeResult:
        with self.box(Content("Time range"), "enter choose", "f from–to"):
            yield OptionList(
                *(
                    Option(Content(f"{number}  {_sentence(item)}"), id=item.label)
                    for number, item in enumerate(RANGES, 1)
                )
            )
            yield Field(placeholder="from – to, such as 14:00 – 15:30", max_length=80)
            yield Static(id="range-hint")

    def on_mount(self) -> None:
        self.query_one("#range-hint").display = False
        options = self.query_one(OptionList)
        options.highlighted = RANGES.index(self._current) if self._current in RANGES else 0
        options.focus()

    def on_key(self, event: events.Key) -> None:
        field = self.query_one(Input)
        if field.has_focus:
            return
        if event.key == "f":
            event.prevent_default().stop()
            field.focus()
        elif event.character and event.character.isdecimal() and 1 <= int(event.character) <= len(RANGES):
            event.stop()
            self.dismiss(ChosenRange(RANGES[int(event.character) - 1]))

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(ChosenRange(RANGES[event.option_index]))

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        try:
            since, until = range_of(event.value, self._now)
        except ValueError as error:
            hint = self.query_one("#range-hint", Static)
            hint.display = True
            hint.update(foreign(own_words(error), 200, "$text-error"))
        else:
            chosen = range_over(until - since)
            self.dismiss(ChosenRange(chosen, until if self._now - until >= _NOW else None))


def _sentence(item: TimeRange) -> str:
    count, word = int(item.label[:-1]), _WORDS[item.label[-1]]
    return f"the last {word[:-1]}" if count == 1 else f"the last {count} {word}"
