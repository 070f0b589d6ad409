"""The header never shows what it does not know: of an engine that is gone, or a file that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import EngineUnavailableError, StoreError
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, settle
from tui.present import MUTED
from tui.widgets.status_bar import StatusBar


async def test_the_health_of_an_engine_that_is_gone_is_unknown_and_its_alerts_are_grey(
    tmp_path: Path,
) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (120, 30)) as (app, pilot):
        assert "degraded" in frame(app).splitlines()[0]
        client.is_live = False
        app._vitals_loader.request(urgent=True)
        await settle(pilot)
        head = app.screen.query_one(StatusBar).render()
        assert "no engine is running" in head.plain
        assert "health unknown" in head.plain
        assert "degraded" not in frame(app)
        assert any(
            span.style == MUTED and "crit" in head.plain[span.start : span.end].casefold()
            for span in head.spans
        ), head


async def test_of_an_engine_that_does_not_answer_nothing_is_said(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (120, 30)) as (app, pilot):
        client.fail_with = EngineUnavailableError("the engine is gone")
        app._vitals_loader.request(urgent=True)
        await settle(pilot)
        head = app.screen.query_one(StatusBar).render().plain
        assert "no word from the engine" in head
        assert "degraded" not in head
        assert "crit" not in head.casefold()


@pytest.mark.parametrize(
    ("piece", "stays", "gone"), [("alerts", "degraded", "crit"), ("health", "crit", "degraded")]
)
async def test_a_piece_that_cannot_be_read_takes_no_other_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: str, stays: str, gone: str
) -> None:
    client = FakeClient()

    async def fail(*_: object, **__: object) -> None:
        raise StoreError("the database cannot be read")

    async with console(client, tmp_path, (120, 30)) as (app, pilot):
        monkeypatch.setattr(client, piece, fail)
        app._alert_news += 1
        app._vitals_loader.request(urgent=True)
        await settle(pilot)
        head, notice = frame(app).splitlines()[:2]
        assert stays in head.casefold()
        assert f"{piece} unknown" in head
        assert gone not in head.casefold()
        assert "the database cannot be read" in notice
