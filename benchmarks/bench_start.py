"""How long a person waits: for help, and for the first full frame of the console."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from tests.end_to_end.terminal import Terminal

FIGURES = ("help_ms", "first_frame_s")
HELP_GOAL_MS = 250
FIRST_FRAME_GOAL_S = 1.5
REPEATS = 5
PANES = ("Health", "Alerts", "Trace")


def run() -> list[dict[str, Any]]:
    """Best of five for help, best of three for the console: what the machine can do, not its noise."""
    return [
        {
            "name": "help_ms",
            "value": round(min(_help() for _ in range(REPEATS)) * 1000, 1),
            "unit": "ms",
            "goal": HELP_GOAL_MS,
            "against": f"python -c pass: {min(_bare() for _ in range(REPEATS)) * 1000:.0f} ms",
        },
        {
            "name": "first_frame_s",
            "value": round(min(_first_frame() for _ in range(3)), 2),
            "unit": "s",
            "goal": FIRST_FRAME_GOAL_S,
            "against": "from the start of tocsin demo to all panes drawn",
        },
    ]


def _timed(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _help() -> float:
    return _timed("-m", "tui.cli", "--help")


def _bare() -> float:
    return _timed("-c", "pass")


def _first_frame() -> float:
    with tempfile.TemporaryDirectory() as state:
        env = {**os.environ, "XDG_STATE_HOME": state, "XDG_RUNTIME_DIR": state, "TERM": "xterm-256color"}
        with Terminal([sys.executable, "-m", "tui.cli", "demo"], env) as terminal:
            elapsed = terminal.read_until(*PANES)
            terminal.send("q")
            terminal.finish()
    return elapsed
