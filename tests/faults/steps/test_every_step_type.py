"""Every step type on its bad days: classified, in time, the engine unhurt, and nothing left of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from engine.workflows.steps import STEP_KINDS
from engine.workflows.steps.base import Reply
from engine.workflows.steps.wait import WaitStep
from tests.faults.steps.carrying import Case, Given, carry_out, complaints, endured
from tests.faults.steps.cases import CASES, ROWS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_a_bad_day_is_an_outcome_and_leaves_nothing(
    case: Case, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await endured(case, tmp_path) == []
    # A library that speaks to the terminal would paint over the console.
    assert capfd.readouterr() == ("", "")


def test_no_step_type_and_no_row_is_left_out() -> None:
    assert {case.kind for case in CASES} == set(STEP_KINDS)
    assert set(ROWS) == set(STEP_KINDS)
    seen = {kind: {row for case in CASES if case.kind == kind for row in case.rows} for kind in STEP_KINDS}
    assert {kind: rows - seen[kind] for kind, rows in ROWS.items() if rows - seen[kind]} == {}


def test_each_case_has_a_name_of_its_own() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


Leak = Callable[[Path], contextlib.AbstractContextManager[object]]


@contextlib.contextmanager
def _task(place: Path) -> Iterator[None]:
    task = asyncio.ensure_future(asyncio.Event().wait())
    yield
    task.cancel()


@contextlib.contextmanager
def _thread(place: Path) -> Iterator[None]:
    over = threading.Event()
    threading.Thread(target=over.wait).start()
    yield
    over.set()


@contextlib.contextmanager
def _child(place: Path) -> Iterator[None]:
    with subprocess.Popen(["sleep", "60"]) as child:
        (place / str(child.pid)).touch()
        yield
        child.kill()


@pytest.mark.parametrize(
    ("leak", "told"),
    [
        (_task, "left after the runs"),
        (lambda _: socket.socket(), "left at the end"),
        (_thread, "left at the end"),
        (_child, "processes live on"),
    ],
)
async def test_what_is_left_would_be_noticed(
    leak: Leak, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faults.steps.census.PATIENCE", 0.05)
    with contextlib.ExitStack() as leaked:

        class Leaky(WaitStep):
            async def run(self, *_: object) -> Reply:
                leaked.enter_context(leak(tmp_path))
                return Reply({})

        @contextlib.asynccontextmanager
        async def peer(place: Path) -> AsyncIterator[Given]:
            yield Given({"for": "1s"}, makers={"wait": Leaky})

        case = Case("wait", "leaks", (), peer, "")
        found = complaints(case, await carry_out(case, tmp_path))
    assert any(complaint.startswith(told) for complaint in found)


async def test_a_loop_that_is_held_up_would_be_noticed(tmp_path: Path) -> None:
    class Busy(WaitStep):
        async def run(self, *_: object) -> Reply:
            ends = time.thread_time() + 0.6
            while time.thread_time() < ends:
                """At work, where others cannot be."""
            return Reply({})

    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        yield Given({"for": "1s"}, makers={"wait": Busy})

    case = Case("wait", "is busy", (), peer, "")
    found = complaints(case, await carry_out(case, tmp_path))
    assert any(complaint.startswith("the loop was at work") for complaint in found)
