"""Waiting for a console to stand still by looking at what is left to do, never at how much time went by."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from textual.app import App
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot
from textual.screen import Screen
from textual.worker import WorkerCancelled

from tui.app import TocsinApp

NEVER = 3_600.0
"""Seconds that are longer than any test: between frames drawn unasked, and until a toast goes."""

_draw = Screen._compositor_refresh
_parse = Stylesheet._parse_rules
_parsed: dict[tuple[object, ...], list[RuleSet]] = {}
_numbers: dict[frozenset[tuple[str, str]], int] = {}
_palettes: WeakKeyDictionary[Stylesheet, tuple[dict[str, str], int]] = WeakKeyDictionary()


async def idle(_least: float = 0.0, _most: float = 0.0) -> None:
    """Until the event loop has nothing to do but wait: for a moment to come, a thread, or a socket."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    while ready:  # noqa: ASYNC110 - nothing tells that the loop is idle
        await asyncio.sleep(0)


async def laid_out(app: App[Any]) -> None:
    """Until every message has been handled and everything has its place."""
    await idle()
    while app._screen_stack and not app._batch_count:
        if app._resize_timer is not None:
            app._check_resize()
        elif _has_changes(app.screen):
            app.screen._on_timer_update()
        else:
            return
        await idle()


async def still(pilot: Pilot[Any], _timeout: float = 0.0) -> bool:
    """Until every message has been handled and what has changed is drawn: once."""
    app = pilot.app
    await laid_out(app)
    while app._screen_stack and not app._batch_count and app.screen._compositor._dirty_regions:
        _draw(app.screen)
        await laid_out(app)
    return True


async def fetched(pilot: Pilot[Any]) -> None:
    """Until no worker is at work any more, and everything has its place."""
    await laid_out(pilot.app)
    while len(pilot.app.workers):
        # A fetch whose answer is not wanted any more is dropped; what took its place is waited for.
        with suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete()
        await laid_out(pilot.app)


def _has_changes(screen: Screen[Any]) -> bool:
    """What makes a screen prepare its next frame, or call who waits for it."""
    return bool(
        screen._layout_required
        or screen._scroll_required
        or screen._repaint_required
        or screen._recompose_required
        or screen._dirty_widgets
        or screen._callbacks
    )


def _draw_later(screen: Screen[Any]) -> None:
    """Leave the drawing of the screen in front to `still`."""
    if screen is screen.app.screen:
        screen._dirty_widgets.clear()
        screen.app._update_mouse_over(screen)
    else:
        _draw(screen)


def _delay_update(app: App[Any], _seconds: float = 0.0) -> None:
    """Draw nothing until what is being done now is done."""

    def draw_again() -> None:
        app._end_batch()
        if not app._batch_count:
            app.screen.refresh()

    app._begin_batch()
    app.call_later(draw_again)


def _parse_once(sheet: Stylesheet, css: str, *place: Any, **kind: Any) -> list[RuleSet]:
    """Rules are not changed once they are parsed: the same text in the same colours gives the same rules."""
    key = (_palette(sheet), css, place, *kind.values())
    if key not in _parsed:
        _parsed[key] = _parse(sheet, css, *place, **kind)
    return _parsed[key]


def _palette(sheet: Stylesheet) -> int:
    """The number of the set of variables that a sheet has now."""
    variables = sheet._variables
    known = _palettes.get(sheet)
    if known is None or known[0] is not variables:
        number = _numbers.setdefault(frozenset(variables.items()), len(_numbers))
        known = _palettes[sheet] = (variables, number)
    return known[1]


def wait_for_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Textual wait for what is left to do, and do it once.

    Its pilot watches the clock, and every key would take a sixteenth of a second.
    """
    monkeypatch.setattr("textual.screen.UPDATE_PERIOD", NEVER)
    monkeypatch.setattr("textual.app.wait_for_idle", idle)
    monkeypatch.setattr("textual.pilot.wait_for_idle", idle)
    monkeypatch.setattr(Pilot, "_wait_for_screen", still)
    monkeypatch.setattr(App, "delay_update", _delay_update)
    monkeypatch.setattr(TocsinApp, "NOTIFICATION_TIMEOUT", NEVER)
    monkeypatch.setattr(Screen, "_compositor_refresh", _draw_later)
    monkeypatch.setattr(Stylesheet, "_parse_rules", _parse_once)
