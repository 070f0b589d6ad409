"""What is taken along: copies, files, pictures; and panes by letter."""

from __future__ import annotations

import csv
import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from engine.model import LogLevel, LogRecord
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle, showing
from tests.tui.hosts import is_safe
from tui.app import TocsinApp
from tui.screens.base import View
from tui.widgets.status_bar import StatusBar


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _records(text: str, ending: str) -> list[dict[str, object]]:
    if ending == "csv":
        return [dict(row) for row in csv.DictReader(text.splitlines())]
    found = json.loads(text) if ending == "json" else [json.loads(line) for line in text.splitlines()]
    return [dict(record) for record in found]


def _made(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


@pytest.mark.parametrize(
    ("way", "what"),
    [
        (("3",), "CRITICAL firing #1 "),
        (("2", "g", "j"), "checkout"),
        (("5",), "000000000000000000000000"),
        (("4",), "workflow"),
        (("7",), "slow"),
    ],
)
async def test_the_most_useful_of_a_row_is_copied(way: tuple[str, ...], what: str, tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, *way, "y")
        assert what in app.clipboard
        assert "copied" in frame(app)


async def test_a_log_line_is_copied_as_json_and_hostile_text_without_its_claws(tmp_path: Path) -> None:
    client = FakeClient(hostile=True)
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "6", "y")
        assert json.loads(app.clipboard)["type"] == "log"
        for view in "2345":
            await press(pilot, view, "y")
            assert is_safe([app.clipboard]), ascii(app.clipboard)


async def test_nothing_under_the_cursor_is_said(tmp_path: Path) -> None:
    async with console(FakeClient(empty=True), tmp_path) as (app, pilot):
        await press(pilot, "5", "y")
        assert "nothing under the cursor" in frame(app)
        await press(pilot, "x")
        assert "no rows to export" in frame(app)


@pytest.mark.parametrize("ending", ["csv", "json", "ndjson"])
@pytest.mark.parametrize(
    ("view", "field"), [("2", "workflow"), ("3", "rule"), ("5", "trace_id"), ("6", "message")]
)
async def test_rows_are_exported_as_what_stands_behind_them(
    view: str, field: str, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"rows.{ending}"
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, view, "x")
        app.screen.query_one(Input).value = path.name
        await press(pilot, "enter")
        assert " written to" in frame(app)
    text = path.read_text()
    records = _records(text, ending)
    assert records
    assert all(record[field] for record in records)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _made(tmp_path, "*.part") == []


async def test_only_rows_that_pass_the_filter_are_exported_and_no_formula_is_one(tmp_path: Path) -> None:
    client = FakeClient()
    line = client.all_logs[-1]
    client.all_logs.append(replace(line, id=line.id + 1, message="=cmd|' /C calc'!A0"))
    assert isinstance(line, LogRecord)
    assert line.level in LogLevel
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "2", "slash", *"checkout", "enter", "x")
        assert "Export 1 row" in frame(app)
        await press(pilot, "enter")
        await press(pilot, "6", "x")
        app.screen.query_one(Input).value = "logs.csv"
        await press(pilot, "enter")
    (made,) = _made(tmp_path, "tocsin-workflows-*.csv")
    assert len(made.read_text().splitlines()) == 2
    assert "'=cmd" in (tmp_path / "logs.csv").read_text()


async def test_a_list_without_records_is_exported_as_it_looks(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "4", "x")
        app.screen.query_one(Input).value = "series.ndjson"
        await press(pilot, "enter")
        assert app.is_running
    records = [json.loads(line) for line in (tmp_path / "series.ndjson").read_text().splitlines()]
    assert records[0].keys() == {"series", "of"}


async def shows(app: TocsinApp, pilot: Pilot[int], words: str) -> bool:
    """Whether the words come on the screen: a toast is mounted some turns after it was asked for."""
    for _ in range(200):
        if words in frame(app):
            return True
        await pilot.pause()
    return False


async def test_no_file_is_overwritten_and_other_endings_are_refused(tmp_path: Path) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("mine")
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "2", "x")
        field = app.screen.query_one(Input)
        field.value = "rows.xlsx"
        await press(pilot, "enter")
        assert showing(app) == "ExportModal"
        assert "has to end with .csv, .json or .ndjson" in frame(app)
        field.value = "~no-such/rows.csv"
        await press(pilot, "enter")
        assert "there is no home directory" in frame(app)
        field.value = "kept.csv"
        await press(pilot, "enter")
        assert await shows(app, pilot, "already")
        await press(pilot, "x")
        app.screen.query_one(Input).value = "nowhere/rows.csv"
        await press(pilot, "enter")
        assert await shows(app, pilot, "cannot")
        await press(pilot, "x")
        app.screen.query_one(Input).value = "a" * 300 + ".csv"
        await press(pilot, "enter")
        assert await shows(app, pilot, "too long")
    assert kept.read_text() == "mine"


async def test_where_it_runs_may_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    async with console(FakeClient(), tmp_path, (120, 40)) as (app, pilot):
        monkeypatch.chdir(gone)
        gone.rmdir()
        await press(pilot, "2", "X")
        assert await shows(app, pilot, "the directory that this runs in is gone")
        await press(pilot, "x", "enter")
        assert showing(app) == "ExportModal"
        assert "runs in is gone" in frame(app)
        app.screen.query_one(Input).value = str(tmp_path / "rows.csv")
        await press(pilot, "enter")
        await press(pilot, "9", "x")
        assert showing(app) == "SaveReportModal"
    assert (tmp_path / "rows.csv").exists()


async def test_a_picture_of_the_screen_is_a_private_file(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (_app, pilot):
        await press(pilot, "X")
        await settle(pilot)
    (picture,) = _made(tmp_path, "tocsin-*.svg")
    assert "<svg" in picture.read_text()
    assert "Checkout" in picture.read_text()
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600


async def test_a_letter_leads_to_a_pane_and_any_other_key_nowhere(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        chain = list(app.screen.focus_chain)
        await press(pilot, "ctrl+o")
        assert all(f" {letter} " in frame(app) for letter in "asdf"[: len(chain)])
        await press(pilot, "d")
        assert app.focused is chain[2]
        for key in ("escape", "ctrl+o", "z", "1"):
            await press(pilot, "ctrl+o", key)
            assert showing(app) == "DashboardView"
            assert app.focused is chain[2]


async def test_a_view_that_was_shown_before_is_neither_held_back_nor_styled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(FakeClient(), tmp_path) as (_, pilot):
        await press(pilot, "2", "1")
        styled, held = list[View[Any]](), list[float]()
        monkeypatch.setattr(View, "update_node_styles", lambda view, animate=True: styled.append(view))
        monkeypatch.setattr(App, "delay_update", lambda app, delay=0.05: held.append(delay))
        await press(pilot, "2", "1")
        assert (styled, held) == ([], [])
        await press(pilot, "3")
        assert held == [0.05]


async def test_a_theme_and_a_size_that_were_chosen_elsewhere_are_there_on_coming_back(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "2")
        before = app.screen.query_one(StatusBar).styles.background
        await press(pilot, "1", "T")
        await pilot.resize_terminal(60, 30)
        await press(pilot, "2")
        assert app.screen.query_one(StatusBar).styles.background != before
        assert app.screen.has_class("-narrow")


async def test_a_refusal_is_not_put_on_top_of_itself(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (120, 40)) as (app, pilot):
        for _ in range(3):
            app.say("only an open alert can be marked", "warning")
        app.say("written")
        app.say("written")
        app.say("the last one")
        assert await shows(app, pilot, "the last one")
        assert frame(app).count("only an open alert") == 1
        assert frame(app).count("written") == 2
