"""What the engine itself takes for an execution, on its own thread, with a step that answers at once."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.many import RULES
from engine.clock import Clock, SystemClock
from engine.config.loader import load_config
from engine.engine import Engine
from engine.model import Phases, Scalar
from engine.workflows.steps import STEP_KINDS
from engine.workflows.steps.base import Reply, StepContext
from engine.workflows.steps.http_spec import HttpSpec

FIGURES = ("engine_overhead_us",)
WORKFLOWS = 200
ROUNDS = 16
EVERY = 30.0
BODY = (
    '{"status": "ok", "version": "2.14.3", "uptime": 86412, "items": [{"id": 1, "name": "first", "stock": 7},'
    ' {"id": 2, "name": "second", "stock": 0}], "checks": {"database": "ok", "queue": "ok"}}'
)
WORKFLOW = """
  - id: w{number}
    name: Workflow {number}
    every: 30s
    steps:
      - {{id: get, http: {{url: "http://host{number}.test/"}}, expect: ["status == 200", "duration < 5s"]}}"""
ENVIRONMENT = """
environments: {bench: {user: "${env:USER_KEY}", key: "${env:API_KEY}", password: "${env:PASSWORD}"}}
"""
SECRETS = {
    "USER_KEY": "u-20341-benchmark",
    "API_KEY": "k/9f2+benchmark==",
    "PASSWORD": "correct horse battery",
}


class AtOnce:
    """A step type in the place of `http` that answers at once, with all that an HTTP reply has."""

    name = "http"

    def target(self, spec: HttpSpec) -> str:
        return spec.url

    async def run(self, spec: HttpSpec, context: StepContext) -> Reply:
        headers = {
            "content-type": "application/json",
            "server": "bench",
            "date": "Sat, 01 Jan 2000 00:00:00 GMT",
        }
        fields = {"status": 200, "duration": 0.0123, "size": len(BODY), "url": spec.url, "redirects": 0}
        attributes: dict[str, Scalar] = {
            "http.request.method": "GET",
            "url.full": spec.url,
            "http.response.status_code": 200,
            "http.response.body.size": len(BODY),
            "network.peer.address": "127.0.0.1",
            "network.protocol.version": "1.1",
        }
        phases = Phases(0.0001, 0.0012, None, 0.0105, 0.0005)
        return Reply({**fields, "body": BODY, "headers": headers}, phases, attributes)

    async def close(self) -> None: ...


class Leaping(SystemClock):
    """The machine's clocks, ahead by what was added: checks every 30 s without waiting for it."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@contextmanager
def answering_at_once() -> Iterator[None]:
    """`http` steps answer at once."""
    real = STEP_KINDS["http"]

    def make(clock: Clock) -> AtOnce:
        return AtOnce()

    STEP_KINDS["http"] = replace(real, make=make)
    try:
        yield
    finally:
        STEP_KINDS["http"] = real


async def overhead(directory: Path) -> float:
    """CPU microseconds of the engine's thread for an execution: the best of some rounds 30 s apart.

    Two rounds following each other are taken together: some things are done every other time.
    """
    config, clock = directory / "rules.yaml", Leaping()
    workflows = "".join(WORKFLOW.format(number=number) for number in range(WORKFLOWS))
    config.write_text(f"version: 1\n{ENVIRONMENT}\nworkflows:{workflows}\n{RULES}")
    engine = Engine(load_config(config, env=SECRETS), directory / "t.db", clock)
    await engine.start(scheduled=False)
    try:
        taken: list[float] = []
        for _ in range(ROUNDS + 1):
            clock.ahead += EVERY
            began = time.thread_time()
            done = await engine.run_once()
            taken.append((time.thread_time() - began) / WORKFLOWS * 1e6)
            assert len(done) == WORKFLOWS
            assert all(execution.outcome.is_success for execution in done)
    finally:
        await engine.stop()
    return min(sum(pair) / 2 for pair in pairwise(taken[1:]))  # the first round imports and plans


def run() -> list[dict[str, Any]]:
    """The figure."""
    with answering_at_once(), tempfile.TemporaryDirectory() as directory:
        microseconds = asyncio.run(overhead(Path(directory)))
    return [
        {
            "name": "engine_overhead_us",
            "value": round(microseconds),
            "unit": "µs",
            "goal": 80,
            "against": "CPU of the engine's thread, everything on, a step that answers at once",
        }
    ]
