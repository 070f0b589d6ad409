import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.clock import SystemClock
from engine.model import ErrorType
from engine.workflows.steps import grpc
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
from engine.workflows.steps.grpc import GRPC_FIELDS, GrpcSpec, GrpcStep
from tests.engine.workflows.examples import example_of
from tests.engine.workflows.http2_server import Answer, Http2Peer, serving_http2
from tests.engine.workflows.pki import Authority
from tests.engine.workflows.servers import answer, saying, serving

HEAD = [(":status", "200"), ("content-type", "application/grpc")]
TRACEPARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def frame(message: bytes) -> bytes:
    return b"\x00" + len(message).to_bytes(4, "big") + message


def saying_status(status: int) -> Answer:
    return lambda peer: peer.reply(HEAD, frame(bytes([8, status])), [("grpc-status", "0")])


def failing(code: int, message: str = "") -> Answer:
    """An answer of trailers only, as servers give to a call they refuse."""
    return lambda peer: peer.reply([*HEAD, ("grpc-status", str(code)), ("grpc-message", message)])


@pytest.fixture
async def step() -> AsyncIterator[GrpcStep]:
    made = GrpcStep(SystemClock())
    yield made
    await made.close()


async def ask(step: GrpcStep, address: str, timeout: float = 2.0, **spec: Any) -> Reply:
    return await step.run(
        GrpcSpec.model_validate({"address": address, **spec}), StepContext(TRACEPARENT, timeout)
    )


async def refusal(step: GrpcStep, address: str, timeout: float = 2.0, **spec: Any) -> StepError:
    with pytest.raises(StepError) as caught:
        await ask(step, address, timeout, **spec)
    return caught.value


def test_the_example_is_a_step() -> None:
    assert example_of(grpc).kind == "grpc"


async def test_a_serving_server_is_asked_as_the_protocol_says(step: GrpcStep) -> None:
    async with serving_http2(saying_status(1)) as served:
        address = f"127.0.0.1:{served.port}"
        reply = await ask(step, address, service="bank.Ledger", metadata={"x-key": "k"})
        whole = await ask(step, address)
    assert reply.fields.keys() <= GRPC_FIELDS
    assert (reply.fields["status"], reply.fields["code"], reply.failure) == ("SERVING", "OK", None)
    assert whole.fields["status"] == "SERVING"
    assert reply.phases.first_byte is not None
    asked = served.seen[0]
    assert asked.headers[":path"] == "/grpc.health.v1.Health/Check"
    assert (asked.headers["te"], asked.headers["x-key"]) == ("trailers", "k")
    assert asked.headers["traceparent"] == TRACEPARENT
    assert asked.body == frame(b"\x0a\x0bbank.Ledger")
    assert served.seen[1].body == frame(b"")


async def test_long_names_are_framed(step: GrpcStep) -> None:
    async with serving_http2(saying_status(1)) as served:
        await ask(step, f"127.0.0.1:{served.port}", service="s" * 300)
    assert served.seen[0].body == frame(b"\x0a\xac\x02" + b"s" * 300)


@pytest.mark.parametrize(("number", "word"), [(2, "NOT_SERVING"), (3, "SERVICE_UNKNOWN"), (99, "UNKNOWN")])
async def test_a_server_that_is_not_well_fails_the_step(step: GrpcStep, number: int, word: str) -> None:
    async with serving_http2(saying_status(number)) as served:
        reply = await ask(step, f"127.0.0.1:{served.port}", service="a.B")
    assert reply.fields["status"] == word
    assert reply.failure is not None
    assert reply.failure.message == f"a.B at 127.0.0.1:{served.port} is {word}"


@pytest.mark.parametrize(
    ("code", "word", "kind"),
    [
        (5, "NOT_FOUND", ErrorType.PERMANENT),
        (12, "UNIMPLEMENTED", ErrorType.PERMANENT),
        (14, "UNAVAILABLE", ErrorType.TRANSIENT),
        (8, "RESOURCE_EXHAUSTED", ErrorType.RATE_LIMIT),
        (4, "DEADLINE_EXCEEDED", ErrorType.TIMEOUT),
        (77, "UNKNOWN", ErrorType.TRANSIENT),
    ],
)
async def test_a_refused_call_is_told_by_its_code(
    step: GrpcStep, code: int, word: str, kind: ErrorType
) -> None:
    async with serving_http2(failing(code, "no%20such%1B[31m service")) as served:
        reply = await ask(step, f"127.0.0.1:{served.port}")
    assert (reply.fields["code"], reply.fields["status"]) == (word, None)
    assert reply.failure is not None
    assert reply.failure.type is kind
    assert reply.failure.message == f"127.0.0.1:{served.port} answered {word}: no such service"


async def test_over_tls(step: GrpcStep, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving_http2(saying_status(1), authority.server("h2")) as served:
        reply = await ask(step, f"localhost:{served.port}", tls=True, ca=str(authority.ca))
        error = await refusal(step, f"localhost:{served.port}", tls=True)
    assert reply.phases.tls is not None
    assert "TLS certificate" in error.failure.message


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (lambda peer: peer.reply([(":status", "502")]), "PEER answered a gRPC call with status 502"),
        (lambda peer: peer.reply(HEAD, b"hello"), "PEER does not speak gRPC: it ended the call"),
        (
            lambda peer: peer.reply(HEAD, b"xy", [("grpc-status", "0")]),
            "PEER sent no answer of a health service",
        ),
        (
            lambda peer: peer.reply(HEAD, frame(b"\x12\x00"), [("grpc-status", "0")]),
            "PEER sent no answer of a health service",
        ),
        (lambda peer: peer.reply(HEAD, b"x" * 10_000), "an answer over 4096 bytes"),
        (lambda peer: peer.transport.write_eof(), "PEER closed the connection without an answer"),
        (lambda peer: None, "no answer within 200 ms from PEER (first byte)"),
    ],
)
async def test_a_broken_answer_is_a_failure_in_words(step: GrpcStep, behave: Answer, words: str) -> None:
    async with serving_http2(behave) as served:
        error = await refusal(step, f"127.0.0.1:{served.port}", 0.2)
    assert error.failure.message.replace(f"127.0.0.1:{served.port}", "PEER").startswith(words)
    assert not isinstance(error, CheckError)


async def test_a_server_of_http1_is_named(step: GrpcStep) -> None:
    async with serving(saying(answer())) as served:
        error = await refusal(step, f"127.0.0.1:{served.port}", 0.5)
    assert error.failure.type in (ErrorType.NETWORK, ErrorType.TIMEOUT)


@pytest.mark.parametrize(
    "spec",
    [
        {"address": "host"},
        {"address": "http://h:1"},
        {"address": "h:99999"},
        {"address": "u@h:1"},
        {"address": "h:1/x"},
        {"address": "h\n:1"},
        {"address": "127.0.0.1:1", "metadata": {"X-Upper": "v"}},
        {"address": "127.0.0.1:1", "metadata": {"grpc-timeout": "1S"}},
        {"address": "127.0.0.1:1", "metadata": {"x": "a\nb"}},
    ],
)
async def test_what_cannot_be_asked_is_the_checks_own_fault(step: GrpcStep, spec: dict[str, Any]) -> None:
    assert isinstance(await refusal(step, **spec), CheckError)


def test_files_belong_to_tls() -> None:
    for spec in ({"ca": "x"}, {"tls": True, "key": "x"}):
        with pytest.raises(ValidationError):
            GrpcSpec.model_validate({"address": "h:1", **spec})


async def test_nothing_is_left_when_cancelled(step: GrpcStep) -> None:
    arrived = asyncio.Event()

    def hold(peer: Http2Peer) -> None:
        arrived.set()

    async with serving_http2(hold) as served:
        call = asyncio.ensure_future(ask(step, f"127.0.0.1:{served.port}", 5.0))
        tasks = len(asyncio.all_tasks())
        async with asyncio.timeout(2):
            await arrived.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert len(asyncio.all_tasks()) == tasks - 1
        assert step.target(GrpcSpec(address="[::1]:50")) == "grpc://::1:50"
