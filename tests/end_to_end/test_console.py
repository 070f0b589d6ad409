"""The console in a real pseudo-terminal."""

from __future__ import annotations

import itertools
import re
import signal
import time
from collections.abc import Sequence

import pytest

from tests.end_to_end.support import CANARY, HOSTILE, PYTHON_TOCSIN, Place, Site, is_execution, workflow
from tests.end_to_end.terminal import Terminal
from tui.commands.console import FIRST_FRAME

PANES = ("Health", "Alerts", "Trace")
LEAVES_SCREEN = b"\x1b[?1049l"
SHOWS_CURSOR = b"\x1b[?25h"


@pytest.fixture
def shop(place: Place, site: Site) -> Place:
    place.configure(f"[{workflow('front', site.url + '/ok')}]")
    return place


def console(place: Place, *argv: str, size: tuple[int, int] = (40, 120)) -> Terminal:
    return Terminal([*PYTHON_TOCSIN, *argv, "--db", str(place.db)], place.env, size, str(place.home))


SHOWN = {
    "1": "Health",
    "2": "Priority",
    "3": "0 resolved",
    "4": "Series",
    "5": "Executions",
    "6": "Logs",
}
"""What each view, by its key, has and no other."""


def visit(terminal: Terminal, views: str, *words: str) -> None:
    """Open these views, each as soon as the one before is drawn with `words`; all that is written is kept."""
    for view in views:
        # What was drawn before does not count.
        drawn = len(terminal.text)
        terminal.send(view)
        terminal.read_until(SHOWN[view], *words, since=drawn)


def test_the_demo_shows_panes_and_q_leaves_the_terminal_as_it_was(place: Place) -> None:
    with console(place, "demo") as terminal:
        terminal.read_until(*PANES, "Checkout")
        terminal.send("qq")
        assert terminal.finish() == 0
        assert terminal.current_modes == terminal.modes
    assert LEAVES_SCREEN in terminal.output
    assert terminal.output.rfind(SHOWS_CURSOR) > terminal.output.rfind(b"\x1b[?25l")
    assert "Traceback" not in terminal.text
    place.assert_sound()


STALL = 2.5
CADENCE = 0.1
LATE = 0.3


def starts(place: Place) -> list[float]:
    rows = place.query("SELECT started_at FROM executions WHERE outcome = 'ok' ORDER BY started_at")
    return [at for (at,) in rows]


def pass_time(seconds: float) -> float:
    """Do nothing; returns the longest time for which the machine left even that undone."""
    end, worst, before = time.monotonic() + seconds, 0.0, time.monotonic()
    while before < end:
        time.sleep(0.02)
        now = time.monotonic()
        worst, before = max(worst, now - before - 0.02), now
    return worst


def greatest_gap(at: Sequence[float], since: float, until: float) -> float:
    """The longest time without a start, the edges included."""
    during = [since, *(one for one in at if since < one < until), until]
    return max(later - earlier for earlier, later in itertools.pairwise(during))


def test_a_terminal_that_stops_reading_does_not_stop_monitoring_and_is_up_to_date_when_it_goes_on(
    shop: Place,
) -> None:
    with console(shop) as terminal:
        terminal.read_until(*PANES)
        began = time.time()
        terminal.send("12345" * 40)
        # Not waiting for anything: the absence of reading is what is tested.
        stolen = pass_time(STALL)
        ended = time.time()
        terminal.clear()
        terminal.send("12")
        terminal.read_until("Priority", "front")
        terminal.send("qq")
        assert terminal.finish() == 0
    at = starts(shop)
    # The first of them wait for the first frame.
    begun = max(began, at[0])
    assert begun < began + FIRST_FRAME + LATE + stolen
    assert greatest_gap(at, begun, ended) < CADENCE + LATE + stolen
    shop.assert_sound()
    assert not list(shop.home.glob("state/**/crash.log"))


def test_a_pipe_that_nobody_reads_does_not_stop_monitoring(place: Place, site: Site) -> None:
    workflows = [workflow(f"w{number}", site.url + "/ok") for number in range(5)]
    place.configure(f"[{', '.join(workflows)}]")
    with place.start("--no-ui", "--json") as running:
        running.wait_for(is_execution, 5)
        size, read = running.narrow(), len(running.records)
        began = time.time()
        stolen = pass_time(STALL)
        ended = time.time()
        running.signal(signal.SIGTERM)
        assert running.finish() == 0
    # More than a pipe holds was waiting to be read.
    assert sum(len(str(record)) for record in running.records[read:]) > 2 * size
    rows = place.query("SELECT started_at FROM executions WHERE workflow_id = 'w0' AND outcome = 'ok'")
    assert greatest_gap(sorted(at for (at,) in rows), began, ended) < CADENCE + LATE + stolen


def test_a_stalled_terminal_does_not_survive_sigterm(shop: Place) -> None:
    with console(shop) as terminal:
        terminal.read_until(*PANES)
        terminal.send("12345" * 40)
        pass_time(1.0)
        terminal.process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        terminal.process.wait(12)
        assert time.monotonic() - asked < 10
    shop.assert_sound()


def test_hostile_text_stays_text(place: Place, site: Site) -> None:
    """Names, bodies and headers full of control sequences change nothing but letters on the screen."""
    name = HOSTILE.encode("unicode_escape").decode().replace('"', "")
    steps = (
        f'[{{id: get, http: {{url: "{site.url}/hostile"}}, expect: ["status == 200", "body == \'fine\'",'
        ' "headers.x-hostile == null"]}]'
    )
    rule = (
        f'[{{id: r, name: "{name}", conditions: [{{type: THRESHOLD, metric: workflow.status,'
        ' operator: "==", value: failed}]}]'
    )
    place.configure(
        f'[{{id: evil, name: "{name}", every: 200ms, breaker: false, retry: fast, steps: {steps}}}]', rule
    )
    with console(place) as terminal:
        terminal.read_until(*PANES, CANARY)
        visit(terminal, "23", CANARY)
        visit(terminal, "4")  # series have identifiers, not names
        visit(terminal, "51", CANARY)
        terminal.send("qq")
        assert terminal.finish() == 0
    assert_harmless(bytes(terminal.output))
    assert CANARY in place.call("--once").stdout + place.call("alerts").stdout
    for command in (("logs",), ("alerts",), ("metrics",)):
        shown = place.call(*command).stdout
        assert shown
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)


def assert_harmless(output: bytes) -> None:
    """None of the hostile sequences reached the terminal."""
    assert CANARY.encode() in output
    assert not re.search(rb"\x1b[\]P_^X][^\x07\x1b]*" + CANARY.encode(), output)
    assert b"\x1b]52;" not in output
    assert b"\x1b[66;6;6m" not in output
    text = re.sub(rb"\x1b\[[0-?]*[ -/]*[@-~]", b"", output).decode("utf-8")
    assert not re.search(r"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f-\x9f]", text)


def test_a_database_in_use_is_told_before_anything_is_drawn_or_run(shop: Place) -> None:
    with shop.start("--no-ui") as running:
        running.wait_for(is_execution)
        second = shop.run("--no-ui")
        assert (second.returncode, second.stdout) == (2, "")
        assert f"process {running.process.pid}" in second.stderr
        with console(shop) as terminal:
            assert terminal.finish() == 2
        running.signal(signal.SIGTERM)
        assert running.finish() == 0
    assert f"process {running.process.pid}" in terminal.text
    assert len(terminal.text.splitlines()) == 1
    assert terminal.output.startswith(b"tocsin: ")


def test_a_terminal_that_cannot_draw_is_told(shop: Place) -> None:
    shop.env["TERM"] = "dumb"
    with console(shop) as terminal:
        assert terminal.finish() == 2
    assert "TERM=dumb (run without it: --no-ui)" in terminal.text
    assert b"\x1b" not in terminal.output
