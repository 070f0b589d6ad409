"""What every modal has: a titled box in the middle, and `esc` to leave."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.sized import Sized
from tui.widgets.writing import Page

T = TypeVar("T")


class Modal(Sized, ModalScreen[T | None]):
    """A question or a page on top of a view; leaving it answers None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back", show=False)]

    def box(self, title: Content, hint: str) -> Vertical:
        """The frame of the modal; `hint` names the keys that count here."""
        frame = Vertical(classes="box")
        frame.border_title = title
        frame.border_subtitle = Content(hint)
        return frame

    def action_leave(self) -> None:
        self.dismiss(None)


class PageModal(Modal[None]):
    """A page to read, scrolled by the keys of lists."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
        Binding("g", "top", show=False),
        Binding("G", "bottom", show=False),
        Binding("q,enter", "leave", show=False),
    ]

    def __init__(self, title: Content, body: Content) -> None:
        super().__init__()
        self._heading = title
        self._body = body

    def compose(self) -> ComposeResult:
        with self.box(self._heading, "j k scroll · esc back"), VerticalScroll(classes="scroll"):
            yield self.page()

    def page(self) -> Static:
        """What is to be read."""
        return Page(self._body)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_top(self) -> None:
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_bottom(self) -> None:
        self.query_one(VerticalScroll).scroll_end(animate=False)
