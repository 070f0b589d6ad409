"""The console as a whole: starting, leaving, crashing, themes, and a real process in a real terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from textual.app import App

from engine.errors import EngineUnavailableError
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle
from tui.app import TocsinApp
from tui.crash import write_crash_log
from tui.themes import OWN_THEMES

_ROOT = Path(__file__).parents[2]
_PROGRAM = """
import sys
from tests.tui.fakes import FakeClient
from engine.clock import SystemClock
from tui.running import run_console
client = FakeClient()
code = run_console(client)
print("left with", code, [name for name, _ in client.calls if name == "close"])
sys.exit(code)
"""


async def test_every_theme_can_be_worn(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (80, 24)) as (app, pilot):
        worn = set()
        for _ in range(len(app.available_themes)):
            await pilot.press("T")
            await pilot.pause()
            worn.add(app.theme)
        assert worn >= {theme.name for theme in OWN_THEMES}
        assert worn == set(app.available_themes)
        await settle(pilot)
        assert "Checkout" in frame(app)


async def test_no_color_keeps_words_and_glyphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with console(FakeClient(), tmp_path) as (app, _pilot):
        assert app.no_color
        assert "CRITICAL" in frame(app)


async def test_a_crash_leaves_a_sentence_and_a_private_traceback_without_locals(tmp_path: Path) -> None:
    app = TocsinApp(FakeClient(), crash_log=tmp_path / "state" / "crash.log")

    def break_down() -> None:
        password = "hunter2"
        raise ValueError(f"broken \x1b[2J after {len(password)} letters")

    async def run() -> None:
        async with app.run_test() as pilot:
            app.call_later(break_down)
            await pilot.pause()

    with pytest.raises(ValueError, match="broken"):
        await run()
    path = tmp_path / "state" / "crash.log"
    text = path.read_text(encoding="utf-8")
    assert "break_down" in text
    assert "hunter2" not in text.replace('password = "hunter2"', "")
    assert "\x1b" not in text + app.crash_sentence
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in app.crash_sentence
    assert "\n" not in app.crash_sentence


def test_a_crash_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    os.mkfifo(tmp_path / "pipe")
    assert "could not be written" in write_crash_log(tmp_path / "pipe", ValueError("broken"))
    sentence = write_crash_log(blocked / "crash.log", ValueError("broken"))
    assert "broken" in sentence
    assert "could not be written" in sentence


async def test_a_client_that_is_gone_at_the_start_does_not_stop_the_console(tmp_path: Path) -> None:
    client = FakeClient()
    client.fail_with = EngineUnavailableError("the engine did not answer")
    async with console(client, tmp_path) as (app, pilot):
        assert "the engine did not answer" in frame(app)
        await press(pilot, "2", "3", "5", "6", "1")
        assert "the engine did not answer" in frame(app)


async def test_leaving_unsubscribes(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (_app, pilot):
        assert len(client.listeners) == 1
        await pilot.press("q", "q")
    assert client.listeners == []


class Terminal:
    """A real console process in a real pseudo terminal of 100 by 30 cells."""

    def __init__(self, tmp_path: Path) -> None:
        import fcntl
        import struct
        import termios

        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        environment = os.environ | {
            "TERM": "xterm-256color", "COLORTERM": "truecolor", "HOME": str(tmp_path),
            "PYTHONPATH": str(_ROOT), "PYTHONUTF8": "1",
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=_ROOT, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.seen = b""

    def read_until(self, wanted: bytes, deadline: float = 20.0) -> None:
        """Read what the console writes until `wanted` is among it."""
        end = time.monotonic() + deadline
        while wanted not in self.seen and time.monotonic() < end:
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.master, 65_536)
                except OSError:
                    break
        assert wanted in self.seen, self.seen[-2_000:]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
        if self.master >= 0:
            os.close(self.master)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


_RESTORED = b"\x1b[?1049l"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_console_and_restores_the_terminal(terminal: Terminal, number: int) -> None:
    try:
        terminal.read_until(b"Checkout")
        terminal.process.send_signal(number)
        terminal.read_until(b"left with 0 []")
        assert _RESTORED in terminal.seen
        assert terminal.process.wait(5) == 0
    finally:
        terminal.close()


def test_q_leaves_and_restores_the_terminal(terminal: Terminal) -> None:
    try:
        terminal.read_until(b"Checkout")
        os.write(terminal.master, b"qq")
        terminal.read_until(b"left with 0 []")
        assert _RESTORED in terminal.seen
        assert terminal.process.wait(5) == 0
    finally:
        terminal.close()


def test_a_terminal_that_is_gone_ends_the_console(terminal: Terminal) -> None:
    try:
        terminal.read_until(b"Checkout")
        os.close(terminal.master)
        terminal.master = -1
        terminal.process.wait(15)
    finally:
        terminal.close()


def test_a_terminal_that_is_not_read_does_not_hold_up_the_end(terminal: Terminal) -> None:
    try:
        terminal.read_until(b"Checkout")
        for _ in range(400):
            os.write(terminal.master, b"T12345")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.process.wait(15) in (0, 128 + signal.SIGTERM)
    finally:
        terminal.close()


async def test_a_console_is_put_aside_only_where_no_engine_stands_still_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside: list[int] = []
    monkeypatch.setattr(App, "action_suspend_process", lambda app: aside.append(1))
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "ctrl+z")
        assert "the engine runs in this console" in frame(app)
    client.is_live = False
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "ctrl+z")
        assert "a console cannot be put aside" in frame(app)
        assert not aside
        monkeypatch.setattr(type(app._driver), "can_suspend", True)
        await press(pilot, "ctrl+z")
        assert aside
