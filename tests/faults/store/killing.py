"""Ends processes by kill -9 at the steps of some work: before each change of a file and each SQL statement.

Run as a program with the name of the work, a directory to begin with, a directory for the outcomes and how
many steps to try. Each outcome is a copy of the beginning on which the work was cut short.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.store.backup import back_up, restore
from engine.store.incident import extract
from engine.store.opening import make_ready
from engine.store.upkeep import vacuum
from tests.engine.store.samples import START

# More steps find rarer moments: TOCSIN_KILL_STEPS=10000 takes all of them.
STEPS = int(os.environ.get("TOCSIN_KILL_STEPS", "16"))
DB = "tocsin.db"
LATER = START + 60
ALERT = 7
_CHANGES = frozenset({"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"})


def export_logs(place: Path) -> None:
    from tui.cli import main

    assert main(["export", "logs", str(place / "logs.ndjson"), "--db", str(place / DB)]) == 0


WORKS: dict[str, Callable[[Path], object]] = {
    "start": lambda place: make_ready(place / DB, LATER),
    "back up": lambda place: back_up(place / DB, LATER),
    "restore": lambda place: restore(place / DB, place / "copy.db", LATER),
    "incident": lambda place: extract(place / DB, ALERT, place / "seven.db", LATER),
    "export": export_logs,
    "vacuum": lambda place: vacuum(place / DB),
}


def cut_short(work: str, beginning: Path, outcomes: Path, steps: int = STEPS) -> list[Path]:
    """Copies of `beginning` on which `work` was killed, each at another step."""
    command = [sys.executable, "-m", __name__, work, str(beginning), str(outcomes), str(steps)]
    subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)
    found = sorted(outcomes.iterdir())
    assert found
    return found


class Steps:
    """Hears of the steps that this process takes in `place`, and ends it before the one with a number."""

    def __init__(self, place: Path, fatal: int) -> None:
        self.kinds: list[str] = []
        self._place = str(place)
        self._fatal = fatal
        self._connect: Callable[..., sqlite3.Connection] = sqlite3.connect
        self._sync = os.fsync
        sqlite3.connect = self._connected  # type: ignore[assignment]
        os.fsync = self._synced  # type: ignore[assignment]
        sys.addaudithook(self._heard)

    def _connected(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = self._connect(*arguments, **options)
        connection.set_trace_callback(lambda _: self._step("sql"))
        return connection

    def _synced(self, file: Any) -> None:
        self._step("fsync")
        self._sync(file)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES and str(arguments[0]).startswith(self._place):
            self._step(event)

    def _step(self, kind: str) -> None:
        self.kinds.append(kind)
        if len(self.kinds) == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def _run(work: str, beginning: Path, place: Path, fatal: int) -> list[str]:
    """Do the work on a copy of `beginning` in a child; returns its steps when it came to the end."""
    shutil.copytree(beginning, place)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            steps = Steps(place, fatal)
            WORKS[work](place)
            os.write(writing, json.dumps(steps.kinds).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == (-signal.SIGKILL if fatal else 0), f"{work}, step {fatal}: ended with {status}"
    kinds: list[str] = json.loads(told or b"[]")
    return kinds


def _choose(kinds: list[str], count: int) -> list[int]:
    """Numbers of steps: the last that change files, and any others."""
    telling = [number for number, kind in enumerate(kinds, 1) if kind != "sql"]
    last = telling[-count // 2 :]
    others = sorted(set(range(1, len(kinds) + 1)) - set(last))
    return sorted(last + random.Random(7).sample(others, min(len(others), count - len(last))))


def main(work: str, beginning: str, outcomes: str, count: str) -> None:
    place = Path(outcomes)
    place.mkdir()
    whole = place / "whole"
    kinds = _run(work, Path(beginning), whole, 0)
    shutil.rmtree(whole)
    for number in _choose(kinds, int(count)):
        _run(work, Path(beginning), place / f"{number:05d}-{kinds[number - 1]}", number)


if __name__ == "__main__":
    main(*sys.argv[1:])
