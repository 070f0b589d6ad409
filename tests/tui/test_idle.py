"""What is drawn and fetched while nobody presses a key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.model import AlertState, Severity, Topic
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, settle
from tui.screens.dashboard import DashboardView
from tui.widgets.chart_pair import BUCKETS, clock_steps


async def test_an_alert_is_shown_at_once_and_a_number_with_the_next_second(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        client.score = 71.0
        client.announce(Topic.HEALTH)
        await settle(pilot)
        assert "82" in frame(app).splitlines()[0]
        fired = replace(client.all_alerts[0], id=999, severity=Severity.CRITICAL, state=AlertState.FIRING)
        before = frame(app).splitlines()[0]
        client.all_alerts.append(fired)
        client.announce(Topic.ALERTS)
        await settle(pilot)
        assert frame(app).splitlines()[0] != before
        assert "71" in frame(app).splitlines()[0]
        client.score = 64.0
        client.announce(Topic.HEALTH)
        await settle(pilot)
        app._tick()
        await settle(pilot)
        assert "64" in frame(app).splitlines()[0]


async def test_open_alerts_are_asked_for_when_there_is_news_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, asked = FakeClient(), list[bool]()
    alerts = client.alerts

    async def noted(**wanted: object) -> object:
        asked.append("states" in wanted)
        return await alerts(**wanted)  # type: ignore[arg-type]

    async with console(client, tmp_path) as (app, pilot):
        monkeypatch.setattr(client, "alerts", noted)
        for topic, expected in ((Topic.HEALTH, 0), (Topic.ALERTS, 1), (Topic.ENGINE, 0)):
            asked.clear()
            client.announce(topic)
            await settle(pilot)
            assert sum(asked) == expected
        client.all_alerts.clear()
        for _ in range(5):
            app._tick()
        await settle(pilot)
        assert app.vitals is not None
        assert app.vitals.open_alerts == ()


async def test_between_two_sums_only_alerts_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, asked = FakeClient(), list[str]()
    alerts, workflows = client.alerts, client.workflows

    async def noted_alerts(**wanted: object) -> object:
        asked.append("alerts")
        return await alerts(**wanted)  # type: ignore[arg-type]

    async def noted_workflows(*wanted: float) -> object:
        asked.append("workflows")
        return await workflows(*wanted)

    async with console(client, tmp_path) as (app, pilot):
        view = app.view
        assert isinstance(view, DashboardView)
        monkeypatch.setattr(client, "alerts", noted_alerts)
        monkeypatch.setattr(client, "workflows", noted_workflows)
        for due, topic, expected in (
            (float("inf"), Topic.EXECUTIONS, []),
            (float("inf"), Topic.ALERTS, ["alerts"]),
            (0.0, Topic.EXECUTIONS, ["workflows", "alerts"]),
        ):
            asked.clear()
            view._sums_due = due
            view.topics_changed(frozenset({topic}))
            await settle(pilot)
            assert asked == expected


@pytest.mark.parametrize("seconds", [900.0, 3_600.0, 86_400.0])
def test_parts_of_a_range_begin_where_they_began_before(seconds: float) -> None:
    width = seconds / BUCKETS
    edges = set()
    for passed in (0.0, width / 4, width / 2):
        until = 1_800_000_000.0 + width / 8 + passed
        since, end, count = clock_steps(until - seconds, until)
        assert since <= until - seconds < since + width
        assert end - width < until <= end
        assert (end - since) / count == width
        edges.add((since, end, count))
    assert len(edges) == 1
