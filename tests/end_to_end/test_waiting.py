"""The console over an engine that does not answer: its store is locked, its own loop stands still."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.config.loader import load_config
from engine.local import LocalClient
from tests.effort import tried
from tests.tui.harness import frame
from tui.app import TocsinApp
from tui.screens import base
from tui.screens.base import View
from tui.views import VIEWS

ANSWER = 0.05
"""Seconds in which a key has to be answered."""
STALL = float(tried(2, 5))
"""Seconds that nothing answers, at least: longer than what is waited for in silence."""
TRIES = 3
KEYS = (
    *(str(number) for number in range(1, len(VIEWS) + 1)),
    "2",
    "j",
    "k",
    "G",
    "g",
    "question_mark",
    "escape",
)
CONFIG = """
version: 1
workflows:
  - {id: pass, name: Pass, every: 200ms, steps: [{id: pass, wait: {for: 1ms}}]}
rules: []
"""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalClient]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "rules.yaml").write_text(CONFIG, encoding="utf-8")
    made = LocalClient.start(load_config(tmp_path / "rules.yaml"), tmp_path / "test.db")
    yield made
    made.close()


@contextmanager
def stalled(client: LocalClient, db: Path) -> Iterator[None]:
    """Nobody can write into the database, and the engine's loop is stuck in one call."""
    stuck, freed = threading.Event(), threading.Event()

    def block() -> None:
        stuck.set()
        freed.wait(60)

    loop = client._loop
    assert loop is not None
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        loop.call_soon_threadsafe(block)
        try:
            assert stuck.wait(10)
            yield
        finally:
            freed.set()
            connection.execute("ROLLBACK")


async def test_keys_are_answered_while_nothing_else_answers(
    client: LocalClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = TocsinApp(client, crash_log=tmp_path / "crash.log")
    async with app.run_test(size=(120, 40)) as pilot:
        await answered(pilot)
        for number in range(1, len(VIEWS) + 1):
            await pilot.press(str(number))
        calm = {key: await answer(pilot, key) for key in KEYS}
        with stalled(client, tmp_path / "test.db"):
            began = time.monotonic()
            while time.monotonic() - began < STALL:
                took = {key: await answer(pilot, key) for key in KEYS}
                # A machine that is busy with something else is as slow without the stall.
                late = {key: one for key, one in took.items() if one > max(ANSWER, 3 * calm[key])}
                assert late == {}, calm
            monkeypatch.setattr(base, "LATE", 0.0)
            assert app.view is not None
            app.view.show_vitals(app.vitals)
            await pilot.pause()
            assert "waiting for the engine: no answer for" in frame(app)
        await answered(pilot)
        monkeypatch.undo()
        app.view.show_vitals(app.vitals)
        await pilot.pause()
        assert "waiting for the engine" not in frame(app)


async def answered(pilot: Pilot[int]) -> None:
    """Until the view in front has what it asked for."""
    async with asyncio.timeout(30):
        while (view := waiting_view(pilot)) is None or view._loader.waited:
            await pilot.pause()


def waiting_view(pilot: Pilot[int]) -> View[object] | None:
    app = pilot.app
    assert isinstance(app, TocsinApp)
    return app.view


async def answer(pilot: Pilot[int], key: str) -> float:
    """Seconds until a key has been handled and all that follows from it is drawn; the best of some."""
    found = []
    for _ in range(TRIES):
        began = time.perf_counter()
        await pilot.press(key)
        found.append(time.perf_counter() - began)
    return min(found)
