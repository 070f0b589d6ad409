"""The footer: the keys that count now, in one line that is drawn again only when they change."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.widget import Widget

from tui.present import MUTED

if TYPE_CHECKING:
    from textual.screen import Screen

_KEY = "bold $footer-key-foreground"
_LABEL = "$footer-description-foreground"
_GAP = 1
_ESSENTIAL = ("app.help", "app.quit")


@dataclass(frozen=True, slots=True)
class KeyHint:
    """A key with its word; keys of one `group` stand together before one word; essential ones always fit."""

    key: str
    sign: str
    label: str
    tooltip: str = ""
    is_enabled: bool = True
    group: str = ""
    is_essential: bool = False


class KeyBar(Widget, can_focus=False):
    """The keys that are shown in the footer and valid on this screen; a click presses one.

    What does not fit is left out whole, the least important first; how to get help and out stays.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyBar {
        dock: bottom; height: 1; padding: 0 1;
        background: $footer-background; color: $footer-description-foreground;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._hints: tuple[KeyHint, ...] = ()
        self._places: tuple[tuple[int, int, KeyHint], ...] = ()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def on_unmount(self) -> None:
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if self.is_attached and screen is self.screen:
            self.call_after_refresh(self._read)

    def _read(self) -> None:
        # Behind a modal nothing is valid, and nothing can be seen to be.
        if not self.is_attached or self.app.screen is not self.screen:
            return
        hints = {
            active.binding.action: KeyHint(
                active.binding.key,
                self.app.get_key_display(active.binding),
                active.binding.description,
                active.tooltip,
                active.enabled,
                active.binding.group.description if active.binding.group is not None else "",
                active.binding.action in _ESSENTIAL,
            )
            for active in reversed(self.screen.active_bindings.values())
            if active.binding.show
        }
        self.show(tuple(reversed(hints.values())))

    def show(self, hints: tuple[KeyHint, ...]) -> None:
        """Show these, the most important first."""
        if hints != self._hints:
            self._hints = hints
            self.refresh()

    def render(self) -> Content:
        content, places = lay_out_keys(self._hints, self.content_size.width)
        self._places = places
        return content

    def on_click(self, event: events.Click) -> None:
        hint = self._at(event)
        if hint is None:
            return
        event.stop()
        if hint.is_enabled:
            self.app.simulate_key(hint.key)
        else:
            self.app.bell()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        hint = self._at(event)
        tooltip = Content(hint.tooltip) if hint is not None and hint.tooltip else None
        if self.tooltip != tooltip:
            self.tooltip = tooltip

    def _at(self, event: events.MouseEvent) -> KeyHint | None:
        x = event.x - self.styles.padding.left
        return next((hint for start, end, hint in self._places if start <= x < end), None)


def lay_out_keys(
    hints: tuple[KeyHint, ...], width: int
) -> tuple[Content, tuple[tuple[int, int, KeyHint], ...]]:
    """One line of at most `width` cells, and which of them belong to which key."""
    parts: list[Content] = []
    places: list[tuple[int, int, KeyHint]] = []
    used = 0
    worded = [(*_worded(list(members)), key) for key, members in groupby(hints, _together)]
    reserved = {key for *_, key in worded if any(hint.is_essential and hint.key == key for hint in hints)}
    kept = sum(part.cell_length + _GAP for part, _, key in worded if key in reserved)
    for part, here, key in worded:
        start = used + (_GAP if parts else 0)
        kept -= part.cell_length + _GAP if key in reserved else 0
        if start + part.cell_length + kept > width:
            continue
        parts.append(part)
        places += [(start + left, start + right, hint) for left, right, hint in here]
        used = start + part.cell_length
    return Content(" " * _GAP).join(parts), tuple(places)


def _together(hint: KeyHint) -> str:
    return hint.group or hint.key


def _worded(hints: list[KeyHint]) -> tuple[Content, list[tuple[int, int, KeyHint]]]:
    """Keys and their word: `12345 Views`, `q Quit`."""
    content, places = Content(""), []
    for hint in hints:
        start = content.cell_length
        content += Content.styled(hint.sign, _KEY if hint.is_enabled else MUTED)
        places.append((start, content.cell_length, hint))
    first = hints[0]
    content += Content.styled(f" {first.group or first.label}", _LABEL if first.is_enabled else MUTED)
    if len(hints) == 1:
        places = [(0, content.cell_length, first)]
    return content, places
