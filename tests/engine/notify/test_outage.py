"""A receiver on loopback that is unwell for an hour of virtual time, in each way, and one that stays so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.config.schema import Channel
from engine.model import Alert, AlertEventKind, AlertState, NotificationState
from engine.notify.channels import Deliverer
from engine.notify.outbox import Outbox
from tests.engine.notify.bench import HOUR, Bench, make_alert, make_channel, make_row, open_bench

FIRED, RESOLVED = AlertEventKind.FIRED, AlertEventKind.RESOLVED
SENT, COLLAPSED = NotificationState.SENT, NotificationState.COLLAPSED
CERTAIN = ("500", "429", "refused", "unknown name")
DOUBTFUL = ("hang", "trickle", "partial", "swallow")


@dataclass
class Receiver:
    """Answers as `mode` says; `got` counts the rows of messages that it took, `tried` what it was asked."""

    mode: str = "ok"
    port: int = 0
    got: Counter[str] = field(default_factory=Counter)
    tried: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self) -> str:
        match self.mode:
            case "unknown name":
                return f"http://no-such-name.invalid:{self.port}/"
            case "refused":
                return "http://127.0.0.1:1/"
        return f"http://127.0.0.1:{self.port}/"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length"))
            payload = json.loads(await reader.readexactly(length))
            self.tried += 1
            await self._answer([alert["key"] for alert in payload["alerts"]], writer)
        writer.close()

    async def _answer(self, keys: list[str], writer: asyncio.StreamWriter) -> None:
        if self.mode in ("ok", "swallow"):
            self.got.update(keys)
        match self.mode:
            case "ok":
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            case "500":
                writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
            case "429":
                writer.write(b"HTTP/1.1 429 Slow Down\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n")
            case "hang":
                await self.over.wait()
            case "trickle":
                # The head: once there is a status, it says what became of the message.
                writer.write(b"HTTP/1.1 200 OK\r\nServer: ")
                while not self.over.is_set():
                    writer.write(b"x")
                    await writer.drain()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.over.wait(), 0.05)
            case "partial":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        await writer.drain()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver, connections = Receiver(), set[asyncio.Task[None]]()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(receiver.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.close()
        await asyncio.wait_for(asyncio.gather(*connections), 10)
        await server.wait_closed()


def channel(url: str) -> Channel:
    return Channel.model_validate({"webhook": {"url": url, "timeout": 0.2}})


@asynccontextmanager
async def real_outbox(path: Path, receiver: Receiver) -> AsyncIterator[Bench]:
    """An outbox with the product's own way out; its clock is virtual, its sockets are not."""
    async with open_bench(path, running=False) as bench:
        bench.outbox = Outbox(
            channels={"ops": channel(receiver.url())},
            store=bench.store,
            clock=bench.clock,
            changed=bench.receipts.put_nowait,
            log=bench.logs.append,
            sender=Deliverer(SystemClock(), bench.logs.append),
            rng=random.Random(5),
        )
        running = bench.running = asyncio.create_task(bench.outbox.run())
        try:
            yield bench
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await bench.outbox.close(0.1)


@pytest.mark.parametrize("mode", CERTAIN + DOUBTFUL)
async def test_row_65_after_an_hour_all_is_told_and_once(mode: str, tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.mode = mode
        async with real_outbox(tmp_path / "t.db", receiver) as bench:
            await begin(bench, 2)
            await begin(bench, 1)
            await bench.until(600, 120)
            await end(bench, 2)
            await begin(bench, 3)
            await bench.until(HOUR - 600, 600)
            assert await states(bench, 1, FIRED) is NotificationState.QUEUED
            receiver.mode = "ok"
            receiver.over.set()
            bench.outbox.adopt({"ops": channel(receiver.url())})
            await bench.until(HOUR + 60, 1_220)
            # An hour is the longest wait between two tries; what may have been heard is closed after that.
            await bench.until(60)
            assert await states(bench, 1, FIRED) is await states(bench, 3, FIRED) is SENT
            over = {await states(bench, 2, FIRED), await states(bench, 2, RESOLVED)}
        expected = {"1:fired:ops", "3:fired:ops"}
        if over == {SENT}:
            expected |= {"2:fired:ops", "2:resolved:ops"}
        assert set(receiver.got) == expected
        if mode != "swallow":
            assert set(receiver.got.values()) == {1}
        # Only what certainly reached nobody is called off.
        assert over == ({SENT} if mode in DOUBTFUL else {COLLAPSED})


async def test_row_66_a_receiver_that_never_recovers_ends_in_dead_letters_and_the_others_are_told(
    tmp_path: Path,
) -> None:
    channels = {"ops": make_channel("ops"), "good": make_channel("good")}
    async with open_bench(tmp_path / "t.db", configured=channels) as bench:
        await bench.store.writer.must(make_alert(1))
        bench.sender.refused["ops"] = "connection refused"
        await bench.queue(make_row("ops"), make_row("good"))
        await bench.until(26 * HOUR, HOUR / 2)
        dead = await bench.row("1:fired:ops")
        assert (dead.state, dead.error) == (NotificationState.DEAD, "connection refused")
        assert bench.sender.taken == ["1:fired:good"]
        assert await bench.store.reader.pending_notifications() == (0, 1, None)
        assert bench.outbox.recent_deaths == 0, "it was given up more than an hour ago"
        assert bench.logs[-1].message == "gave up telling ops of alert 1 (fired): connection refused"


def at(alert: Alert, bench: Bench) -> Alert:
    return replace(alert, started_at=bench.clock.now())


async def begin(bench: Bench, *numbers: int) -> None:
    await bench.store.writer.must(*(at(make_alert(number), bench) for number in numbers))
    await bench.queue(*(make_row("ops", number) for number in numbers))
    await bench.idle()


async def end(bench: Bench, number: int) -> None:
    await bench.store.writer.must(replace(at(make_alert(number), bench), state=AlertState.RESOLVED))
    await bench.queue(make_row("ops", number, RESOLVED))
    await bench.idle()


async def states(bench: Bench, number: int, kind: AlertEventKind) -> NotificationState:
    return (await bench.row(f"{number}:{kind}:ops")).state
