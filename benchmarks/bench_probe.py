"""What a check costs: our HTTP probe beside a bare one, whole executions beside a loop of the same client."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import server
from engine.clock import SystemClock
from engine.config.loader import load_config
from engine.engine import Engine
from engine.workflows.steps.base import StepContext
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http_spec import HttpSpec

FIGURES = ("probe_cpu_ratio", "executions_ratio", "execution_cpu_us")
PROBES = 1_500
CONCURRENCY = 20
ROUNDS = 3
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WORKFLOW = """
  - id: w{number}
    name: Workflow {number}
    every: 1h
    retry: {{max_attempts: 1}}
    steps: [{{id: get, http: {{url: "{url}/"}}, expect: ["status == 200"]}}]"""
RULES = """
rules:
  - id: down
    name: Down
    conditions: [{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}]
  - id: failures
    name: High failure rate
    conditions: [{type: THRESHOLD, metric: workflow.failure_rate, operator: ">", value: 50%}]
  - id: slow
    name: Slow
    conditions: [{type: THRESHOLD, metric: workflow.duration, operator: ">", value: 30s}]
"""


async def bare_probe(host: str, port: int) -> tuple[float, float, float]:
    """One request over asyncio streams; seconds to connect, to the first byte, to the end."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(host, port)
    connected = time.perf_counter()
    writer.write(b"GET / HTTP/1.1\r\nHost: bench\r\nTraceparent: " + TRACEPARENT.encode() + b"\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    first = time.perf_counter()
    assert head.startswith(b"HTTP/1.1 200 ")
    await reader.read()
    writer.close()
    await writer.wait_closed()
    return connected - began, first - connected, time.perf_counter() - first


async def many(probe: Callable[[], Awaitable[object]], count: int) -> tuple[float, float]:
    """CPU and wall seconds of `count` probes, 20 at a time."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await probe()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
    return time.process_time() - cpu, time.perf_counter() - wall


async def probes(url: str) -> tuple[float, float]:
    """CPU microseconds of a bare probe and of ours, each the best of some rounds, taken in turns."""
    parts = urlsplit(url)
    step, spec = HttpStep(SystemClock()), HttpSpec(url=url)

    async def bare() -> object:
        return await bare_probe(str(parts.hostname), int(parts.port or 0))

    async def ours() -> object:
        return await step.run(spec, StepContext(TRACEPARENT, 10.0))

    try:
        await many(ours, 100)
        rounds = [((await many(bare, PROBES))[0], (await many(ours, PROBES))[0]) for _ in range(ROUNDS)]
    finally:
        await step.close()
    return min(pair[0] for pair in rounds) / PROBES * 1e6, min(pair[1] for pair in rounds) / PROBES * 1e6


async def executions(url: str, directory: Path) -> tuple[float, float, float]:
    """Executions a second with everything on, requests a second of the same client, CPU µs an execution."""
    config = directory / "rules.yaml"
    workflows = "".join(WORKFLOW.format(number=number, url=url) for number in range(PROBES))
    config.write_text(f"version: 1\nsettings: {{concurrency: {CONCURRENCY}}}\nworkflows:{workflows}\n{RULES}")
    loaded = load_config(config)
    best = (0.0, 0.0, float("inf"))
    for number in range(ROUNDS):
        engine = Engine(loaded, directory / f"{number}.db", SystemClock())
        await engine.start(scheduled=False)
        try:
            await engine.run_once()  # imports and plans once, as an engine that stays up does
            cpu, wall = time.process_time(), time.perf_counter()
            done = await engine.run_once()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        finally:
            await engine.stop()
        assert len(done) == PROBES
        assert all(execution.outcome.is_success for execution in done)
        bare = PROBES / await client_loop(url)
        best = max(best[0], PROBES / wall), max(best[1], bare), min(best[2], cpu / PROBES * 1e6)
    return best


async def client_loop(url: str) -> float:
    """Wall seconds of the same requests by the same client, recording nothing."""
    step, spec = HttpStep(SystemClock()), HttpSpec(url=url)
    try:
        return (await many(lambda: step.run(spec, StepContext(TRACEPARENT, 10.0)), PROBES))[1]
    finally:
        await step.close()


def run() -> list[dict[str, Any]]:
    """The figures."""
    with server.running() as url, tempfile.TemporaryDirectory() as directory:
        bare, ours = asyncio.run(probes(url))
        whole, loop, cpu = asyncio.run(executions(url, Path(directory)))
    return [
        {
            "name": "probe_cpu_ratio",
            "value": round(ours / bare, 2),
            "unit": f"× ({ours:.0f} µs)",
            "goal": 2.5,
            "against": f"a bare asyncio-streams probe ({bare:.0f} µs)",
        },
        {
            "name": "executions_ratio",
            "value": round(whole / loop, 2),
            "unit": f"× ({whole:.0f}/s)",
            "goal": 0.75,
            "against": f"the same client in a bare loop ({loop:.0f}/s)",
        },
        {
            "name": "execution_cpu_us",
            "value": round(cpu),
            "unit": "µs",
            "goal": None,
            "against": "trace, points, logs, rules and store on",
        },
    ]
