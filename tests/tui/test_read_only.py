"""A console that only looks: no key, no palette and no door changes anything."""

from __future__ import annotations

from inspect import iscoroutinefunction
from pathlib import Path

import pytest
from textual.binding import Binding

from engine.client import EngineClient
from tests.tui.fakes import FakeClient
from tests.tui.harness import frame, press, settle, showing
from tui.actions import MUTATING, bindings
from tui.app import TocsinApp
from tui.modals.help import help_text
from tui.palette import offered
from tui.read_only import READS, ReadOnlyError, read_only
from tui.screens.base import View

_WRITES = {
    "acknowledge", "resolve", "silence", "expire_silence", "run_now", "set_paused", "reload", "reset_breaker",
    "retry_notification", "note", "try_channel", "maintain", "end_maintenance",
}  # fmt: skip


def _methods() -> set[str]:
    return {name for name in dir(EngineClient) if not name.startswith("_")}


def test_everything_the_engine_can_be_asked_is_known_as_a_read_or_a_change() -> None:
    assert _methods() == READS | _WRITES
    assert not READS & _WRITES


@pytest.mark.parametrize("name", sorted(_methods() - READS))
async def test_what_is_no_read_never_reaches_the_engine(name: str) -> None:
    client = FakeClient()
    with pytest.raises(ReadOnlyError, match="read-only"):
        await getattr(read_only(client), name)("x", 1, y=2)
    assert client.calls == []


async def test_reads_pass(tmp_path: Path) -> None:
    door = read_only(FakeClient())
    assert len(await door.alerts()) > 0
    assert all(iscoroutinefunction(getattr(FakeClient, name)) for name in READS - {"subscribe", "close"})


async def test_no_view_offers_what_would_change_something(tmp_path: Path) -> None:
    client = FakeClient()
    app = TocsinApp(client, crash_log=tmp_path / "crash.log", looks_only=True)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await settle(pilot)
        for place, way in enumerate(
            (("1", "g"), ("2", "g", "j"), ("2", "enter"), ("3",), ("5",), ("enter",), ("6",))
        ):
            await press(pilot, *way)
            screen = app.screen
            assert isinstance(screen, View)
            assert not {action.id for action in offered(screen)} & MUTATING, place
            keys = [one for one in bindings(screen.SCOPE) if isinstance(one, Binding) and one.id in MUTATING]
            for binding in keys:
                await press(pilot, binding.key.split(",")[0])
                assert app.screen is screen, binding.id
        assert "this console is read-only" in frame(app)
        assert "Ack" not in frame(app)
        assert not {name for name, _ in client.calls} & _WRITES


async def test_the_usual_console_changes_what_it_is_asked_to(tmp_path: Path) -> None:
    client = FakeClient()
    app = TocsinApp(client, crash_log=tmp_path / "crash.log")
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "3", "a")
        assert showing(app) == "NoteModal"
        assert "Ack" in help_text().plain
