"""ctrl+r in the console, and word of a configuration that cannot be used."""

from __future__ import annotations

from pathlib import Path

from engine.errors import EngineUnavailableError
from engine.model import ReloadReport
from tests.tui.fake_data import HOSTILE, NOW
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle, showing


def toasts(app: object) -> list[str]:
    return [toast.message for toast in app._notifications]  # type: ignore[attr-defined]


async def test_ctrl_r_shows_what_has_changed(tmp_path: Path) -> None:
    client = FakeClient()
    changes = ("+ workflow new", "~ rule slow: conditions.1.value 30 → 20", f"- channel {HOSTILE}")
    client.reload_report = ReloadReport(NOW, "+1 workflow, ~1 rule, -1 channel", changes)
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "ctrl+r")
        assert showing(app) == "ReloadModal"
        shown = frame(app)
        for words in ("Configuration reloaded", "+ workflow new", "value 30 → 20", "- channel"):
            assert words in shown
        await press(pilot, "escape")
        assert client.reloads == 1
        assert showing(app) != "ReloadModal"


async def test_problems_are_shown_with_their_places(tmp_path: Path) -> None:
    client = FakeClient()
    problems = ("rules.yaml:3:5: unknown key `nam`", "rules.yaml:9:1: [/foo] is no key")
    client.reload_report = ReloadReport(NOW, "2 problems", (), problems)
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "ctrl+r")
        assert "stays as it was" in frame(app)
        for problem in problems:
            assert problem in frame(app)


async def test_nothing_new_is_a_toast(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "ctrl+r")
        assert toasts(app) == ["configuration reloaded: nothing has changed"]


async def test_an_engine_that_is_gone_is_a_toast(tmp_path: Path) -> None:
    class Gone(FakeClient):
        async def reload(self) -> ReloadReport:
            raise EngineUnavailableError("the engine has stopped", "start tocsin again")

    async with console(Gone(), tmp_path) as (app, pilot):
        await press(pilot, "ctrl+r")
        assert "the engine has stopped (start tocsin again)" in toasts(app)


async def test_a_fault_in_a_file_that_is_watched_is_told_once(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        client.config_fault = "rules.yaml:3:5: unknown key `nam`"
        for _ in range(3):
            app._vitals_loader.request(urgent=True)
            await settle(pilot)
        told = [toast for toast in toasts(app) if "rules.yaml:3:5" in toast]
        assert told == ["the configuration stays as it was: rules.yaml:3:5: unknown key `nam`"]
