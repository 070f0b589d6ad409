import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from engine.clock import SystemClock
from engine.model import ErrorType
from engine.workflows.assertions import parse_expectation
from engine.workflows.steps import icmp
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
from engine.workflows.steps.icmp import ICMP_FIELDS, IcmpSpec, IcmpStep, open_echo_socket
from tests.engine.workflows.examples import example_of
from tests.engine.workflows.talking import nothing_left

Behaviour = Callable[[bytes], list[bytes]]


def answered(request: bytes) -> bytes:
    """The echo of a request of IPv4 or IPv6."""
    return bytes([0 if request[0] == 8 else 129]) + request[1:]


@contextlib.asynccontextmanager
async def echoing(behave: Behaviour) -> AsyncIterator[IcmpStep]:
    """A step whose requests reach `behave`, over a pair of sockets in place of the network."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()

    def on_request() -> None:
        for packet in behave(theirs.recv(65_535)):
            theirs.send(packet)

    loop.add_reader(theirs, on_request)
    step = IcmpStep(SystemClock(), open_socket=lambda _: ours)
    try:
        yield step
    finally:
        loop.remove_reader(theirs)
        theirs.close()
        await step.close()


async def ping(step: IcmpStep, timeout: float = 2.0, **spec: Any) -> Reply:
    given = {"host": "127.0.0.1", "interval": "5ms", "wait": "100ms", **spec}
    return await step.run(IcmpSpec.model_validate(given), StepContext("", timeout))


def test_the_example_is_a_step() -> None:
    assert example_of(icmp).kind == "icmp"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_answers_are_measured(host: str) -> None:
    async with echoing(lambda request: [answered(request)]) as step:
        reply = await ping(step, host=host, count=4)
    fields = reply.fields
    assert set(fields) == ICMP_FIELDS - {"dns"}
    assert (fields["sent"], fields["received"], fields["loss"]) == (4, 4, 0.0)
    assert 0 < fields["rtt_min"] <= fields["rtt"] <= fields["rtt_max"] < 1
    assert fields["jitter"] >= 0
    assert (reply.failure, fields["address"]) == (None, host)
    assert parse_expectation("rtt < 1s").check(fields).passed
    assert parse_expectation("rtt < 1s").is_soft


async def test_requests_are_well_formed() -> None:
    seen: list[bytes] = []

    def behave(request: bytes) -> list[bytes]:
        seen.append(request)
        return [answered(request)]

    async with echoing(behave) as step:
        await ping(step, count=2, size=33)
    assert [request[0] for request in seen] == [8, 8]
    assert [int.from_bytes(request[6:8], "big") for request in seen] == [1, 2]
    assert {len(request) for request in seen} == {8 + 33}
    for request in seen:
        words = struct.unpack("!21H", request + b"\0")
        assert sum(words) % 0xFFFF == 0  # what carries its own checksum adds up to nothing


async def test_what_is_lost_is_counted_and_what_is_foreign_is_not() -> None:
    def behave(request: bytes) -> list[bytes]:
        if request[7] == 2:
            return [b"", b"\0" * 8, request, answered(request)[:8] + b"x" * 56]
        return [answered(request)] * 3

    async with echoing(behave) as step:
        reply = await ping(step, count=4)
    assert (reply.fields["received"], reply.fields["loss"]) == (3, 25.0)
    assert reply.failure is None


async def test_no_answer_is_a_failure() -> None:
    async with echoing(lambda _: []) as step:
        reply = await ping(step, count=2)
    assert reply.failure is not None
    assert reply.failure.message == "no answer to 2 echo requests from 127.0.0.1 (echo)"
    assert reply.failure.type is ErrorType.TIMEOUT
    assert (reply.fields["rtt"], reply.fields["jitter"], reply.fields["loss"]) == (None, None, 100.0)


async def test_the_deadline_ends_sending() -> None:
    async with echoing(lambda request: [answered(request)]) as step:
        reply = await ping(step, 0.1, count=100, interval="40ms")
    assert 1 <= reply.fields["sent"] <= 4
    assert reply.fields["duration"] < 0.5


def forbidding(_: str) -> socket.socket:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def unreachable(_: str) -> socket.socket:
    raise OSError(errno.ENETUNREACH, "Network is unreachable")


async def test_a_system_that_forbids_it_is_named_with_a_way_out() -> None:
    step = IcmpStep(SystemClock(), open_socket=forbidding)
    with pytest.raises(CheckError, match=r"this user may not ping; .*ping_group_range") as caught:
        await ping(step)
    assert caught.value.failure.type is ErrorType.PERMANENT


async def test_no_way_there_is_a_failure_of_the_network() -> None:
    step = IcmpStep(SystemClock(), open_socket=unreachable)
    with pytest.raises(StepError) as caught:
        await ping(step)
    assert caught.value.failure.message == "no route to 127.0.0.1 (echo)"
    with pytest.raises(StepError, match=r"127\.0\.0\.1 has no address of IPv6"):
        await ping(step, ip=6)


async def test_this_machine_answers_where_its_system_lets_it() -> None:
    step = IcmpStep(SystemClock())
    try:
        open_echo_socket("127.0.0.1").close()
    except PermissionError:
        with pytest.raises(CheckError, match="ping_group_range"):
            await ping(step)
    else:
        async with nothing_left():
            reply = await ping(step, count=2)
        assert reply.fields["received"] == 2
    await step.close()


async def test_nothing_is_left_open_when_cancelled() -> None:
    async with nothing_left(), echoing(lambda _: []) as step:
        call = asyncio.ensure_future(ping(step, 5.0, wait="5s"))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)


@pytest.mark.parametrize("spec", [{"count": 0}, {"count": 101}, {"size": 15}, {"ip": 5}, {"interval": 0}])
def test_a_file_that_makes_no_sense_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        IcmpSpec.model_validate({"host": "h", **spec})
