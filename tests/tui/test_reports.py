"""View 9: a period against its objectives, what to do about it, and the report as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, is_told, key_of, press, showing
from tui.widgets.row_table import RowTable

REPORTS = key_of("reports")


def _files(path: Path) -> list[Path]:
    return [one for one in path.iterdir() if one.name != "crash.log"]


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_it_shows_levels_trends_and_recommendations(size: tuple[int, int], tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, size) as (app, pilot):
        await press(pilot, "t", "2", REPORTS)
        text = frame(app)
        for words in ("Report · 1h until", "✗ checkout", "99.9 %", "5 of 6 met", "Service levels · 1 missed",
                      "Recommendations ·", "executions failed"):  # fmt: skip
            assert words in text, words
        levels = app.screen.query_one("#levels", RowTable)
        assert levels.cursor_key == "checkout"
        (line,) = [line for line in text.splitlines() if "✗ checkout" in line]
        assert "229× spent" in line


async def test_enter_opens_a_workflow_or_says_more(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (120, 40)) as (app, pilot):
        await press(pilot, "t", "2", REPORTS, "tab", "enter")
        assert showing(app) == "PageModal"
        assert "Find what fails, or lower its objective" in frame(app)
        await press(pilot, "escape", "shift+tab", "enter")
        assert showing(app) == "WorkflowView"


async def test_an_empty_period_says_so(tmp_path: Path) -> None:
    async with console(FakeClient(empty=True), tmp_path) as (app, pilot):
        await press(pilot, REPORTS)
        assert "no workflow ran in the last 15m" in frame(app)
        assert "asks for anything" in frame(app)


@pytest.mark.parametrize(
    ("keys", "suffix", "begins"),
    [((), ".md", "# Monitoring report"), (("2",), ".html", "<!doctype html>"), (("3",), ".csv", "since,"),
     (("4", "enter"), ".txt", "Monitoring report")],
)  # fmt: skip
async def test_a_report_is_written_to_a_file(
    keys: tuple[str, ...], suffix: str, begins: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with console(FakeClient(), tmp_path, (160, 45)) as (app, pilot):
        await press(pilot, REPORTS, "x", *keys)
        if "enter" not in keys:
            await press(pilot, "tab", "enter")
        assert is_told(app, "written to")
        (written,) = _files(tmp_path)
        assert written.name.endswith(suffix)
        assert written.read_text().startswith(begins)
        await press(pilot, "x", *keys)
        if "enter" not in keys:
            await press(pilot, "enter")
        assert is_told(app, "exists already")


async def test_the_ending_of_a_name_that_is_typed_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with console(FakeClient(), tmp_path) as (_app, pilot):
        await press(pilot, REPORTS, "x", "tab", "ctrl+u", *"a.csv", "enter")
        assert (tmp_path / "a.csv").read_text().startswith("since,")


async def test_nothing_is_written_when_it_is_left_or_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, REPORTS, "x", "tab", "ctrl+u", "enter")
        assert "name a file" in frame(app)
        await press(pilot, *"~no-such/a.md", "enter")
        assert "no home directory" in frame(app)
        await press(pilot, "escape")
        assert showing(app) == "ReportsView"
    assert _files(tmp_path) == []
