"""What the views show, at the sizes people have, and that hostile text stays text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import EngineUnavailableError
from engine.model import Outcome, Topic
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, key_of, press, settle, showing
from tui.bridge import Loader
from tui.screens.base import View
from tui.screens.dashboard import DashboardView
from tui.widgets.row_table import RowTable

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ud800-\udfff]")
_MARKS = ("[/foo]", "日本語", "gnirts", "xxxxxxxx")  # something hostile is in sight
_PANES = ("health", "charts", "timeline", "trace")


def _outside(region_of: object, size: tuple[int, int]) -> bool:
    from textual.geometry import Region

    assert isinstance(region_of, Region)
    return not Region(0, 0, *size).contains_region(region_of) or not region_of.area


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_dashboard_shows_all_four_panes(size: tuple[int, int], tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, size) as (app, _pilot):
        text = frame(app)
        for pane in _PANES:
            region = app.screen.query_one(f"#{pane}").region
            assert not _outside(region, size), pane
            assert region.width >= 38, pane
            assert region.height >= 9, pane
        for words in ("Checkout", "p95", "Success rate", "checkout · C", "CRITICAL", "attempt 1", "82"):
            assert words in text


async def test_a_narrow_terminal_stacks_the_panes(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (60, 30)) as (app, pilot):
        regions = [app.screen.query_one(f"#{pane}").region for pane in _PANES]
        assert len({region.x for region in regions}) == 1
        await pilot.resize_terminal(100, 30)
        await settle(pilot)
        assert len({app.screen.query_one(f"#{pane}").region.x for pane in _PANES}) == 2


@pytest.mark.parametrize("size", [(40, 12), (80, 24)])
async def test_every_view_stands_at_every_size(size: tuple[int, int], tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, size) as (app, pilot):
        for keys in (("2",), ("enter",), ("3",), ("5",), ("enter",), ("6",), (key_of("reports"),)):
            await press(pilot, *keys)
            assert app.screen.focused is not None
            assert "live" in frame(app).splitlines()[0]


async def test_hostile_text_is_shown_as_text(tmp_path: Path) -> None:
    async with console(FakeClient(hostile=True), tmp_path) as (app, pilot):
        for keys in ((), ("2",), ("enter",), ("3",), ("5",), ("enter",), ("escape", "tab", "enter"), ("6",),
                     (key_of("reports"),)):  # fmt: skip
            await press(pilot, *keys)
            for line in frame(app).split("\n"):
                assert not _CONTROL.search(line), (keys, ascii(line))
            assert any(mark in frame(app) for mark in _MARKS), keys
            if keys == ("escape", "tab", "enter"):
                assert showing(app) == "PageModal"
                await press(pilot, "escape")
        assert not app.crash_sentence


async def test_hostile_text_in_modals_toasts_and_notices(tmp_path: Path) -> None:
    client = FakeClient(hostile=True)
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "3", "a")
        assert not _CONTROL.search(frame(app).replace("\n", ""))
        await press(pilot, "enter")
        app.say("[/x] \x1b]52;c;aGk=\x07 [@click=app.quit]go[/]", "error")
        client.fail_with = EngineUnavailableError("[/gone] \x1b[2J")
        await press(pilot, "5")
        assert "[/x]" in frame(app)
        assert "[/gone]" in frame(app)
        assert not _CONTROL.search(frame(app).replace("\n", ""))


async def test_empty_states_say_why(tmp_path: Path) -> None:
    async with console(FakeClient(empty=True), tmp_path) as (app, pilot):
        assert "nothing has been executed yet" in frame(app)
        for keys, says in (
            (("3",), "no alerts in this range"),
            (("5",), "no executions in the last 15m"),
            (("6",), "nothing was logged in the last 15m"),
            (("slash", "x"), "matches"),
            (("escape", "escape", "2", "enter"), "no executions in the last 15m"),
        ):
            await press(pilot, *keys)
            assert says in frame(app), keys


async def test_an_engine_that_is_gone_is_said_and_its_return_as_well(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        client.fail_with = EngineUnavailableError("the engine has stopped")
        client.announce(Topic.ENGINE)
        await settle(pilot)
        assert "the engine has stopped" in frame(app)
        assert "Checkout" in frame(app)
        client.fail_with = None
        client.announce(Topic.ENGINE, Topic.EXECUTIONS)
        await settle(pilot)
        assert "the engine has stopped" not in frame(app)


async def test_only_the_view_in_front_fetches(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (_app, pilot):
        await press(pilot, "2", "6")
        client.calls.clear()
        client.announce(Topic.EXECUTIONS)
        await settle(pilot)
        assert {name for name, _ in client.calls} == {"info", "health"}
        await press(pilot, "2")
        assert "workflows" in {name for name, _ in client.calls}


async def test_the_time_range_holds_across_views(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "t", "3", "2")
        now = client.clock.now()
        assert ("workflows", now - 21_600) in client.calls
        assert "6h" in frame(app).splitlines()[0]


async def test_pause_freezes_time_and_data(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "2", "space")
        frozen = app.moment()
        client.calls.clear()
        client.clock.jump(60.0)
        client.announce(Topic.EXECUTIONS)
        await settle(pilot)
        assert app.moment() == frozen
        assert "workflows" not in {name for name, _ in client.calls}
        await press(pilot, "space")
        assert app.moment() == frozen + 60
        assert "workflows" in {name for name, _ in client.calls}


async def test_what_takes_long_to_sum_up_is_asked_for_less_often_than_alerts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, _pilot):
        view = app.screen
        assert isinstance(view, DashboardView)
        monkeypatch.setattr(Loader, "SLOWEST", 3600.0)
        monkeypatch.setattr(Loader, "SHARE", 1e-9)
        view.reload()
        first = await view.fetch()
        client.all_alerts.append(replace(client.all_alerts[0], id=77))
        second = await view.fetch()
        assert second.workflows is first.workflows
        assert second.buckets is first.buckets
        assert len(second.alerts) == len(first.alerts) + 1
        view.reload()
        assert (await view.fetch()).buckets is not first.buckets


async def test_pause_holds_every_pane_of_the_dashboard_still_but_tells_of_new_alerts(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "space")
        before = frame(app)
        client.clock.jump(60.0)
        client.score = 12.0
        client.add_execution("checkout", Outcome.FAILED)
        client.announce(Topic.EXECUTIONS, Topic.HEALTH, Topic.ENGINE, Topic.ALERTS)
        await settle(pilot)
        app._tick()
        await settle(pilot)
        assert frame(app) == before
        client.all_alerts.append(replace(client.all_alerts[0], id=77, started_at=client.clock.now()))
        client.announce(Topic.ALERTS)
        await settle(pilot)
        first, *rest = frame(app).splitlines()
        assert "1 new alert" in first
        assert rest == before.splitlines()[1:]
        await press(pilot, "space")
        assert "12" in frame(app).splitlines()[0]
        assert "new alert" not in frame(app)


async def test_lines_of_a_chart_differ_without_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with console(FakeClient(), tmp_path) as (app, _pilot):
        assert "━ p50" in frame(app)
        assert "• p95" in frame(app)
        assert frame(app).count("•") > 20


async def test_moving_over_alerts_shows_the_trace_that_raised_them(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        assert "failed ·" in frame(app)
        await press(pilot, "tab", "tab")
        assert ("execution", 416) in client.calls
        assert "alert #1 ·" in frame(app)
        await press(pilot, "j")
        assert "alert #2 ·" in frame(app)
        await press(pilot, "escape")
        assert "failed ·" in frame(app)
        assert app.screen.query_one("#timeline", RowTable).cursor_key == "1"


async def test_moving_over_workflows_shows_how_they_last_ran(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        assert "User login › failed ·" in frame(app)
        await press(pilot, "j")
        assert "Checkout › last run ·" in frame(app)
        client.add_execution("search", Outcome.OK)
        client.announce(Topic.EXECUTIONS)
        await settle(pilot)
        assert "Checkout › last run ·" in frame(app)
        client.add_execution("checkout", Outcome.OK)
        client.announce(Topic.EXECUTIONS)
        await settle(pilot)
        assert "Checkout › last run · now" in frame(app)


async def test_a_cursor_that_moves_asks_for_a_trace_and_not_for_all_workflows_again(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        client.calls.clear()
        await press(pilot, "j")
        assert "Checkout › last run ·" in frame(app)
        await press(pilot, "k", "j", "escape")
        assert "User login › failed ·" in frame(app)
        asked = {name for name, _ in client.calls}
        assert "executions" in asked
        assert not asked & {"workflows", "buckets"}


async def test_a_trace_that_is_being_read_stays(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "shift+tab")
        assert app.focused is app.screen.query_one("#trace")
        client.add_execution("user-login", Outcome.FAILED)
        client.announce(Topic.EXECUTIONS)
        await settle(pilot)
        assert "failed · now" not in frame(app)
        await press(pilot, "tab")
        client.announce(Topic.EXECUTIONS)
        await settle(pilot)
        assert "failed · now" in frame(app)


async def test_the_dashboard_has_the_newest_trace_when_all_is_well(tmp_path: Path) -> None:
    client = FakeClient()
    for name in ("user-login", "checkout", "search"):
        client.add_execution(name, Outcome.OK)
    client.add_execution("search", Outcome.SKIPPED)
    async with console(client, tmp_path) as (app, _pilot):
        assert "Product search › newest · now" in frame(app)


async def test_an_alert_says_how_the_execution_went_that_raised_it(tmp_path: Path) -> None:
    client = FakeClient()
    failed = client.add_execution("checkout", Outcome.FAILED)
    client.all_alerts[0] = replace(client.all_alerts[0], execution_id=failed.id)
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "3")
        assert "Raised by   ✗ failed" in frame(app)
        assert "status (503) == 200" in frame(app)


async def test_nothing_that_is_newer_than_the_pause_is_shown(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "5", "space")
        before = app.screen.query_one("#executions", RowTable).row_count
        client.clock.jump(5.0)
        client.add_execution("checkout", Outcome.FAILED)
        client.add_log("said after the pause")
        await press(pilot, "6", "t", "2")
        assert "said after the pause" not in frame(app)
        assert "1 new line ·" in frame(app)
        await press(pilot, "t", "1", "5")
        table = app.screen.query_one("#executions", RowTable)
        assert table.row_count == before
        await press(pilot, "space")
        assert table.row_count == before + 1


async def test_opening_an_alert_of_the_dashboard_points_at_it(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "tab", "tab", "G", "enter")
        assert app.current_mode == "alerts"
        assert "Slow response time #3" in frame(app)


async def test_an_alert_without_an_execution_has_no_trace_and_says_so(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "t", "2", "3", "G", "enter")
        assert showing(app) == "AlertsView"
        assert "was not raised by" in frame(app)


async def test_zoom_gives_one_pane_the_screen(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "z")
        assert app.screen.query_one("#health").region.width == 100
        assert "tocsin" in frame(app)
        await press(pilot, "escape")
        assert app.screen.query_one("#health").region.width == 50


async def test_failures_only(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "5", "f")
        since = app.time_range.since(app.moment())
        failed = sum(
            one.outcome is Outcome.FAILED and one.started_at >= since for one in client.all_executions
        )
        assert failed
        assert app.screen.query_one("#executions", RowTable).row_count == failed


async def test_older_executions_come_as_one_scrolls(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "t", "2", "5")
        table = app.screen.query_one("#executions", RowTable)
        assert table.row_count == 200
        await press(pilot, "G", "j")
        assert table.row_count == 400


async def test_switching_views_keeps_the_cursor(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "2", "j", "j", "6", "2")
        assert app.screen.query_one("#workflows", RowTable).cursor_key == "search"
        assert isinstance(app.screen, View)
