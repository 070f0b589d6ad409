"""A bare app around widgets, what it shows as text, and what the widgets told it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.widget import Widget

from tui.themes import OWN_THEMES

M = TypeVar("M", bound=Message)


class Host(App[None]):
    """Shows `widgets` from top to bottom."""

    def __init__(self, *widgets: Widget) -> None:
        super().__init__()
        self.animation_level = "none"
        self._widgets = widgets

    def compose(self) -> ComposeResult:
        yield from self._widgets

    def on_mount(self) -> None:
        for theme in OWN_THEMES:
            self.register_theme(theme)
        self.theme = OWN_THEMES[0].name


class Ear:
    """A message hook that remembers every message once, in order."""

    def __init__(self) -> None:
        self._heard: list[Message] = []

    def __call__(self, message: Message) -> None:
        if not any(message is one for one in self._heard[-50:]):
            self._heard.append(message)

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self._heard if isinstance(message, kind)]

    def clear(self) -> None:
        self._heard.clear()


def frame(app: App[Any]) -> list[str]:
    """What is on the screen, line by line."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in strips]


def is_safe(lines: Iterable[str]) -> bool:
    """No control character and no bidirectional override is on the screen."""
    return not any(
        ord(character) < 32 or 0x7F <= ord(character) < 0xA0 or 0x202A <= ord(character) <= 0x202E
        for line in lines
        for character in line
    )


async def settled(pilot: Pilot[Any]) -> None:
    """All messages handled, all charts drawn."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
