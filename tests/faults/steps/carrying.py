"""One bad day of one step type: what it talks to, what is to be said of it, and what may be left: nothing."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.clock import Clock, SystemClock
from engine.config.schema import Workflow
from engine.lines import spelled
from engine.model import ErrorCategory, ErrorType, Outcome, Recording
from engine.workflows.runner import Runner
from engine.workflows.stepping import OVERSTAY
from engine.workflows.steps import STEP_KINDS
from engine.workflows.steps.base import StepType
from engine.workflows.steps.resolver import Resolver
from tests.engine.workflows.children import all_dead, pids_in
from tests.engine.workflows.talking import listening, polite
from tests.faults.steps.census import Census, back_to, census, collected_census

BRIEF = 0.2
"""Seconds given to a step whose time is to run out."""
AMPLE = 4.0
"""Seconds given to a step that ends for another reason, on a machine that has much else to do."""
NAMING = ("dns", "grpc", "http", "icmp", "sql", "tcp", "tls", "udp", "websocket")
"""The step types that look names up."""
FAR = Census(0, 1_000_000, 0, 0)
TIMES = (1, 4, 12)
"""How many times as long a case is given when what is wrong of it may be that the machine was busy."""
ABOUT_TIME = ("says: ", "took ", "outcome ", "classified ", "the neighbour suffers", "was cut off")
BUSY = 0.5
"""Seconds of processor time that the loop may be at work without a pause, for the peers as well."""

Maker = Callable[[Clock], StepType]


@dataclass
class Given:
    """What a peer is reached by: the specification, and what is special about this engine.

    Attributes:
        nameserver: whom to ask for names, instead of the system's.
        makers: what makes step types, instead of the registry.
        workflows: what a `workflow` step may call.
    """

    spec: Mapping[str, Any]
    nameserver: str | None = None
    makers: Mapping[str, Maker] = field(default_factory=dict)
    workflows: tuple[Workflow, ...] = ()


Peer = Callable[[Path], AbstractAsyncContextManager[Given]]


@dataclass(frozen=True)
class Case:
    """One fault of one step type, and what is to be said of it.

    Attributes:
        kind: the step type.
        name: the fault, in words.
        rows: of the fault plan.
        words: a pattern for the whole sentence, in which PEER stands for the peer's address, and OTHER for
            127.0.0.2; None when the step is to succeed.
        attempts: how many tries it has.
        timeout: seconds, which `words` may name.
        times: how many times that it is really given.
    """

    kind: str
    name: str
    rows: tuple[int, ...]
    peer: Peer
    words: str | None
    type: ErrorType = ErrorType.NETWORK
    category: ErrorCategory = ErrorCategory.NETWORK
    outcome: Outcome = Outcome.FAILED
    timeout: float = AMPLE
    attempts: int = 1
    expect: tuple[str, ...] = ()
    times: int = 1

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.name}"

    @property
    def given(self) -> float:
        """Seconds that the step is given."""
        return self.timeout * self.times


@dataclass(frozen=True)
class Carried:
    """What was seen: the run, the one beside it, and the counts.

    Attributes:
        before, after: with neither peers nor engine.
        ready, left: with both, before and after the runs.
        strays: the processes that left their number in the case's folder and are still alive.
        busiest: the longest time that the loop was at work without a pause, seconds of processor time.
    """

    recording: Recording
    neighbour: Recording
    before: Census
    ready: Census
    left: Census
    after: Census
    strays: bool
    busiest: float


async def carry_out(case: Case, place: Path) -> Carried:
    """Run the step in one engine with itself and with one whose target is well; then close all."""
    before = collected_census()
    async with case.peer(place) as given, listening(polite) as port:
        runner = Runner(
            clock=SystemClock(),
            variables={},
            retries={},
            on_log=lambda _: None,
            types=_makers(given),
            workflows=given.workflows,
        )
        bad = _workflow(case, {case.kind: given.spec}, case.given)
        talk = [{"expect": "^220 "}]
        good = _workflow(None, {"tcp": {"address": f"127.0.0.1:{port}", "talk": talk}}, AMPLE)
        ready = census()
        if given.nameserver is not None:
            # The way to name servers is opened with the first name, and kept.
            await runner.run(bad, 1, 0.0)
            ready = ready.with_files_of(await back_to(ready.with_files_of(FAR)))
        twice = [runner.run(bad, 2, 0.0)] if given.nameserver is None else []
        with _watched() as watch:
            recording, neighbour, *_ = await asyncio.gather(
                runner.run(bad, 3, 0.0), runner.run(good, 4, 0.0), *twice
            )
        left = await back_to(ready)
        await runner.close()
    after = await back_to(before)
    strays = not all_dead(pids_in(place))
    return Carried(recording, neighbour, before, ready, left, after, strays, watch.longest)


async def endured(case: Case, place: Path) -> list[str]:
    """What is wrong of a case however much time it is given; what is left behind is so the first time."""
    found: list[str] = []
    for times in TIMES:
        home = place / str(times)
        home.mkdir()
        slower = replace(case, times=times)
        found = complaints(slower, await carry_out(slower, home))
        if not found or not all(complaint.startswith(ABOUT_TIME) for complaint in found):
            break
    return found


def complaints(case: Case, carried: Carried) -> list[str]:
    """Everything that is not as it has to be."""
    step = carried.recording.execution.attempts[-1].steps[0]
    failure = step.failure
    wrong = []
    if len(carried.recording.execution.attempts) != case.attempts:
        wrong.append(f"{len(carried.recording.execution.attempts)} attempts")
    if (step.outcome, failure is None) != (case.outcome, case.words is None):
        wrong.append(f"outcome {step.outcome}: {failure}")
    if failure is not None and case.words is not None:
        said = _without_peers(failure.message)
        said = said.replace(spelled(case.given), spelled(case.timeout))
        if not re.fullmatch(case.words, said):
            wrong.append(f"says: {said}")
        if (failure.type, failure.category) != (case.type, case.category):
            wrong.append(f"classified {failure.type} {failure.category}")
        wrong += _flaws(failure.message, is_own_code=case.kind == "python")
    if step.duration > case.given + OVERSTAY:
        wrong.append(f"took {step.duration:.2f} s of {case.given} s")
    if carried.neighbour.execution.outcome is not Outcome.OK:
        wrong.append(f"the neighbour suffers: {carried.neighbour.execution.error}")
    if carried.busiest > BUSY:
        wrong.append(f"the loop was at work for {carried.busiest:.2f} s")
    if not carried.left.within(carried.ready):
        wrong.append(f"left after the runs: {carried.ready} → {carried.left}")
    if carried.strays:
        wrong.append("processes live on")
    if not carried.after.within(carried.before):
        wrong.append(f"left at the end: {carried.before} → {carried.after}")
    return wrong


def _flaws(message: str, *, is_own_code: bool) -> list[str]:
    """What keeps a message from being a sentence for a person; only users' own code may name its classes."""
    flaws = []
    if " " not in message or message != message.strip() or len(message) > 600:
        flaws.append(f"no sentence: {message!r}")
    names_classes = re.search(r"\b[A-Z]\w+(Error|Exception)\b|\[Errno", message) and not is_own_code
    if not message.isprintable() or names_classes or "Traceback" in message:
        flaws.append(f"not for a person: {message!r}")
    if "the step did not end within" in message:
        flaws.append("was cut off instead of ending by itself")
    return flaws


def _without_peers(message: str) -> str:
    message = re.sub(r"\b127\.0\.0\.2\b(:\d+)?", "OTHER", message)
    return re.sub(r"\b(127\.0\.0\.1|shop\.test):\d+", "PEER", message)


def _workflow(case: Case | None, step: Mapping[str, Any], timeout: float) -> Workflow:
    attempts = case.attempts if case is not None else 1
    retry = {"max_attempts": attempts, "initial_delay": 0.001, "max_delay": 0.001, "jitter": 0.0}
    steps = [{"id": "step", "timeout": timeout, "expect": list(case.expect) if case else [], **step}]
    return Workflow.model_validate(
        {"id": "w", "name": "w", "every": "1m", "retry": retry, "breaker": False, "steps": steps}
        | {"timeout": 60.0}
    )


def _makers(given: Given) -> dict[str, Maker]:
    makers: dict[str, Maker] = {name: kind.make for name, kind in STEP_KINDS.items()}
    if given.nameserver is not None:
        servers = [given.nameserver]

        def asking(make: Any) -> Maker:
            return lambda clock: make(clock, Resolver(servers))

        makers |= {name: asking(STEP_KINDS[name].make) for name in NAMING}
    return {**makers, **given.makers}


class _Watch:
    """Measures, at each turn of the loop, the processor time since the last one; seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._loop = asyncio.get_running_loop()
        self._last = time.thread_time()
        self._handle = self._loop.call_soon(self._look)

    def stop(self) -> None:
        self._look()
        self._handle.cancel()

    def _look(self) -> None:
        now = time.thread_time()
        self.longest, self._last = max(self.longest, now - self._last), now
        self._handle = self._loop.call_later(0.005, self._look)


@contextmanager
def _watched() -> Iterator[_Watch]:
    watch = _Watch()
    try:
        yield watch
    finally:
        watch.stop()
