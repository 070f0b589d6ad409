"""What a check costs: our HTTP probe beside a bare one, whole executions beside loops that record nothing.

Executions are compared twice: with `httpx.AsyncClient` on the transport of our probe, which is how one would
write such a loop, and with the probe alone, which leaves out what httpx takes for its requests and responses.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks import server
from benchmarks.many import configured, names
from engine.clock import SystemClock
from engine.collector import settle_collector
from engine.engine import Engine
from engine.workflows.steps.base import StepContext
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http_spec import HttpSpec
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.request import build_request
from engine.workflows.steps.resolver import Resolver
from engine.workflows.steps.route import DIRECT
from engine.workflows.steps.transport import Transport

FIGURES = ("probe_cpu_ratio", "executions_ratio", "executions_of_probe_ratio", "execution_cpu_us")
PROBES = 1_500
CONCURRENCY = 20
ROUNDS = 5
WARM_UP = 2
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


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


async def executions(url: str, directory: Path) -> tuple[float, float, float, float]:
    """Executions a second with everything on, requests a second of both loops, CPU µs an execution.

    Each is the best of some rounds, taken in turns. The engine has run every workflow twice before, as one
    that stays up has: the first time it imports and plans, the second time it stores what their traces look
    like, which is kept once from then on.
    """
    engine = Engine(configured(directory, url, "every: 1h", names(PROBES)), directory / "t.db", SystemClock())
    whole, client, probe, cost = 0.0, 0.0, 0.0, float("inf")
    await engine.start(scheduled=False)
    try:
        for _ in range(WARM_UP):
            await engine.run_once()
        settle_collector()
        for _ in range(ROUNDS):
            cpu, wall = time.process_time(), time.perf_counter()
            done = await engine.run_once()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            assert len(done) == PROBES
            assert all(execution.outcome.is_success for execution in done)
            whole, cost = max(whole, PROBES / wall), min(cost, cpu / PROBES * 1e6)
            client = max(client, PROBES / await client_loop(url))
            probe = max(probe, PROBES / await probe_loop(url))
    finally:
        await engine.stop()
    return whole, client, probe, cost


class OverProbe(httpx.AsyncBaseTransport):
    """Lets httpx send its requests the way our probe does: a fresh connection each, phases timed."""

    def __init__(self) -> None:
        self._transport = Transport(Resolver())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = build_request(HttpSpec(url=str(request.url)), request.headers["traceparent"])
        answer = await self._transport.fetch(sent, DIRECT, Probe())
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)

    async def aclose(self) -> None:
        await self._transport.close()


async def client_loop(url: str) -> float:
    """Wall seconds of the same requests by httpx, recording nothing."""
    async with httpx.AsyncClient(transport=OverProbe(), headers={"traceparent": TRACEPARENT}) as client:

        async def fetch() -> None:
            assert (await client.get(f"{url}/")).status_code == 200

        return (await many(fetch, PROBES))[1]


async def probe_loop(url: str) -> float:
    """Wall seconds of the same requests by our probe alone."""
    step, spec = HttpStep(SystemClock()), HttpSpec(url=url)
    try:
        return (await many(lambda: step.run(spec, StepContext(TRACEPARENT, 10.0)), PROBES))[1]
    finally:
        await step.close()


def run() -> list[dict[str, Any]]:
    """The figures."""
    with server.running() as url, tempfile.TemporaryDirectory() as directory:
        bare, ours = asyncio.run(probes(url))
        whole, client, probe, cpu = asyncio.run(executions(url, Path(directory)))
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
            "value": round(whole / client, 2),
            "unit": f"× ({whole:.0f}/s)",
            "goal": 0.75,
            "against": f"httpx on the same transport in a bare loop ({client:.0f}/s)",
        },
        {
            "name": "executions_of_probe_ratio",
            "value": round(whole / probe, 2),
            "unit": f"× ({whole:.0f}/s)",
            "goal": None,
            "against": f"our probe alone in a bare loop ({probe:.0f}/s)",
        },
        {
            "name": "execution_cpu_us",
            "value": round(cpu),
            "unit": "µs",
            "goal": None,
            "against": "trace, points, logs, rules and store on",
        },
    ]
