"""The line behind `:`, and where it may lead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content, Span
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from tui.jump import Fit
from tui.modals.base import Modal
from tui.present import MUTED, foreign
from tui.widgets.field import Field

_LONGEST = 500
_RECENT = 8
_ENTRY = 48
"""Cells of an entry beyond which what it is stands beside it out of line."""
_NOTHING = "nothing is called so; logs WORDS searches the logs"
_HIT = "bold $text-accent"


class JumpModal(Modal[str]):
    """Answers the entry that was chosen; while nothing is typed, the last ones are offered.

    Args:
        find: where what is typed may lead, the likeliest first.
        gather: asks for what is not at hand yet; answers why it could not, or an empty string.
        recent: the last entries, the newest first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+n", "move(1)", show=False, priority=True),
        Binding("up,ctrl+p", "move(-1)", show=False, priority=True),
        Binding("tab", "complete", show=False, priority=True),
    ]

    def __init__(
        self, find: Callable[[str], list[Fit]], gather: Callable[[], Awaitable[str]], recent: Sequence[str]
    ) -> None:
        super().__init__()
        self._find = find
        self._gather = gather
        self._recent = tuple(recent[:_RECENT])
        self._entries: list[str] = []

    def compose(self) -> ComposeResult:
        with self.box(Content("Jump"), "↑ ↓ choose", "tab complete", "enter go"):
            yield Field(
                placeholder="a workflow, alert, rule, trace id, view or action; logs WORDS, range 24h",
                max_length=_LONGEST,
            )
            yield OptionList(id="targets")

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self.query_one(Input).focus()
        self._offer("")
        self.run_worker(self._ask(), group="gather")

    async def _ask(self) -> None:
        fault = await self._gather()
        if not self.is_attached:
            return
        if fault:
            self.query_one(".box").border_subtitle = foreign(fault, 100, "$text-error")
        self._offer(self.query_one(Input).value)

    def _offer(self, typed: str) -> None:
        """List where `typed` may lead; before anything is typed, where one went last."""
        fits = self._find(typed)
        recent = self._recent if not typed.strip() else ()
        self._entries = [*recent, *(fit.target.entry for fit in fits if fit.target.entry not in recent)]
        lines = [Content.assemble(foreign(entry, 200), ("  again", MUTED)) for entry in recent]
        others = [fit for fit in fits if fit.target.entry not in recent]
        room = max((cell_len(fit.target.entry) for fit in others if fit.target.what), default=0)
        lines += [_line(fit, min(room, _ENTRY)) for fit in others]
        options = self.query_one(OptionList)
        options.clear_options()
        if lines:
            options.add_options([Option(line) for line in lines])
            options.highlighted = 0
        else:
            options.add_option(Option(Content.styled(_NOTHING, MUTED), disabled=True))

    def action_move(self, by: int) -> None:
        options = self.query_one(OptionList)
        if self._entries:
            options.highlighted = ((options.highlighted or 0) + by) % len(self._entries)

    def action_complete(self) -> None:
        """Have the whole entry in the line, to type on."""
        if (entry := self._chosen()) is not None:
            field = self.query_one(Input)
            field.value = entry
            field.cursor_position = len(entry)

    def _chosen(self) -> str | None:
        place = self.query_one(OptionList).highlighted
        return self._entries[place] if place is not None and place < len(self._entries) else None

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._offer(event.value)

    @on(Input.Submitted)
    def _entered(self) -> None:
        if (entry := self._chosen()) is not None:
            self.dismiss(entry)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        if event.option_index < len(self._entries):
            self.dismiss(self._entries[event.option_index])


def _line(fit: Fit, room: int) -> Content:
    """An entry with its hits marked, and beside it, from cell `room` on, what it is."""
    entry = foreign(fit.target.entry, 200)
    hits = [Span(place, place + 1, _HIT) for place in fit.places if place < len(entry)]
    what = foreign(f"  {fit.target.what}", 200, MUTED) if fit.target.what else Content("")
    padding = max(room - entry.cell_length, 0) if fit.target.what else 0
    return entry.add_spans(hits).pad_right(padding) + what
