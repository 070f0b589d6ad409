"""View 8: what channels were told, what waits, what was given up and is tried once more."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model import NotificationState
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle
from tui.screens.told_text import channels_text, next_text
from tui.widgets.row_table import RowTable

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ud800-\udfff]")


async def test_channels_in_trouble_come_first_and_rows_have_their_receipts(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (200, 40)) as (app, pilot):
        await press(pilot, "8")
        text = frame(app)
        places = [text.index(words) for words in ("✗ pager", "◌ mail", "✓ ops")]
        assert places == sorted(places)
        assert "0 told · 1 given up  HTTP 410 gone" in text
        assert "3 told · p50 60 ms · last 58 s ago" in text
        assert "Outbox · 6, newest first · 1 given up" in text
        assert "In the same message · 1" in text
        assert "15:59:02  58 s ago  took 40 ms" in text
        assert "second line" in text
        (line,) = [line for line in text.splitlines() if "◌ queued" in line]
        assert re.search(r"fired +3 in 40 s +– +4 m", line)
        await press(pilot, "G")
        assert "Instead of  pager" in frame(app)
        assert "Group       rule=slow" in frame(app)


async def test_only_what_was_given_up_is_tried_once_more(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "8", "R")
        assert "retry_notification" not in {name for name, _ in client.calls}
        assert "only what was given up can be tried once more" in frame(app)
        await press(pilot, "f")
        assert app.screen.query_one("#notifications", RowTable).row_count == 1
        assert "R tries it once more" in frame(app)
        await press(pilot, "R")
        assert ("retry_notification", "3:fired:pager") in client.calls
        assert "queued for pager once more" in frame(app)
        assert "nothing was given up" in frame(app)
        await press(pilot, "f")
        assert app.screen.query_one("#notifications", RowTable).row_count == 6


async def test_a_message_leads_to_its_alert_which_stays_while_the_cursor_is_on_it(tmp_path: Path) -> None:
    client = FakeClient()
    row = client.told()[0]
    old = replace(client.all_alerts[-1], id=row.alert_id, resolved_at=1.0, started_at=0.0)
    client.all_alerts = [one for one in client.all_alerts if one.id != row.alert_id]
    listed = client.all_alerts[:]
    asked = client.alerts

    async def alerts(**wanted: object) -> object:
        return tuple(one for one in await asked(**wanted) if one.id != row.alert_id)  # type: ignore[arg-type]

    client.alerts = alerts  # type: ignore[assignment, method-assign]
    client.all_alerts = [*listed, old]
    async with console(client, tmp_path, (120, 40)) as (app, pilot):
        await press(pilot, "8")
        assert "■ Alert 1" in frame(app)
        await press(pilot, "A")
        timeline = app.screen.query_one("#timeline", RowTable)
        assert timeline.cursor_key == str(row.alert_id)
        app.screen.reload()  # type: ignore[attr-defined]
        await settle(pilot)
        assert timeline.cursor_key == str(row.alert_id)
        client.all_alerts = listed
        app.screen.reload()  # type: ignore[attr-defined]
        await settle(pilot)
        assert timeline.cursor_key != str(row.alert_id)
        await press(pilot, "8", "A")
        assert f"no alert {row.alert_id}" in frame(app)


async def test_what_waits_for_the_rate_limit_says_so_and_is_no_trouble(tmp_path: Path) -> None:
    client = FakeClient()
    why = "more than 1 message a minute, it leaves with others"
    held = replace(client.told()[3], tries=0, error=why)
    client.told = lambda: (held,)
    async with console(client, tmp_path, (160, 40)) as (app, pilot):
        await press(pilot, "8")
        assert "✓ mail" in frame(app)
        assert f"Reason      {why}" in frame(app)
        assert "Last error" not in frame(app)


async def test_nobody_told_is_said(tmp_path: Path) -> None:
    async with console(FakeClient(empty=True), tmp_path) as (app, pilot):
        await press(pilot, "8")
        assert "nobody has been told of anything yet" in frame(app)
        assert "no channel has been told of anything" in frame(app)
        assert "no notification is selected" in frame(app)


async def test_what_came_after_a_pause_is_not_shown(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "8", "space")
        client.clock.jump(300.0)
        await press(pilot, "1", "8")
        # The stand-in's rows move with its clock: those of the last five minutes are yet to come.
        assert app.screen.query_one("#notifications", RowTable).row_count == 2


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (200, 60)])
async def test_it_stands_at_every_size(size: tuple[int, int], tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, size) as (app, pilot):
        for key in ("7", "8"):
            await press(pilot, key)
            assert app.screen.focused is not None
            assert app.screen.focused.region.height > 1


async def test_hostile_notifications_are_shown_as_text(tmp_path: Path) -> None:
    async with console(FakeClient(hostile=True), tmp_path, (120, 40)) as (app, pilot):
        await press(pilot, "8")
        for key in ("j", "j", "j", "j", "j", "z"):
            for line in frame(app).split("\n"):
                assert not _CONTROL.search(line), ascii(line)
            await press(pilot, key)
        assert not app.crash_sentence


async def test_many_channels_are_counted() -> None:
    client = FakeClient()
    rows = await client.notifications()
    many = [replace(row, channel=f"c{number}") for number, row in enumerate(rows)]
    assert channels_text(many, 0.0).plain.endswith("and 2 more channels")
    due = next(row for row in rows if row.state is NotificationState.QUEUED)
    assert next_text(due, due.next_at) == "now"
