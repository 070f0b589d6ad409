"""Time travel: one moment for every pane, marked so that nobody takes it for now."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.model import AlertState, Outcome, Topic
from engine.store.incident import extract
from engine.store.store import Store
from tests.engine.store.samples import START, alert
from tests.tui.fake_data import NOW
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle, showing
from tui.app import TocsinApp
from tui.commands.console import show_file
from tui.screens.alerts import AlertsView
from tui.views import VIEWS
from tui.widgets.status_bar import StatusBar
from tui.widgets.timeline import AlertTimeline


def header(app: TocsinApp) -> str:
    return frame(app).splitlines()[0]


def asked(client: FakeClient, name: str) -> list[object]:
    return [detail for called, detail in client.calls if called == name]


async def test_a_step_shows_the_past_and_says_so(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (120, 30)) as (app, pilot):
        await press(pilot, "left_square_bracket")
        assert (app.moment(), app.at, app.past) == (NOW - 60,) * 3
        assert " PAST " in header(app)
        assert "1 m ago" in header(app)
        assert "15m before" in header(app)
        assert "live" not in header(app)
        assert app.screen.query_one(StatusBar).has_class("-past")
        assert asked(client, "health")[-1] == NOW - 60
        await press(pilot, "space")
        assert app.moment() == NOW
        assert "● live" in header(app)
        assert not app.screen.query_one(StatusBar).has_class("-past")


async def test_the_present_has_nothing_later(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "right_square_bracket")
        assert app.live
        assert "there is nothing later" in frame(app)
        await press(pilot, "left_square_bracket", "right_square_bracket")
        assert app.live


@pytest.mark.parametrize("width", [40, 60, 80, 160])
async def test_the_past_is_marked_however_narrow_it_gets(width: int, tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (width, 24)) as (app, pilot):
        app.travel(NOW - 90)
        await settle(pilot)
        assert " PAST " in header(app)
        app.travel(NOW - 3 * 86_400)
        await settle(pilot)
        assert " PAST " in header(app)
        assert "3 d ago" in header(app)


async def test_every_view_is_as_of_then(tmp_path: Path) -> None:
    """500 s ago neither of the two newest alerts nor their executions had been."""
    client = FakeClient()
    async with console(client, tmp_path, (160, 45)) as (app, pilot):
        app.travel(NOW - 500)
        await settle(pilot)
        assert "Alerts · 1 open" in frame(app)
        await press(pilot, "3")
        assert "Critical workflow failure" not in frame(app)
        assert "Slow response time" in frame(app)
        await press(pilot, "5")
        executions = [one for one in client.all_executions if NOW - 1_400 <= one.started_at <= NOW - 500]
        assert f"Executions · {len(executions)} · 15m" in frame(app)
        await press(pilot, "6")
        shown = app.screen._records  # type: ignore[attr-defined]
        assert shown
        assert max(record.at for record in shown) <= NOW - 500
        assert "the past · space goes back to now" in frame(app)
        for number, _ in enumerate(VIEWS, 1):
            await press(pilot, str(number))
            assert " PAST " in header(app), number
            assert not app.trouble


async def test_an_alert_is_what_it_was(tmp_path: Path) -> None:
    """Acknowledged 1,200 s ago: before that it was firing; the one that is resolved now was open."""
    async with console(FakeClient(), tmp_path, (160, 45)) as (app, pilot):
        await press(pilot, "3")
        app.travel(NOW - 1_300)
        await settle(pilot)
        chosen = app.screen.selected_alert()  # type: ignore[attr-defined]
        assert (chosen.id, chosen.state, chosen.acked_by) == (3, AlertState.FIRING, "")
        app.travel(NOW - 2_000)
        await settle(pilot)
        assert "Consecutive failures" in frame(app)


async def test_another_configuration_is_named(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (140, 30)) as (app, pilot):
        app.travel(NOW - 900)
        await settle(pilot)
        assert "configuration" not in header(app)
        app.travel(NOW - 1_100)
        await settle(pilot)
        assert "configuration aaaa1111" in header(app)


async def test_landmarks_lead_from_alert_to_alert(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        steps = []
        for _ in range(3):
            await press(pilot, "less_than_sign")
            steps.append(NOW - app.moment())
        assert steps == [95, 125, 1_000]
        assert "another configuration: bbbb2222" in frame(app)
        app.travel(NOW - 80_000)
        await press(pilot, "less_than_sign")
        assert "the first configuration: aaaa1111" in frame(app)
        app.travel(NOW - 1_000)
        await press(pilot, "greater_than_sign")
        assert app.past == NOW - 125
        assert "alert #1 fired: Critical workflow failure" in frame(app)


async def test_the_first_landmark_is_the_last_to_go_back_to(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        app.travel(NOW - 100_000)
        await press(pilot, "less_than_sign")
        assert app.past == NOW - 100_000
        assert "there is no earlier alert" in frame(app)


async def test_the_past_can_be_played_until_it_is_now(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (120, 30)) as (app, pilot):
        await press(pilot, "P")
        assert "go back first" in frame(app)
        app.travel(NOW - 100)
        await press(pilot, "P", "P")
        assert "▶ 10×" in header(app)
        await client.clock.advance(1.0)
        app.play_on()
        assert app.moment() == NOW - 90
        await press(pilot, "P")
        await client.clock.advance(1.0)
        app.play_on()
        assert app.moment() == NOW - 30
        await client.clock.advance(1.0)
        app.play_on()
        await settle(pilot)
        assert app.live
        assert "● live" in header(app)


async def test_a_step_ends_playing(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        app.travel(NOW - 600)
        await press(pilot, "P", "left_square_bracket")
        assert (app.cursor.speed, app.past) == (0, NOW - 660)


@pytest.mark.parametrize(("text", "at"), [("5m", NOW - 300), ("2h ago", NOW - 7_200), ("#4", NOW - 2_499)])
async def test_a_moment_is_typed(text: str, at: float, tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "at", *text, "enter")
        assert app.past == at


async def test_an_alert_gone_to_is_there_and_under_the_cursor(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "3", "G", "at", *"#4", "enter")
        assert isinstance(app.screen, AlertsView)
        assert app.screen.query_one(AlertTimeline).cursor_key == "4"
        await press(pilot, "space", "G", "less_than_sign", "less_than_sign")
        assert app.past == NOW - 125
        assert app.screen.query_one(AlertTimeline).cursor_key == "1"


async def test_what_is_no_moment_stays_to_be_mended(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "at", *"soon", "enter")
        assert showing(app) == "MomentModal"
        assert "type a moment such as" in frame(app)
        await press(pilot, "escape", "at", *"#99", "enter")
        assert app.live
        assert "there is no alert 99" in frame(app)


async def test_a_range_from_to_goes_to_its_end(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (120, 30)) as (app, pilot):
        await press(pilot, "t", "f", *"3h ago to 90m ago", "enter")
        assert app.time_range.seconds == 5_400
        assert app.past == NOW - 5_400
        assert "1h30m before" in header(app)
        await press(pilot, "t", "f", *"2h", "enter")
        assert app.time_range.label == "2h"


async def test_a_range_up_to_now_stays_live(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "t", "f", *"45m ago", "enter")
        assert app.live
        assert app.time_range.label == "45m"
        await press(pilot, "t", "f", *"nonsense", "enter")
        assert showing(app) == "TimeRangeModal"
        assert "type a moment such as" in frame(app)


async def test_nothing_is_changed_in_the_past(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (120, 30)) as (app, pilot):
        await press(pilot, "3", "left_square_bracket")
        client.calls.clear()
        assert "Ack" not in frame(app).splitlines()[-1]
        await press(pilot, "a")
        assert showing(app) == "AlertsView"
        assert "this is the past, which nothing changes" in frame(app)
        await press(pilot, "space", "a", "enter")
        assert asked(client, "acknowledge")


async def test_what_begins_to_fire_meanwhile_is_told_in_the_past(tmp_path: Path) -> None:
    client = FakeClient()
    first, *rest = client.all_alerts
    client.all_alerts = rest
    async with console(client, tmp_path, (120, 30)) as (app, pilot):
        app.travel(NOW - 3_000)
        await settle(pilot)
        client.all_alerts = [first, *rest]
        client.announce(Topic.ALERTS)
        await settle(pilot)
        assert "1 new alert" in header(app)
        assert app.past == NOW - 3_000


async def test_the_past_does_not_move_by_itself(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (_app, pilot):
        await press(pilot, "5", "left_square_bracket")
        client.calls.clear()
        client.add_execution("checkout", Outcome.OK)
        client.announce(Topic.EXECUTIONS, Topic.LOGS)
        await settle(pilot)
        assert not asked(client, "executions")


async def test_a_console_can_open_in_the_past(tmp_path: Path) -> None:
    client = FakeClient()
    app = TocsinApp(client, clock=client.clock, crash_log=tmp_path / "crash.log", opened_at=NOW - 125)
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        assert " PAST " in header(app)
        assert app.past == NOW - 125


async def test_an_incident_file_opens_at_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock(START + 1_000)
    store = await Store.open(tmp_path / "tocsin.db", clock)
    await store.writer.must(alert(7, started_at=START, fired_at=START + 5))
    await store.close()
    target = tmp_path / "incident.db"
    extract(tmp_path / "tocsin.db", 7, target, clock.now())
    opened: list[object] = []

    def run(_client: object, **options: object) -> int:
        opened.append(options["opened_at"])
        return 0

    monkeypatch.setattr("tui.running.run_console", run)
    assert [await asyncio.to_thread(show_file, path) for path in (target, tmp_path / "tocsin.db")] == [0, 0]
    assert opened == [START + 5, None]


async def test_marks_of_alerts_and_configurations_stand_above_a_chart(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (160, 45)) as (app, pilot):
        app.travel(NOW - 200)
        await press(pilot, "4")
        chart = app.screen.chart  # type: ignore[attr-defined]
        assert [mark.at for mark in chart._marks] == [NOW - 1_000]
        await press(pilot, "t", "2")
        fired = [NOW - 1_400, NOW - 2_500, NOW - 3_100, NOW - 3_300]
        assert sorted(mark.at for mark in chart._marks) == sorted([*fired, NOW - 1_000])
