"""The footer: the keys that count now, in one line that is drawn again only when they change."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.widget import Widget

from tui.actions import ACTIONS
from tui.present import MUTED, sign

if TYPE_CHECKING:
    from textual.screen import Screen

_KEY = "bold $footer-key-foreground"
_LABEL = "$footer-description-foreground"
_GAPS = (2, 1)
"""Cells between two keys, the first of these with which every key fits."""
_RANKS: dict[str | None, int] = {action.id: place for place, action in enumerate(ACTIONS)}
_ESSENTIAL = ("app.help", "app.quit", "app.view(")


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


Places = tuple[tuple[int, int, KeyHint], ...]
"""From which cell to which, and the key that is there."""


class KeyBar(Widget, can_focus=False):
    """The keys that are shown in the footer and valid on this screen; a click presses one.

    What does not fit is left out whole, the least important first; how to get help, out and elsewhere stays.
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
        self._places: Places = ()

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
        found = [active for active in self.screen.active_bindings.values() if active.binding.show]
        # Keys of a person's own come after all others; what is most important comes first nevertheless.
        found.sort(key=lambda active: _RANKS.get(active.binding.id, 0))
        hints = {
            active.binding.action: KeyHint(
                active.binding.key,
                self.app.get_key_display(active.binding),
                active.binding.description,
                active.tooltip,
                active.enabled,
                active.binding.group.description if active.binding.group is not None else "",
                active.binding.action.startswith(_ESSENTIAL),
            )
            for active in reversed(found)
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


def lay_out_keys(hints: tuple[KeyHint, ...], width: int) -> tuple[Content, Places]:
    """One line of at most `width` cells, and which of them belong to which key.

    Where not everything fits, keys stand closer, and then those of a group are written as `1–9`.
    """
    for gap in _GAPS:
        content, places = _lay_out(hints, width, gap, brief=False)
        if len(places) == len(hints):
            return content, places
    return _lay_out(hints, width, _GAPS[-1], brief=True)


def _lay_out(hints: tuple[KeyHint, ...], width: int, gap: int, *, brief: bool) -> tuple[Content, Places]:
    parts: list[Content] = []
    places: list[tuple[int, int, KeyHint]] = []
    used = 0
    worded = [(*_worded(list(members), brief), key) for key, members in groupby(hints, _together)]
    reserved, kept = _reserved(hints, {key: part.cell_length + gap for part, _, key in worded}, width, gap)
    for part, here, key in worded:
        start = used + (gap if parts else 0)
        kept -= part.cell_length + gap if key in reserved else 0
        if key not in reserved and start + part.cell_length + kept > width:
            continue
        parts.append(part)
        places += [(start + left, start + right, hint) for left, right, hint in here]
        used = start + part.cell_length
    return Content(" " * gap).join(parts), tuple(places)


def _reserved(
    hints: tuple[KeyHint, ...], sizes: dict[str, int], width: int, gap: int
) -> tuple[set[str], int]:
    """The essential keys that fit, and the cells that are kept for them: all, while not all of them do."""
    reserved: set[str] = set()
    kept, rest = 0, 0
    for key in dict.fromkeys(_together(hint) for hint in hints if hint.is_essential):
        if kept + sizes[key] - gap <= width:
            reserved.add(key)
            kept += sizes[key]
        else:
            rest = width
    return reserved, kept + rest


def _together(hint: KeyHint) -> str:
    return hint.group or hint.key


def _worded(hints: list[KeyHint], brief: bool) -> tuple[Content, list[tuple[int, int, KeyHint]]]:
    """Keys and their word: `123456789 Views`, or `1–9 Views` in `brief`; `q Quit`."""
    first, last = hints[0], hints[-1]
    ends = [first, last] if brief and len(hints) > 3 else []
    content, places = Content(""), []
    parted = any(len(hint.sign) > 1 for hint in hints)
    for hint in ends or hints:
        if ends and hint is last:
            content += Content.styled(sign("–", "-"), MUTED)
        elif parted and hint is not first:
            content += Content(" ")
        start = content.cell_length
        content += Content.styled(hint.sign, _KEY if hint.is_enabled else MUTED)
        places.append((start, content.cell_length, hint))
    content += Content.styled(f" {first.group or first.label}", _LABEL if first.is_enabled else MUTED)
    if len(hints) == 1:
        places = [(0, content.cell_length, first)]
    return content, places
