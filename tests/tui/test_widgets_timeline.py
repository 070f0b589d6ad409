"""The alert timeline: what is open first, the worst of it on top, with its life against the range."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len

from engine.model import Alert, AlertState, Severity
from tests.tui.fake_data import HOSTILE, NOW
from tests.tui.hosts import Ear, Host, frame, is_safe
from tui.widgets.timeline import AlertTimeline

SINCE = NOW - 3600


def alert(id: int, age: float, severity: Severity = Severity.ERROR) -> Alert:
    return Alert(
        id, f"r|{id}", "r", "Slow response", f"subject-{id}", severity, AlertState.FIRING, "m", NOW - age, NOW
    )


ALERTS = (
    replace(alert(1, 7200), state=AlertState.ACKNOWLEDGED, acked_by="ann"),
    replace(
        alert(2, 2700, Severity.WARNING),
        state=AlertState.RESOLVED,
        resolved_at=NOW - 900,
        resolved_by="recovery",
    ),
    alert(3, 60, Severity.CRITICAL),
)


@pytest.mark.parametrize("width", [40, 60, 80, 160])
async def test_rows(width: int) -> None:
    timeline = AlertTimeline()
    app = Host(timeline)
    async with app.run_test(size=(width, 8)) as pilot:
        timeline.show(ALERTS, NOW, SINCE)
        await pilot.pause()
        lines = frame(app)
        assert {cell_len(line) for line in lines} == {width}
        assert [
            word in line for word, line in zip(("CRITICAL", "ERROR", "WARNING"), lines[1:], strict=False)
        ] == [True] * 3
        assert [age in line for age, line in zip((" 1 m", " 2 h", "45 m"), lines[1:], strict=False)] == [
            True
        ] * 3
        assert ("firing" in lines[1]) is (width >= 48)
        assert ("now" in lines[0]) is (width >= 72)
        assert ("ann" in lines[2]) is (width >= 90)
        assert "subject-3 · Slow" in lines[1]
        assert [mark in line for mark, line in zip("◉◐✓", lines[1:], strict=False)] == [True] * 3


async def test_what_is_open_comes_first_and_the_worst_of_it_on_top() -> None:
    pending = replace(alert(5, 1, Severity.CRITICAL), state=AlertState.PENDING)
    over = replace(alert(6, 5, Severity.CRITICAL), state=AlertState.RESOLVED, resolved_at=NOW)
    timeline = AlertTimeline()
    async with Host(timeline).run_test(size=(80, 12)) as pilot:
        timeline.show((over, pending, *ALERTS, alert(4, 30, Severity.WARNING)), NOW, SINCE)
        timeline.focus()
        order = [timeline.cursor_key]
        for _ in range(5):
            await pilot.press("j")
            order.append(timeline.cursor_key)
        assert order == ["3", "1", "4", "5", "6", "2"]


async def test_an_untouched_cursor_stays_on_the_worst_until_it_is_taken() -> None:
    timeline, other = AlertTimeline(), AlertTimeline()
    worse = tuple(alert(number, 9, Severity.CRITICAL) for number in range(10, 30))
    async with Host(timeline, other).run_test(size=(80, 12)) as pilot:
        other.focus()
        await pilot.pause()
        timeline.show(ALERTS, NOW, SINCE)
        timeline.show((*ALERTS, *worse), NOW, SINCE)
        await pilot.pause()
        assert timeline.cursor_key == "29"
        assert timeline.scroll_offset.y == 0
        timeline.focus()
        await pilot.press("j")
        other.focus()
        await pilot.pause()
        timeline.show((*ALERTS, *worse, alert(40, 8, Severity.CRITICAL)), NOW, SINCE)
        assert timeline.cursor_key == "28"
        timeline.release()
        assert timeline.cursor_key == "40"


async def test_life_bars_lie_on_the_range() -> None:
    timeline = AlertTimeline()
    app = Host(timeline)
    async with app.run_test(size=(160, 8)) as pilot:
        timeline.show(ALERTS, NOW, SINCE)
        await pilot.pause()
        left = frame(app)[2].index("◂")
        fresh, old, resolved = (line[left:] for line in frame(app)[1:4])
        width = len(old.rstrip())
        assert old.rstrip() == "◂" + "━" * (width - 2) + "▸"
        assert fresh.rstrip().lstrip("·") in ("▸", "━▸")
        assert abs(resolved.index("━") - width / 4) <= 1
        assert abs(resolved.rindex("━") + 1 - width * 3 / 4) <= 1


async def test_bars_move_when_only_the_time_does() -> None:
    timeline = AlertTimeline()
    app = Host(timeline)
    async with app.run_test(size=(160, 8)) as pilot:
        timeline.show(ALERTS, NOW, SINCE)
        await pilot.pause()
        before = frame(app)[3]
        timeline.show(ALERTS, NOW, NOW - 36_000)
        await pilot.pause()
        assert frame(app)[3] != before


async def test_messages_name_the_alert() -> None:
    timeline, ear = AlertTimeline(), Ear()
    async with Host(timeline).run_test(size=(80, 8), message_hook=ear) as pilot:
        timeline.focus()
        timeline.show(ALERTS, NOW, SINCE)
        await pilot.press("j", "enter")
        timeline.show([], NOW, SINCE)
        await pilot.pause()
        assert [message.alert_id for message in ear.of(AlertTimeline.Highlighted)] == [3, 1, None]
        assert [message.alert_id for message in ear.of(AlertTimeline.Selected)] == [1]
        assert timeline.cursor_alert is None


async def test_the_cursor_stays_with_its_alert() -> None:
    timeline = AlertTimeline()
    async with Host(timeline).run_test(size=(80, 8)) as pilot:
        timeline.show(ALERTS, NOW, SINCE)
        timeline.move_to("1")
        timeline.show((*ALERTS, alert(4, 1)), NOW, SINCE)
        await pilot.pause()
        assert timeline.cursor_alert is ALERTS[0]


async def test_hostile_alerts_are_harmless() -> None:
    timeline = AlertTimeline()
    app = Host(timeline)
    alerts = [
        replace(
            alert(number, number), rule_name=text, subject=text, state=AlertState.ACKNOWLEDGED, acked_by=text
        )
        for number, text in enumerate(HOSTILE)
    ]
    async with app.run_test(size=(160, 12)) as pilot:
        timeline.show(alerts, NOW, SINCE)
        await pilot.pause()
        assert is_safe(frame(app))
        assert {cell_len(line) for line in frame(app)} == {160}


async def test_empty_says_so() -> None:
    timeline = AlertTimeline()
    app = Host(timeline)
    async with app.run_test(size=(60, 5)) as pilot:
        timeline.show([], NOW, NOW)
        await pilot.pause()
        assert any("no alerts in this range" in line for line in frame(app))
