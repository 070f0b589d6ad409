"""What terminals do to a console: they close, stop reading, change size, suspend it, or cannot draw."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.support import PYTHON_TOCSIN, Place, Site, is_execution, workflow
from tests.end_to_end.terminal import Terminal
from tests.end_to_end.test_console import (
    CADENCE,
    LATE,
    LEAVES_SCREEN,
    PANES,
    console,
    greatest_gap,
    starts,
    visit,
)

ENDED_WITHIN = 10.0
SUSPENDED = 1.0


@pytest.fixture
def shop(place: Place, site: Site) -> Place:
    place.configure(f"[{workflow('front', site.url + '/ok')}]")
    return place


def assert_left_well(place: Place) -> None:
    """The file is whole, and nothing broke on the way."""
    place.assert_sound()
    assert not list(place.home.glob("state/**/crash.log"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_twice_ends_it_once_and_in_order(shop: Place, number: signal.Signals) -> None:
    with console(shop) as terminal:
        terminal.read_until(*PANES)
        asked = time.monotonic()
        os.kill(terminal.process.pid, number)
        os.kill(terminal.process.pid, number)
        assert terminal.finish() == 0
        assert time.monotonic() - asked < ENDED_WITHIN
        assert terminal.current_modes == terminal.modes
    assert LEAVES_SCREEN in terminal.output
    assert "Traceback" not in terminal.text
    assert_left_well(shop)


def test_a_terminal_that_closes_lets_a_running_check_go_and_burns_nothing(place: Place, site: Site) -> None:
    place.configure(f"[{workflow('stuck', site.url + '/hang')}, {workflow('front', site.url + '/ok')}]")
    with console(place) as terminal:
        terminal.read_until(*PANES)
        assert site.hangs.wait(30)
        before = _seconds_used(terminal.process.pid)
        children = _seconds_of_children()
        closed = time.monotonic()
        terminal.hang_up()
        terminal.process.wait(ENDED_WITHIN)
        took = time.monotonic() - closed
    assert took < ENDED_WITHIN
    # What it used in all, less what it had used before: leaving, but no loop around a dead terminal.
    assert _seconds_of_children() - children - before < max(1.0, took / 2)
    assert_left_well(place)
    assert ("stuck", "interrupted") in place.query("SELECT workflow_id, outcome FROM executions")


def test_an_attached_console_ends_with_its_terminal_and_the_engine_does_not(shop: Place) -> None:
    with shop.start("--no-ui", "--json") as running:
        running.wait_for(is_execution)
        with console(shop, "attach") as terminal:
            terminal.read_until(*PANES, "front")
            terminal.hang_up()
            terminal.process.wait(ENDED_WITHIN)
        with console(shop, "attach") as terminal:
            terminal.read_until(*PANES, "front")
            terminal.send("q")  # nothing ends with it, so nothing is asked
            assert terminal.finish() == 0
        running.wait_for(is_execution, 3)
        running.signal(signal.SIGTERM)
        assert running.finish() == 0
    assert_left_well(shop)


def test_a_storm_of_sizes_is_weathered(shop: Place) -> None:
    with console(shop) as terminal:
        terminal.read_until(*PANES)
        began = time.time()
        # Every view in every size, four times.
        for step in range(100):
            terminal.resize(*((1, 1), (24, 80), (200, 300), (5, 300), (200, 10))[step % 5])
            terminal.send("12345"[(step + step // 5) % 5])
            terminal.read_for(0.01)
        terminal.resize(40, 120)
        terminal.send("1")
        terminal.clear()
        terminal.read_until(*PANES, "front", deadline=60)
        ended = time.time()
        terminal.send("qq")
        assert terminal.finish() == 0
    assert greatest_gap(starts(shop), began, ended) < CADENCE + 5 * LATE
    assert "Traceback" not in terminal.text
    assert_left_well(shop)


def test_a_suspended_console_gives_the_terminal_back_and_says_what_it_missed(shop: Place) -> None:
    with Terminal(["bash", "--norc", "-i"], {**shop.env, "PS1": "$ "}, cwd=str(shop.home)) as shell:
        shell.send(f"{' '.join(PYTHON_TOCSIN)} --db {shop.db}\n")
        shell.read_until(*PANES, "front")
        (job,) = Path(f"/proc/{shell.process.pid}/task/{shell.process.pid}/children").read_text().split()
        shell.clear()
        shell.send("\x1a")  # the engine is in this process: the key is no key
        shell.send("2")
        shell.read_until("Priority")
        os.kill(int(job), signal.SIGTSTP)
        shell.read_until("Stopped")
        assert LEAVES_SCREEN in shell.output
        # Time that passes while the process does not run is what is tested.
        time.sleep(SUSPENDED)
        shell.clear()
        shell.send("fg\n")
        shell.read_until("Priority", "front")
        shell.clear()
        shell.send("1")
        shell.read_until(*PANES)
        shell.send("qq")
        shell.read_until("$ ")
        shell.send("exit\n")
        assert shell.finish() == 0
    missed = shop.query("SELECT outcome, reason FROM executions WHERE reason LIKE 'misfire%'")
    assert missed
    assert {outcome for outcome, _ in missed} == {"skipped"}
    assert_left_well(shop)


_COLOUR = re.compile(rb"[34]8;2;(\d+);(\d+);(\d+)")
_PALETTE = re.compile(rb"[34]8;5;\d+|[34]8;2;")


def test_without_utf_8_and_without_colour_words_in_ascii_say_it_all(shop: Place) -> None:
    shop.env |= {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    shop.env |= {"NO_COLOR": "1", "COLORTERM": "truecolor"}
    with console(shop) as terminal:
        terminal.read_until(*PANES, "healthy", "front")
        visit(terminal, "2", "front")
        visit(terminal, "3456")
        terminal.send("qq")
        assert terminal.finish() == 0
    assert max(terminal.output) < 0x80
    assert b"\\u" not in terminal.output
    coloured = [match.groups() for match in _COLOUR.finditer(terminal.output) if len({*match.groups()}) > 1]
    assert not coloured


def test_sixteen_colours_are_enough(shop: Place) -> None:
    shop.env |= {"TERM": "linux"}
    shop.env.pop("COLORTERM", None)
    with console(shop) as terminal:
        terminal.read_until(*PANES, "healthy", "front")
        terminal.send("qq")
        assert terminal.finish() == 0
    assert not _PALETTE.search(terminal.output)


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_what_is_no_terminal_is_told(shop: Place, closed: str) -> None:
    with Terminal(["sleep", "60"], shop.env) as terminal:
        tty = os.open(terminal.name, os.O_RDWR | os.O_NOCTTY)
        try:
            done = subprocess.run(
                [*PYTHON_TOCSIN, "--db", str(shop.db)], cwd=shop.home, env=shop.env,
                stdin=subprocess.DEVNULL if closed == "stdin" else tty,
                stdout=subprocess.DEVNULL if closed == "stdout" else tty,
                stderr=subprocess.PIPE, text=True, timeout=30, check=False,
            )  # fmt: skip
        finally:
            os.close(tty)
    assert done.returncode == 2
    assert done.stderr == "tocsin: the console needs a terminal, and this is none (run without it: --no-ui)\n"
    assert not shop.db.exists()


def _seconds_used(pid: int) -> float:
    """CPU time of a running process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _seconds_of_children() -> float:
    """CPU time of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
