"""What channels of the kind `console` say: toasts, with the bell, in words that can do nothing."""

from __future__ import annotations

from pathlib import Path

from engine.model import Notice, Severity, Topic
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, settle


async def test_a_notice_is_a_toast_with_the_bell(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        rung: list[int] = []
        app.bell = lambda: rung.append(1)  # type: ignore[method-assign]
        client.notices_made.append(Notice(1, Severity.ERROR, "[ERROR] Slow", "it is [/x] slow\nvery", True))
        client.announce(Topic.NOTIFICATIONS)
        await pilot.pause(0)
        await settle(pilot)
        shown = frame(app)
        assert "[ERROR] Slow" in shown
        assert "it is [/x] slow" in shown
        client.announce(Topic.NOTIFICATIONS)
        await settle(pilot)
        assert rung == [1]
        client.notices_made.append(Notice(2, Severity.INFO, "quiet", "shh", False))
        client.announce(Topic.NOTIFICATIONS)
        await settle(pilot)
        assert rung == [1]
        assert frame(app).count("[ERROR] Slow") == 1
