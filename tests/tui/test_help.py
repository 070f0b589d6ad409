"""The page of all keys: what is typed behind `/` leaves only the lines that have it."""

from __future__ import annotations

from pathlib import Path

from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, showing


async def test_the_help_is_sifted_as_it_is_typed_and_esc_shows_all_again(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (80, 24)) as (app, pilot):
        await press(pilot, "3", "question_mark")
        assert "/ search" in frame(app)
        await press(pilot, "slash", *"silen")
        assert "List silences and maintenance" in frame(app)
        assert "Dashboard" in frame(app)
        assert "Workflows" not in frame(app)
        await press(pilot, "enter", "j", "slash", *" qq")
        assert "no action has these words" in frame(app)
        await press(pilot, "escape")
        assert "Tell others you take care" in frame(app)
        assert showing(app) == "HelpModal"
        await press(pilot, "slash", *"/(/")
        assert "pattern cannot be used" in frame(app)
        await press(pilot, "escape", "escape")
        assert showing(app) == "AlertsView"
