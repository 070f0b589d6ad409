"""A live Alertmanager on loopback, and a schedule of alerts that both it and the outbox are told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
WAIT, INTERVAL, REPEAT = 1.0, 3.0, 4.0
GROUPS = 16
CLEAR = 0.3
"""Seconds around a group's looks in which nothing is made to happen: either order would be right."""

_CONFIG = """
route: {{receiver: hook, group_by: [group], group_wait: 1s, group_interval: 3s, repeat_interval: 4s}}
receivers:
  - name: hook
    webhook_configs: [{{url: "http://127.0.0.1:{port}/", send_resolved: true}}]
"""


@dataclass(frozen=True, order=True)
class Event:
    """At `at` seconds an alert of a group begins or ends."""

    at: float
    group: int
    alert: int
    begins: bool


@dataclass(frozen=True)
class Told:
    """One message: which alerts it says begin and end, both empty for a reminder."""

    at: float
    group: int
    begun: frozenset[int]
    ended: frozenset[int]

    @property
    def words(self) -> tuple[frozenset[int], frozenset[int]]:
        return self.begun, self.ended


def schedule(seed: int, length: float) -> list[Event]:
    """Half of the groups are never empty; the others have one alert at a time, of any length, and pauses."""
    rng = random.Random(seed)
    numbers = iter(range(1, 100_000))
    events: list[Event] = []
    for group in range(GROUPS):
        is_crowd = group < GROUPS // 2
        # The looks of a loner's group, before and after it was forgotten, are not near the sweeps either.
        first = rng.uniform(0.5, 4) if is_crowd else rng.uniform(2.6, 3.4)
        make = _crowd if is_crowd else _loner
        for begin, end in make(rng, first, length):
            alert = next(numbers)
            events += (Event(begin, group, alert, True), Event(end, group, alert, False))
    return sorted(event for event in events if event.at < length)


def _crowd(rng: random.Random, first: float, length: float) -> Iterator[tuple[float, float]]:
    """One that stays for long, and others that stay until they were told at least."""
    yield first, length + 60
    for _ in range(int(length / 8)):
        begin = _clear(rng, first, rng.uniform(first + 0.5, length))
        yield begin, _clear(rng, first, begin + INTERVAL + WAIT + 1.5 + rng.expovariate(1 / 8))


def _loner(rng: random.Random, first: float, length: float) -> Iterator[tuple[float, float]]:
    at = first
    paused = False
    while at < length:
        end = _clear(rng, first, at + rng.uniform(0.3, 12))
        yield at, end
        if not paused and end > 15:
            # Longer than the way to the next sweep and the look before it: the group is forgotten. It begins
            # again a second after a look it would have had, which the rest of the schedule knows of.
            paused = True
            at = first + INTERVAL * round((max(end, 30) + 6 - first) / INTERVAL) + 1
        else:
            at = _clear(rng, first, end + rng.uniform(0.3, 9))


def _clear(rng: random.Random, first: float, at: float) -> float:
    """A time near `at` that is not near a look of a group that began at `first`, nor a sweep."""
    while True:
        phase = (at - first) % INTERVAL
        near_look = any(abs(phase - look) < CLEAR for look in (WAIT, WAIT + 1))
        if not near_look and min(at % 30, 30 - at % 30) > 1:
            return at
        at += rng.uniform(0.05, 0.3)


@dataclass
class Alertmanager:
    """`got` are payloads with the seconds since the schedule began; `began` is that moment, monotonic."""

    port: int
    began: float = 0.0
    got: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    async def play(self, events: list[Event], length: float) -> list[Event]:
        """Tell it of the events at their times; returns them with the times at which it knew."""
        known, ends = [], datetime.fromtimestamp(time.time() + 3_600, UTC).isoformat()
        began_at: dict[int, str] = {}
        for event in events:
            await asyncio.sleep(max(self.began + event.at - time.monotonic(), 0))
            now = datetime.now(UTC).isoformat()
            starts = began_at.setdefault(event.alert, now)
            labels = {"alertname": "A", "group": str(event.group), "id": str(event.alert)}
            ends_at = ends if event.begins else now
            body = json.dumps([{"labels": labels, "startsAt": starts, "endsAt": ends_at}])
            await self._ask("POST", "/api/v2/alerts", body)
            at = time.monotonic() - self.began
            known.append(Event(at, event.group, event.alert, event.begins))
        await asyncio.sleep(max(self.began + length - time.monotonic(), 0))
        return known

    def messages(self) -> list[Told]:
        """What it told, each time only what is new; an end of what it never told is no news."""
        firing: dict[int, set[int]] = {}
        told = []
        for at, payload in self.got:
            group = int(payload["groupLabels"]["group"])
            known = firing.setdefault(group, set())
            ids: dict[str, set[int]] = {"firing": set(), "resolved": set()}
            for alert in payload["alerts"]:
                ids[alert["status"]].add(int(alert["labels"]["id"]))
            begun, ended = ids["firing"] - known, ids["resolved"] & known
            firing[group] = (known | begun) - ended
            told.append(Told(at, group, frozenset(begun), frozenset(ended)))
        return told

    async def _ask(self, method: str, path: str, body: str = "") -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        writer.write(f"{head}\r\n\r\n{body}".encode())
        answer = (await reader.read()).decode()
        writer.close()
        status = answer.split(" ", 2)[1]
        assert status == "200", answer
        return answer

    async def ready(self) -> None:
        """Wait until it answers."""
        while True:
            with contextlib.suppress(OSError, AssertionError):
                await self._ask("GET", "/-/ready")
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(place: Path) -> AsyncIterator[Alertmanager]:
    """An Alertmanager whose sweeps count from when its schedule begins."""
    assert PROGRAM is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        manager = Alertmanager(probe.getsockname()[1])

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length"))
        payload = json.loads(await reader.readexactly(length))
        manager.got.append((time.monotonic() - manager.began, payload))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    config = place / "alertmanager.yml"
    config.write_text(_CONFIG.format(port=server.sockets[0].getsockname()[1]))
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        f"--config.file={config}",
        f"--storage.path={place / 'data'}",
        f"--web.listen-address=127.0.0.1:{manager.port}",
        "--cluster.listen-address=",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(20):
            await manager.ready()
        manager.began = time.monotonic()
        yield manager
    finally:
        process.kill()
        await process.wait()
        server.close()
        await server.wait_closed()
