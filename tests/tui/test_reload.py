"""ctrl+r in the console, and word of a configuration that cannot be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import EngineUnavailableError
from engine.model import ReloadReport
from tests.tui.fake_data import HOSTILE, NOW
from tests.tui.fake_past import CONFIGURATIONS
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle, showing, toasts
from tui.modals.reloaded import line_of


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


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        ("rules.yaml:28:18: a `:` is not expected here", 28),
        ("rules.yaml:3: no such key", 3),
        ("other.yaml:7:1: no such key", None),
        ("it cannot be read within 10 s", None),
    ],
)
def test_a_problem_says_on_which_line_it_is_mended(problem: str, line: int | None) -> None:
    assert line_of(ReloadReport(NOW, "1 problem", (), (problem,)), "/etc/tocsin/rules.yaml") == line


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
        words = "the configuration stays as it was: rules.yaml:3:5: unknown key `nam` (^r reads it again)"
        assert told == [words]


async def test_a_watched_file_that_is_in_force_is_told_once_and_one_read_at_a_key_by_its_report_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = FakeClient()
    digests = ["bbbb2222", "cccc3333"]
    monkeypatch.setattr(client, "in_force_at", lambda _: replace(CONFIGURATIONS[-1], digest=digests[0]))
    async with console(client, tmp_path) as (app, pilot):
        assert toasts(app) == []
        del digests[0]
        for _ in range(3):
            app._vitals_loader.request(urgent=True)
            await settle(pilot)
        assert toasts(app) == ["configuration reloaded: cccc3333 is in force"]
        client.reload_report = ReloadReport(NOW, "+1 workflow", ("+ workflow new",))
        await press(pilot, "ctrl+r")
        digests[0] = "dddd4444"
        app._vitals_loader.request(urgent=True)
        await settle(pilot)
        assert len(toasts(app)) == 1
