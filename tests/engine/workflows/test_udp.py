import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from engine.clock import SystemClock
from engine.model import ErrorType
from engine.workflows.steps import udp
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
from engine.workflows.steps.udp import UDP_FIELDS, UdpSpec, UdpStep
from tests.engine.workflows.examples import example_of
from tests.engine.workflows.talking import free_port, nothing_left

ASK = [{"send": "ping"}, {"expect": "^pong"}]


@contextlib.asynccontextmanager
async def answering(answer: Callable[[bytes], list[bytes]]) -> AsyncIterator[int]:
    """A port where each datagram is answered by some."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        raw.bind(("127.0.0.1", 0))

        def on_datagram() -> None:
            data, address = raw.recvfrom(65_535)
            for piece in answer(data):
                raw.sendto(piece, address)

        loop.add_reader(raw, on_datagram)
        try:
            yield raw.getsockname()[1]
        finally:
            loop.remove_reader(raw)


@pytest.fixture
async def step() -> AsyncIterator[UdpStep]:
    made = UdpStep(SystemClock())
    yield made
    await made.close()


async def ask(step: UdpStep, port: int, timeout: float = 2.0, **spec: Any) -> Reply:
    given = {"address": f"127.0.0.1:{port}", "talk": ASK, **spec}
    return await step.run(UdpSpec.model_validate(given), StepContext("", timeout))


def test_the_example_is_a_step() -> None:
    assert example_of(udp).kind == "udp"


async def test_questions_are_answered_in_order(step: UdpStep) -> None:
    heard: list[bytes] = []

    def answer(data: bytes) -> list[bytes]:
        heard.append(data)
        return [b"note", b"pong" + data]

    talk = [{"send": "é"}, {"expect": "pongé"}, {"hex": "00 ff"}, {"expect": "pong\\x00"}]
    async with answering(answer) as port, nothing_left():
        reply = await ask(step, port, talk=talk)
    assert heard == ["é".encode(), b"\0\xff"]
    assert set(reply.fields) == UDP_FIELDS - {"dns"}
    assert reply.fields["received"].startswith("notepongé")
    assert reply.fields["hex"].endswith("00ff")
    assert reply.fields["address"] == f"127.0.0.1:{port}"
    assert reply.phases.first_byte is not None


async def test_an_answer_may_be_empty(step: UdpStep) -> None:
    async with answering(lambda _: [b""]) as port:
        reply = await ask(step, port, talk=[{"send": "?"}, {"expect": ""}])
    assert (reply.fields["received"], reply.fields["size"]) == ("", 0)


@pytest.mark.parametrize(
    ("answer", "message", "kind"),
    [
        (
            lambda _: [],
            "no answer with '^pong' in it within 200 ms from PEER (first byte)",
            ErrorType.TIMEOUT,
        ),
        (
            lambda _: [b"\x1b[2Jbusy"],
            "no answer with '^pong' in it, only 'busy', within 200 ms from PEER (transfer)",
            ErrorType.TIMEOUT,
        ),
        (lambda _: [b"x" * 3000] * 2, "PEER sent over 5000 bytes (transfer)", ErrorType.PERMANENT),
    ],
)
async def test_what_goes_wrong_is_told_apart(
    step: UdpStep, answer: Callable[[bytes], list[bytes]], message: str, kind: ErrorType
) -> None:
    async with answering(answer) as port, nothing_left():
        with pytest.raises(StepError) as caught:
            await ask(step, port, 0.2, max_size=5000)
    assert caught.value.failure.message == message.replace("PEER", f"127.0.0.1:{port}")
    assert caught.value.failure.type is kind


async def test_nobody_there_is_said_by_the_network(step: UdpStep) -> None:
    port = free_port()
    with pytest.raises(StepError) as caught:
        await ask(step, port)
    assert caught.value.failure.message == f"connection refused by 127.0.0.1:{port} (first byte)"
    assert caught.value.failure.type is ErrorType.NETWORK


async def test_what_is_too_long_for_a_datagram_is_a_failure(step: UdpStep) -> None:
    with pytest.raises(StepError, match="message too long"):
        await ask(step, free_port(), talk=[{"send": "x" * 65_530}, {"expect": ""}])


@pytest.mark.parametrize("talk", [[], [{"send": "a"}], [{"expect": "a"}]])
def test_a_check_that_tells_nothing_is_refused(talk: list[dict[str, str]]) -> None:
    with pytest.raises(ValidationError):
        UdpSpec.model_validate({"address": "h:1", "talk": talk})


async def test_targets_are_host_and_port(step: UdpStep) -> None:
    assert step.target(UdpSpec.model_validate({"address": "h.test:53", "talk": ASK})) == "udp://h.test:53"
    with pytest.raises(CheckError):
        step.target(UdpSpec.model_validate({"address": "h.test", "talk": ASK}))
