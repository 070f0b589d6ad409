"""The console in a real terminal in front of a big store, while its engine runs 20 executions a second.

The store has 1,000,000 log lines, 200,000 executions, 10,000 alerts and 1,000 workflows. The time of a key is
from its writing into the terminal to the frame that has moved the cursor; that of a view, to the name of its
first pane. `python -m benchmarks.bench_console --minutes 30` watches memory and CPU time instead, while views
are switched.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textual.color import Color

from benchmarks import big_store, server
from benchmarks.many import write_config
from engine.lines import table
from tests.end_to_end.terminal import Terminal
from tui.themes import DARK

FIGURES = (
    "big_first_frame_s",
    "key_to_frame_p95_ms",
    "view_switch_p95_ms",
    "idle_cpu_percent",
    "rss_mb",
)
SIZE = (45, 160)
EVERY = big_store.WORKFLOWS / big_store.PER_SECOND
READY = "Workflow shop-1"
TITLES = {"1": "Health", "2": "Workflows", "3": "Alerts", "4": "Series", "5": "Executions", "6": "Logs"}
LISTS = "1235"
# The background of a list's cursor in the dark theme, as a terminal with true colours is told of it.
CURSOR = ";".join(map(str, (48, 2, *Color.parse(DARK.variables["block-cursor-background"]).rgb)))
KEYS_EACH = 40
ROUNDS = 5
# What is overdue at the start runs at once, and a silence follows: who ran twice is back at its pace.
WARM_UP = 2 * EVERY
IDLE = 20.0
DEADLINE = 5.0

Figure = dict[str, Any]


def run() -> list[Figure]:
    """All figures; about five minutes, 15 s of which make the store."""
    with tempfile.TemporaryDirectory() as directory, server.running() as url:
        place = Path(directory)
        big_store.build(place / "tocsin.db", time.time())
        write_config(place, url, f"every: {EVERY:g}s", big_store.names())
        # The disk is still busy with the store.
        os.sync()
        first = min(_first_frame(place) for _ in range(3))
        with console(place) as terminal:
            terminal.read_until("Health", READY)
            keys = {view: _keys(terminal, view) for view in LISTS}
            switches = _switches(terminal)
            press(terminal, "1", TITLES["1"])
            terminal.read_for(WARM_UP)
            idle = _cpu_while_idle(terminal, IDLE)
            memory = resident(terminal.process.pid)
        alone = _cpu_alone(place)
    every = sorted(seconds for found in keys.values() for seconds in found)
    told = ", ".join(f"view {view} {percentile(found, 0.95) * 1e3:.0f}" for view, found in keys.items())
    medians = ", ".join(f"{view} {statistics.median(found) * 1e3:.0f}" for view, found in switches.items())
    changed = [seconds for found in switches.values() for seconds in found]
    return [
        _figure("big_first_frame_s", first, "s", 1.5, "from the start to all panes with their workflows"),
        _figure("key_to_frame_p95_ms", percentile(every, 0.95) * 1e3, "ms", 16, f"{len(every)} keys: {told}"),
        _figure("view_switch_p95_ms", percentile(changed, 0.95) * 1e3, "ms", 50, f"medians: {medians}"),
        _figure("idle_cpu_percent", idle * 100, "%", 5, f"with its engine; without a console {alone:.1%}"),
        _figure("rss_mb", memory / 1e6, "MB", 150, "after all of this, its engine included"),
    ]


def watch(minutes: float) -> int:
    """Switch views for so long, and tell every minute what it takes; 0 when memory is flat."""
    samples: list[float] = []
    with tempfile.TemporaryDirectory() as directory, server.running() as url:
        place = Path(directory)
        big_store.build(place / "tocsin.db", time.time())
        write_config(place, url, f"every: {EVERY:g}s", big_store.names())
        with console(place) as terminal:
            terminal.read_until("Health", READY)
            end = time.monotonic() + minutes * 60
            while time.monotonic() < end:
                used = _cpu_while_idle(terminal, 30.0)
                # From the first view, which is in front, once around.
                for view in (*list(TITLES)[1:], "1"):
                    press(terminal, view, TITLES[view])
                    terminal.read_for(5.0)
                terminal.clear()
                samples.append(resident(terminal.process.pid) / 1e6)
                print(f"{len(samples):4} min  {samples[-1]:6.1f} MB  {used:6.1%} CPU while idle", flush=True)
    half = len(samples) // 2
    before, after = max(samples[: half or 1]), max(samples[half:])
    print(
        "\n".join(table(("HALF", "LARGEST"), [("first", f"{before:.1f} MB"), ("second", f"{after:.1f} MB")]))
    )
    return int(after > before * 1.05)


@contextmanager
def console(place: Path, *options: str) -> Iterator[Terminal]:
    """The console on the store in `place`; killed at the end."""
    argv = [
        sys.executable,
        "-m",
        "tui.cli",
        "--config",
        str(place / "rules.yaml"),
        "--db",
        str(place / "tocsin.db"),
    ]
    state = str(place)
    # What is installed is compiled; here, the first run does it.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env = {
        **inherited, "XDG_STATE_HOME": state, "XDG_RUNTIME_DIR": state, "XDG_CONFIG_HOME": state,
        "TERM": "xterm-256color", "COLORTERM": "truecolor",
    }  # fmt: skip
    with Terminal([*argv, *options], env, SIZE) as terminal:
        yield terminal


def press(terminal: Terminal, key: str, marker: str) -> float:
    """Type a key; returns the seconds until `marker` is written. Raises TimeoutError."""
    terminal.read_for(0.0)
    expected = re.compile(marker.encode())
    written = len(terminal.output)
    began = time.perf_counter()
    terminal.send(key)
    while not expected.search(terminal.output, written):
        terminal.read_some(DEADLINE)
        if time.perf_counter() - began > DEADLINE:
            raise TimeoutError(f"no {marker} within {DEADLINE:.0f} s of the key {key}")
    return time.perf_counter() - began


def _keys(terminal: Terminal, view: str) -> list[float]:
    press(terminal, view, TITLES[view]) if view != "1" else None
    terminal.read_for(1.0)
    found = []
    for number in range(KEYS_EACH):
        found.append(press(terminal, "k" if number % 8 == 7 else "j", CURSOR))
        terminal.read_for(0.05 + number % 7 * 0.01)
    return found


def _switches(terminal: Terminal) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {view: [] for view in TITLES}
    # The key of the view that is in front draws nothing.
    terminal.send(list(TITLES)[-1])
    terminal.read_for(1.0)
    for number in range(ROUNDS + 1):
        for view, title in TITLES.items():
            took = press(terminal, view, title)
            # The first time, the view is made.
            if number:
                found[view].append(took)
            terminal.read_for(0.4)
    return found


def _first_frame(place: Path) -> float:
    with console(place) as terminal:
        elapsed = terminal.read_until("Health", "Alerts", "Trace", READY)
        terminal.send("qq")
        terminal.finish()
    return elapsed


def _cpu_alone(place: Path) -> float:
    with console(place, "--no-ui") as terminal:
        terminal.read_for(WARM_UP)
        return _cpu_while_idle(terminal, IDLE)


def _cpu_while_idle(terminal: Terminal, seconds: float) -> float:
    """The share of a core that it takes while nobody presses a key."""
    before, began = cpu(terminal.process.pid), time.monotonic()
    terminal.read_for(seconds)
    return (cpu(terminal.process.pid) - before) / (time.monotonic() - began)


def cpu(pid: int) -> float:
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Bytes that a process has in memory."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[max(round(len(values) * share) - 1, 0)]


def _figure(name: str, value: float, unit: str, goal: float, against: str) -> Figure:
    return {"name": name, "value": round(value, 2), "unit": unit, "goal": goal, "against": against}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_console", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="how long to watch (default: %(default)s)"
    )
    sys.exit(watch(parser.parse_args().minutes))
