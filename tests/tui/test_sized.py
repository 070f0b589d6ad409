"""Sizes that come faster than a screen is laid out."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.geometry import Size
from textual.screen import Screen

from engine.clock import settle
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, press

# Enough for what follows from two sizes; without an end there are several in each turn.
TURNS = 300


def nothing() -> None:
    """Something else that waits."""


@pytest.mark.parametrize("front", ["DashboardView", "PanesModal", "HelpModal"])
async def test_sizes_that_wait_together_do_not_follow_each_other_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, front: str
) -> None:
    laid_out: list[Size] = []
    resized = Screen._screen_resized

    def note(screen: Screen[object], size: Size) -> None:
        laid_out.append(size)
        resized(screen, size)

    async with console(FakeClient(), tmp_path, (80, 24)) as (app, pilot):
        await press(pilot, *{"PanesModal": ["ctrl+o"], "HelpModal": ["question_mark"]}.get(front, []))
        assert type(app.screen).__name__ == front
        monkeypatch.setattr(Screen, "_screen_resized", note)
        for size in (Size(60, 20), Size(100, 30), Size(80, 24)):
            app.screen.post_message(events.Resize(size, size, size))
            app.screen.call_later(nothing)  # of sizes in a row only the last would be taken
        await settle(TURNS)
        assert {*laid_out} == {app.size}
        assert len(laid_out) < 10
        assert app.screen.size == app.size
