"""The log view: it follows, it waits when left alone, it searches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.model import LogPage, Topic
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle
from tui.app import TocsinApp
from tui.widgets.row_table import RowTable


def _cursor(app: TocsinApp) -> str | None:
    return app.screen.query_one("#lines", RowTable).cursor_key


async def test_the_tail_sticks_to_the_newest_line(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "6")
        assert "following" in frame(app)
        record = client.add_log("fresh from the engine")
        client.announce(Topic.LOGS)
        await settle(pilot)
        assert "fresh from the engine" in frame(app)
        assert _cursor(app) == str(record.id)


async def test_matches_are_offered_only_while_there_is_a_search(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (120, 30)) as (app, pilot):
        await press(pilot, "6")
        assert "Next match" not in frame(app)
        await press(pilot, "slash", *"pay", "enter")
        assert "n Next match" in frame(app)
        await press(pilot, "slash", *["backspace"] * 3, "enter")
        assert "Next match" not in frame(app)


async def test_scrolled_away_the_tail_waits_and_counts(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "6", "k")
        before = _cursor(app)
        client.add_log("one")
        client.add_log("two")
        client.announce(Topic.LOGS)
        await settle(pilot)
        assert _cursor(app) == before
        assert "2 new lines" in frame(app)
        await press(pilot, "G")
        assert "following" in frame(app)


async def test_a_page_is_in_the_order_of_time(tmp_path: Path) -> None:
    client = FakeClient()
    first = client.add_log("numbered first")
    second = client.add_log("numbered second")
    client.all_logs[-1] = replace(second, at=first.at - 0.5)
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "6")
        shown = frame(app)
        assert shown.index("numbered second") < shown.index("numbered first")
        assert _cursor(app) == str(first.id)
        client.add_log("came later")
        client.announce(Topic.LOGS)
        await settle(pilot)
        asked = [detail for name, detail in client.calls if name == "logs"]
        assert asked[-1] == ("", None, second.id)


async def test_paused_lines_are_held_counted_and_shown_on_going_live(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "6", "space")
        client.add_log("while you were away")
        client.announce(Topic.LOGS)
        await settle(pilot)
        assert "while you were away" not in frame(app)
        assert "1 new line ·" in frame(app)
        await press(pilot, "space")
        assert "while you were away" in frame(app)


async def test_search_marks_filters_and_is_cleared_by_escape(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "6", "slash", *"pay", "enter")
        assert "step pay failed" in frame(app)
        assert "connection reused" not in frame(app)
        assert app.focused is not None
        assert app.focused.id == "lines"
        await press(pilot, "escape")
        assert "connection reused" in frame(app)


async def test_a_search_that_cannot_be_asked_says_how_to_ask(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "6", "slash", "minus", "x")
        assert "a search needs a word to look for" in frame(app)
        assert "add a word before" in frame(app)
        await press(pilot, "escape")
        assert "a search needs" not in frame(app)


async def test_older_lines_come_as_one_scrolls_up(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "t", "2", "6")
        table = app.screen.query_one("#lines", RowTable)
        assert table.row_count == 500
        await press(pilot, "g", "k")
        assert table.row_count == 840
        assert _cursor(app) is not None


async def test_a_line_opens_its_execution(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "6", "enter")
        assert "Execution 420" in frame(app)


async def test_a_line_without_an_execution_opens_its_fields(tmp_path: Path) -> None:
    client = FakeClient()
    client.add_log("engine started")
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "6", "enter")
        assert "Log line" in frame(app)
        await press(pilot, "escape")
        assert "following" in frame(app)


async def test_a_search_by_pattern_goes_on_from_what_it_has_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = FakeClient()
    asked: list[object] = []

    async def logs(query: str = "", **more: object) -> LogPage:
        asked.append((query, more.get("after_id")))
        return LogPage((), more=more.get("after_id") is None, looked_at=(800, 900))

    monkeypatch.setattr(client, "logs", logs)
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "6", "slash", *"/x/", "enter")
        asked.clear()
        client.announce(Topic.LOGS)
        await settle(pilot)
        assert asked == [("/x/", 900)]
        assert "nothing in the last" in frame(app)
