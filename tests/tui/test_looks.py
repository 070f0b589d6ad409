"""What is said once is not said again, what is counted goes on counting, and keys are those that count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.content import Content

from engine.model import AlertState, LogRecord, Severity
from tests.tui.fake_data import NOW
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle
from tests.tui.hosts import Host
from tests.tui.hosts import frame as lines_of
from tests.tui.test_widgets_timeline import SINCE, alert
from tui import present
from tui.app import TocsinApp
from tui.keymap import Keymap
from tui.screens.rows import LogTable, log_row
from tui.settings import Settings
from tui.widgets.timeline import AlertTimeline


def line(message: str, workflow: str | None = "checkout") -> LogRecord:
    record = FakeClient().add_log(message)
    return replace(record, message=message, workflow_id=workflow)


@pytest.mark.parametrize("width", [80, 120])
async def test_a_message_says_whose_it_is_only_where_no_column_does(width: int) -> None:
    table = LogTable(empty=Content(""))
    said = (
        line("checkout ok in 12ms"), line("checkouts are slow"), line("checkout "), line("checkout ok", None)
    )  # fmt: skip
    async with Host(table).run_test(size=(width, 10)) as pilot:
        table.set_rows([log_row(replace(one, id=place), (), NOW) for place, one in enumerate(said)])
        await pilot.pause()
        shown = [text.strip() for text in lines_of(pilot.app)[1:5]]
        whole = "checkout         ok in 12ms" if width > 90 else "info      checkout ok in 12ms"
        assert shown[0].endswith(whole)
        assert [text.rstrip().endswith(end) for text, end in zip(
            shown[1:], ("checkouts are slow", "checkout", "checkout ok"), strict=True
        )] == [True] * 3  # fmt: skip
        assert table.shown_rows[0].cells[3].plain == "checkout ok in 12ms"


async def test_a_hit_keeps_its_place_whether_the_name_is_cut_or_not() -> None:
    table = LogTable(empty=Content(""))
    record = line("checkout failed")
    async with Host(table).run_test(size=(120, 6)):
        after, within = log_row(record, [(9, 15)], NOW), log_row(record, [(0, 5)], NOW)
        cut = table.cell(after, 3, 60)
        assert cut.plain == "failed"
        assert [(span.start, span.end) for span in cut.spans] == [(0, 6)]
        assert table.cell(within, 3, 60).plain == "checkout failed"


async def test_ages_of_alerts_go_on_between_two_fetches(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (160, 40)) as (app, pilot):
        await press(pilot, "3")
        before = frame(app)
        client.clock.jump(600)
        app.view.show_vitals(app.vitals)  # type: ignore[union-attr]
        await settle(pilot)
        after = frame(app)
        first = [text.split("│")[1].split()[-2:] for text in (before.splitlines()[3], after.splitlines()[3])]
        assert "2 m ago" in before
        assert "12 m ago" in after
        assert first[0] != first[1]


async def test_lives_and_ages_are_drawn_anew_only_when_they_differ() -> None:
    timeline = AlertTimeline()
    alerts = (alert(1, 60, Severity.CRITICAL), replace(alert(2, 2700), state=AlertState.ACKNOWLEDGED))
    async with Host(timeline).run_test(size=(80, 6)) as pilot:
        timeline.show(alerts, NOW, SINCE)
        await pilot.pause()
        drawn = [row.strip for row in timeline.shown_rows]
        timeline.count_from(NOW + 0.5)
        await pilot.pause()
        assert [row.strip for row in timeline.shown_rows] == drawn
        timeline.count_from(NOW + 60)
        await pilot.pause()
        assert " 2 m " in lines_of(pilot.app)[1]
        assert " 46 m " in lines_of(pilot.app)[2]


async def test_empty_states_and_the_footer_name_the_keys_of_a_keymap(tmp_path: Path) -> None:
    keys = Keymap({"global.range": "ctrl+t", "view.rules": "f7", "global.earlier": "less_than_sign"})
    client = FakeClient(empty=True)
    app = TocsinApp(
        client, clock=client.clock, crash_log=tmp_path / "crash.log", settings=Settings(keys=keys)
    )
    async with app.run_test(size=(160, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "5")
        assert "^t chooses a longer range" in frame(app)
        footer = frame(app).splitlines()[-1]
        assert "^t Range" in footer
        assert "<] Time" in footer
        assert "1 2 3 4 5 6 f7 8 9 Views" in footer
        assert footer.index("^t Range") < footer.index("? Help")
        await press(pilot, "8")
        assert "f7 shows the rules" in frame(app)


def test_a_success_rate_is_coloured_where_it_is_low() -> None:
    styles = [present.success(rate).spans for rate in (None, 1.0, 0.7, 0.69, 0.3)]
    assert [[span.style for span in spans] for spans in styles] == [[], [], [], ["$warning"], ["$error"]]


async def test_modals_name_and_take_the_keys_of_a_keymap(tmp_path: Path) -> None:
    keys = Keymap({
        "global.back": "f10", "global.quit": "f9", "alerts.silence": "f8",
        "lists.down": "f6", "lists.up": "f5",
    })  # fmt: skip
    client = FakeClient()
    app = TocsinApp(
        client, clock=client.clock, crash_log=tmp_path / "crash.log", settings=Settings(keys=keys)
    )
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        for opening, says in (
            ("question_mark", "f6 f5 scroll · / search · f10 back"), ("f9", "f9 leave · f10 back"),
            ("S", "f8 on an alert silences it"),
        ):  # fmt: skip
            for leaving in ("f10", "escape"):
                await press(pilot, opening)
                assert says in frame(app)
                await press(pilot, leaving)
                assert says not in frame(app)
        await press(pilot, "2", "slash", *"zz")
        assert "f10 shows all rows" in frame(app)
        await press(pilot, "f10")
        assert "f10 shows all rows" not in frame(app)
        await pilot.press("f9", "f9")
        assert app.return_value == 0


@pytest.mark.parametrize("opening", [("2", "slash"), ("6", "slash")])
async def test_the_footer_of_who_types_names_keys_that_are_no_letters(
    opening: tuple[str, ...], tmp_path: Path
) -> None:
    async with console(FakeClient(), tmp_path, (100, 30)) as (app, pilot):
        await press(pilot, *opening, "o")
        footer = frame(app).splitlines()[-1].split()
        assert footer == ["enter", "Keep", "f1", "Help", "esc", "Show", "all"]


async def test_a_console_that_only_looks_says_so(tmp_path: Path) -> None:
    client = FakeClient()
    for looks_only in (True, False):
        app = TocsinApp(client, clock=client.clock, crash_log=tmp_path / "crash.log", looks_only=looks_only)
        async with app.run_test(size=(120, 30)) as pilot:
            await settle(pilot)
            assert ("read-only" in frame(app).splitlines()[0]) is looks_only


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_the_time_is_told_with_its_zone(size: tuple[int, int], tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, size) as (app, _pilot):
        assert frame(app).splitlines()[0].rstrip().endswith(f":00 {present.zone_text()}")
