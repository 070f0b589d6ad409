"""Choose the time range that all views share."""

from __future__ import annotations

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.modals.base import Modal
from tui.state import RANGES, TimeRange

_WORDS = {"m": "minutes", "h": "hours", "d": "days"}


class TimeRangeModal(Modal[TimeRange]):
    """Answers the chosen range; digits choose at once."""

    def __init__(self, current: TimeRange) -> None:
        super().__init__()
        self._current = current

    def compose(self) -> ComposeResult:
        with self.box(Content("Time range"), "enter choose · esc leave"):
            yield OptionList(
                *(
                    Option(Content(f"{number}  {_sentence(item)}"), id=item.label)
                    for number, item in enumerate(RANGES, 1)
                )
            )

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.highlighted = RANGES.index(self._current) if self._current in RANGES else 0
        options.focus()

    def on_key(self, event: events.Key) -> None:
        if event.character and event.character.isdecimal() and 1 <= int(event.character) <= len(RANGES):
            event.stop()
            self.dismiss(RANGES[int(event.character) - 1])

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(RANGES[event.option_index])


def _sentence(item: TimeRange) -> str:
    count, word = int(item.label[:-1]), _WORDS[item.label[-1]]
    return f"the last {word[:-1]}" if count == 1 else f"the last {count} {word}"
