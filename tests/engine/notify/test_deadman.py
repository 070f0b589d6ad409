"""Row 70: whichever part stands still, the signs of life end within two minutes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.clock import VirtualClock, settle
from engine.config.routing import Channel, DeadmanSpec
from engine.errors import StoreError
from engine.model import LogRecord
from engine.notify.deadman import DeadMansSwitch, pinger
from engine.notify.delivery import DeliveryError, Message
from engine.notify.outbox import Outbox
from engine.store.store import Store
from tests.engine.notify.listening import listening


@dataclass
class Scheduler:
    beat_age: float | None = 0.0


@dataclass
class Writer:
    """Commits, hangs or fails."""

    error: str = ""
    hangs: bool = False

    async def flush(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            raise StoreError(self.error)


@dataclass
class Signs:
    """A sender that counts."""

    clock: VirtualClock
    at: list[float] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    refuses: str = ""

    async def send(self, channel: str, destination: Channel, message: Message) -> None:
        if self.refuses:
            raise DeliveryError(self.refuses)
        self.at.append(self.clock.monotonic())
        self.titles.append(message.title)


@dataclass
class Stand:
    clock: VirtualClock
    scheduler: Scheduler
    writer: Writer
    signs: Signs
    switch: DeadMansSwitch
    outbox: Outbox
    sending: asyncio.Task[None]
    logs: list[LogRecord]
    beats: bool = True

    async def minutes(self, count: float) -> None:
        """Let time pass; the scheduler beats every 15 s."""
        for _ in range(round(count * 4)):
            await self._quarter()

    async def _quarter(self) -> None:
        await self.clock.advance(15)
        await _looked(self.outbox, self.sending, self.clock)
        if self.beats:
            self.scheduler.beat_age = 0.0
        else:
            self.scheduler.beat_age = (self.scheduler.beat_age or 0.0) + 15

    @property
    def messages(self) -> list[str]:
        return [record.message for record in self.logs if record.message.startswith("dead-man")]


async def _looked(outbox: Outbox, sending: asyncio.Task[None], clock: VirtualClock) -> None:
    """Until the outbox, which asks a real database in threads, has looked for work at the present time."""
    async with asyncio.timeout(20):
        while not sending.done() and outbox.looked_at != clock.monotonic():
            outbox.poke()
            await asyncio.to_thread(int)
    await settle()


@asynccontextmanager
async def _stand(path: Path) -> AsyncIterator[Stand]:
    clock, logs = VirtualClock(), list[LogRecord]()
    store = await Store.open(path, clock)
    signs, scheduler, writer = Signs(clock), Scheduler(), Writer()
    outbox = Outbox(
        channels={}, store=store, clock=clock, changed=lambda topic: None, log=logs.append, sender=signs
    )
    switch = DeadMansSwitch(scheduler=scheduler, writer=writer, outbox=outbox, clock=clock, log=logs.append)
    spec = DeadmanSpec.model_validate({"channel": "out", "every": "1m"})
    switch.adopt(spec, {"out": Channel.model_validate({"log": {}})}, signs)
    sending = asyncio.create_task(outbox.run())
    await _looked(outbox, sending, clock)
    running = asyncio.create_task(switch.run())
    try:
        yield Stand(clock, scheduler, writer, signs, switch, outbox, sending, logs)
    finally:
        for task in (sending, running):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await outbox.close(0.1)
        await store.close()


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with _stand(tmp_path / "t.db") as stand:
        yield stand


async def test_signs_are_given_each_minute_while_all_goes_on(stand: Stand) -> None:
    await stand.minutes(10)
    assert 10 <= len(stand.signs.at) <= 11
    assert set(stand.signs.titles) == {"[ALIVE] Tocsin"}
    assert stand.messages == []


def _stop_scheduler(stand: Stand) -> None:
    stand.beats = False


def _stop_outbox(stand: Stand) -> None:
    stand.sending.cancel()


def _hang_writer(stand: Stand) -> None:
    stand.writer.hangs = True


def _fail_writer(stand: Stand) -> None:
    stand.writer.error = "the disk is full"


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (_stop_scheduler, "the scheduler has stood still"),
        (_stop_outbox, "the outbox has stood still"),
        (_hang_writer, "the writer has not committed for 10 s"),
        (_fail_writer, "the writer cannot commit: the disk is full"),
    ],
)
async def test_the_signs_end_within_two_minutes_of_a_parts_end(
    stand: Stand, stop: Callable[[Stand], None], words: str
) -> None:
    await stand.minutes(3)
    stopped = stand.clock.monotonic()
    stop(stand)
    await stand.minutes(30)
    assert stand.signs.at[-1] < stopped + 120
    assert len(stand.messages) == 1
    assert words in stand.messages[0]


async def test_they_begin_again_when_it_does(stand: Stand) -> None:
    _fail_writer(stand)
    await stand.minutes(5)
    before = len(stand.signs.at)
    stand.writer.error = ""
    await stand.minutes(3)
    assert len(stand.signs.at) >= before + 2
    assert stand.messages[-1] == "dead-man's switch: signs of life are given again"


async def test_none_is_given_before_the_scheduler_has_begun(stand: Stand) -> None:
    stand.scheduler.beat_age = None
    assert await stand.switch.stuck() == "the scheduler has not begun"


async def test_parts_that_begin_a_little_later_are_no_trouble(stand: Stand) -> None:
    scheduler, signs, logs = Scheduler(None), Signs(stand.clock), list[LogRecord]()
    switch = DeadMansSwitch(
        scheduler=scheduler, writer=stand.writer, outbox=stand.outbox, clock=stand.clock, log=logs.append
    )
    spec = DeadmanSpec.model_validate({"channel": "out"})
    switch.adopt(spec, {"out": Channel.model_validate({"log": {}})}, signs)
    running = asyncio.create_task(switch.run())
    try:
        await stand.clock.advance(10)
        assert (signs.at, logs) == ([], [])
        scheduler.beat_age = 0.0
        await stand.clock.advance(2)
        assert len(signs.at) == 1, "the first sign does not wait for a minute to pass"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_part_that_never_begins_is_told(stand: Stand) -> None:
    stand.beats = False
    scheduler, logs = Scheduler(None), list[LogRecord]()
    switch = DeadMansSwitch(
        scheduler=scheduler, writer=stand.writer, outbox=stand.outbox, clock=stand.clock, log=logs.append
    )
    spec = DeadmanSpec.model_validate({"url": "http://127.0.0.1:1/"})
    switch.adopt(spec, {}, stand.signs)
    running = asyncio.create_task(switch.run())
    try:
        await stand.clock.advance(52)
        assert [record.message for record in logs] == [
            "dead-man's switch: no sign of life was given: the scheduler has not begun"
        ]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_other_trouble_is_told_beside_the_first(stand: Stand) -> None:
    _fail_writer(stand)
    await stand.minutes(2)
    stand.writer.error, stand.signs.refuses = "", "nobody there"
    await stand.minutes(2)
    assert [message.partition(": ")[2] for message in stand.messages] == [
        "no sign of life was given: the writer cannot commit: the disk is full",
        "a sign of life did not arrive: nobody there",
    ]


async def test_a_sign_that_does_not_arrive_is_told_once(stand: Stand) -> None:
    stand.signs.refuses = "nobody there"
    await stand.minutes(5)
    assert stand.messages == ["dead-man's switch: a sign of life did not arrive: nobody there"]


async def test_a_sign_may_be_posted() -> None:
    clock = VirtualClock()
    async with listening() as server:
        spec = DeadmanSpec.model_validate({"url": server.url("/ping"), "method": "POST"})
        await pinger(spec, {}, Signs(clock), clock)()
    assert [(request.method, request.path, request.body) for request in server.requests] == [
        ("POST", "/ping", b"")
    ]
    with pytest.raises(ValueError, match="method: goes with url:"):
        DeadmanSpec.model_validate({"channel": "out", "method": "POST"})


async def test_another_configuration_changes_or_ends_the_signs(stand: Stand) -> None:
    await stand.minutes(2)
    stand.switch.adopt(None, {}, stand.signs)
    given = len(stand.signs.at)
    await stand.minutes(5)
    assert len(stand.signs.at) == given
    async with listening() as server:
        spec = DeadmanSpec.model_validate({"url": server.url("/ping/SECRET-PATH"), "every": 30})
        stand.switch.adopt(spec, {}, stand.signs)
        await stand.switch.look()
        server.status = 404
        await stand.switch.look()
    assert [(request.method, request.path) for request in server.requests] == [
        ("GET", "/ping/SECRET-PATH")
    ] * 2
    assert "404" in stand.messages[-1]
    assert "SECRET-PATH" not in stand.messages[-1]
