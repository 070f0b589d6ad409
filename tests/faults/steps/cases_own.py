"""Step types that call nobody: what they wait for does not come, does not fit, or does not hold."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.config.schema import Workflow
from engine.model import ErrorCategory, ErrorType, Outcome, Signal
from engine.workflows.heartbeats import Heartbeats
from engine.workflows.steps.heartbeat import HeartbeatStep
from tests.engine.workflows.talking import free_port, listening, silent
from tests.faults.steps.carrying import BRIEF, Case, Given, Peer

PERMANENT, TIMEOUT = ErrorType.PERMANENT, ErrorType.TIMEOUT
UNKNOWN, VALIDATION = ErrorCategory.UNKNOWN, ErrorCategory.VALIDATION
TOKEN = "0123456789abcdef"


def own_cases() -> Iterator[Case]:
    """All of them."""
    yield from _heartbeat()
    yield from _workflow()
    words = "a wait of 1 m does not fit into the 200 ms that are left"
    yield Case(
        "wait", "it does not fit", (63,), _given({"for": "1m"}), words, TIMEOUT, UNKNOWN, timeout=BRIEF
    )
    that = _given({"that": ["{{ env.gone }} == 1"]})
    words = r"\{\{ env.gone \}\} \(missing\) == 1"
    yield Case("assert", "a value that is not known", (47,), that, words, PERMANENT, VALIDATION)


def _given(spec: Mapping[str, Any], **more: Any) -> Peer:
    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        yield Given(spec, **more)

    return peer


def _heartbeat() -> Iterator[Case]:
    def beat(fault: str, book: Callable[[], Heartbeats], words: str, **more: Any) -> Case:
        makers = {"heartbeat": lambda clock: HeartbeatStep(clock, book())}
        peer = _given({"token": TOKEN, "period": "1h"}, makers=makers)
        return Case("heartbeat", fault, (54,), peer, words, PERMANENT, **more)

    words = "nobody listens for this heartbeat"
    yield beat("nobody listens", Heartbeats, words, category=VALIDATION, outcome=Outcome.ERROR)
    late = "the job .+"
    yield beat("it never came", lambda: Heartbeats({TOKEN: "w"}, now=0.0), late, category=UNKNOWN)
    yield beat("it failed", _failed, "the job .+", category=UNKNOWN)


def _failed() -> Heartbeats:
    book = Heartbeats({TOKEN: "w"}, now=0.0)
    book.keep(book.heard(TOKEN, Signal.FAIL, 1.0, "\x1b[31mdisk full"))
    return book


def _workflow() -> Iterator[Case]:
    call = {"id": "other"}

    def calling(*steps: Mapping[str, Any]) -> Peer:
        workflow = {"id": "other", "name": "Other", "on_call": True, "breaker": False, "steps": list(steps)}
        return _given(call, workflows=(Workflow.model_validate(workflow),))

    words = "there is no workflow other"
    yield Case("workflow", "it is not there", (63,), _given(call), words, PERMANENT, UNKNOWN, Outcome.ERROR)
    dead = {"id": "a", "tcp": {"address": f"127.0.0.1:{free_port()}"}}
    yield Case(
        "workflow", "its target is dead", (54,), calling(dead), "a: connection refused by PEER .connect."
    )
    waiting = {"id": "a", "wait": {"for": "1m"}, "timeout": "2m"}
    words = "a: a wait of 1 m does not fit into the .+ that are left"
    peer = calling(waiting)
    yield Case("workflow", "it takes too long", (63,), peer, words, TIMEOUT, UNKNOWN, timeout=BRIEF)
    words = "a: no answer within .+ from PEER .tls."
    yield Case("workflow", "its target is silent", (54,), _mute, words, TIMEOUT, timeout=BRIEF)


@contextlib.asynccontextmanager
async def _mute(place: Path) -> AsyncIterator[Given]:
    async with listening(silent) as port:
        steps = [{"id": "a", "tls": {"address": f"127.0.0.1:{port}"}}]
        workflow = {"id": "other", "name": "Other", "on_call": True, "breaker": False, "steps": steps}
        yield Given({"id": "other"}, workflows=(Workflow.model_validate(workflow),))
