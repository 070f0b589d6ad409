"""What every modal has: a titled box in the middle, and `esc` to leave."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.keymap import BACK, LEAVE, Keymap
from tui.settings import Settings
from tui.sized import Sized
from tui.widgets.writing import Page

T = TypeVar("T")


class Modal(Sized, ModalScreen[T | None]):
    """A question or a page on top of a view; leaving it answers None."""

    CSS_PATH = "base.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back", show=False, id=LEAVE)]

    @property
    def keymap(self) -> Keymap:
        """A person's own keys, where the app knows them."""
        settings = getattr(self.app, "settings", None)
        return settings.keys if isinstance(settings, Settings) else Keymap()

    def box(self, title: Content, *hints: str) -> Vertical:
        """The frame of the modal; `hints` name the keys that count here, beside the one that leads back."""
        frame = Vertical(classes="box")
        frame.border_title = title
        frame.border_subtitle = Content(" · ".join((*hints, f"{self.leaving_key()} back")))
        return frame

    def leaving_key(self) -> str:
        """The key that leaves, as people write it; a letter may be typed here, esc never."""
        key = self.keymap.first(BACK)
        return key if len(key) > 1 else "esc"

    def action_leave(self) -> None:
        self.dismiss(None)


class PageModal(Modal[None]):
    """A page to read, scrolled by the keys of lists."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll(1)", show=False, id="lists.down"),
        Binding("k,up", "scroll(-1)", show=False, id="lists.up"),
        Binding("g,home", "top", show=False, id="lists.top"),
        Binding("G,end", "bottom", show=False, id="lists.bottom"),
        Binding("q,enter", "leave", show=False),
    ]

    def __init__(self, title: Content, body: Content) -> None:
        super().__init__()
        self._heading = title
        self._body = body

    def compose(self) -> ComposeResult:
        down, up = (self.keymap.first(f"lists.{way}") for way in ("down", "up"))
        with self.box(self._heading, f"{down} {up} scroll"), VerticalScroll(classes="scroll"):
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
