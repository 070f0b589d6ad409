"""Running the console without a terminal: the app, its frames as text, and waiting without sleeping."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from tests.tui.fakes import FakeClient
from tests.tui.stillness import fetched, still
from tui.app import TocsinApp
from tui.memory import Memory
from tui.views import VIEWS


@asynccontextmanager
async def console(
    client: FakeClient, tmp_path: Path, size: tuple[int, int] = (100, 30), memory: Memory | None = None
) -> AsyncIterator[tuple[TocsinApp, Pilot[int]]]:
    """The console over `client`, settled; toasts and tooltips are on, as in life."""
    app = TocsinApp(client, memory=memory, clock=client.clock, crash_log=tmp_path / "crash.log")
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await settle(pilot)
        yield app, pilot


async def settle(pilot: Pilot[int]) -> None:
    """Until no fetch is under way, every message has been handled, and what has changed is drawn."""
    await fetched(pilot)
    await still(pilot)


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press keys one by one, letting each take its effect; what they led to is drawn."""
    for key in keys:
        await pilot.app._press_keys([key])
        await fetched(pilot)
    await still(pilot)


def key_of(view: str) -> str:
    """The key that opens a view."""
    return str([entry.name for entry in VIEWS].index(view) + 1)


def frame(app: TocsinApp) -> str:
    """What is on the screen, as lines of text."""
    return "\n".join(
        "".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()
    )


def toasts(app: TocsinApp) -> list[str]:
    """What has been told, unwrapped."""
    return [toast.message for toast in app._notifications]


def is_told(app: TocsinApp, words: str) -> bool:
    """Whether a toast has these words in it, however it is broken into lines."""
    return any(words in told for told in toasts(app))


def showing(app: TocsinApp) -> str:
    """The kind of screen in front."""
    return type(app.screen).__name__
