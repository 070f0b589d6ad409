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
from tui.sized import forget_unlikely_sizes

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


@pytest.mark.parametrize(
    ("said", "stays"),
    [("80", True), ("2000", True), ("2001", False), ("99999999", False), ("9" * 9_000, False), ("0080", True),
     ("wide", True), ("", True)],
)  # fmt: skip
def test_a_size_that_no_terminal_has_is_not_believed(said: str, stays: bool) -> None:
    environ = {"COLUMNS": said, "HOME": "/root"}
    forget_unlikely_sizes(environ)
    assert environ == ({"COLUMNS": said} if stays else {}) | {"HOME": "/root"}
