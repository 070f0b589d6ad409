import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.clock import SystemClock
from engine.model import ErrorType
from engine.workflows.steps import tcp
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
from engine.workflows.steps.tcp import TCP_FIELDS, TcpSpec, TcpStep
from tests.engine.workflows.examples import example_of
from tests.engine.workflows.pki import Authority
from tests.engine.workflows.servers import resetting
from tests.engine.workflows.talking import Talker, free_port, listening, nothing_left, polite, silent


@pytest.fixture
async def step() -> AsyncIterator[TcpStep]:
    made = TcpStep(SystemClock())
    yield made
    await made.close()


async def talk(step: TcpStep, port: int, timeout: float = 2.0, **spec: Any) -> Reply:
    given = {"address": f"127.0.0.1:{port}", **spec}
    return await step.run(TcpSpec.model_validate(given), StepContext("", timeout))


async def refusal(step: TcpStep, port: int, timeout: float = 2.0, **spec: Any) -> StepError:
    with pytest.raises(StepError) as caught:
        await talk(step, port, timeout, **spec)
    return caught.value


def saying(data: bytes, then: Talker | None = None) -> Talker:
    async def talker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then is not None:
            await then(reader, writer)

    return talker


def test_the_example_is_a_step() -> None:
    spec = example_of(tcp).spec
    assert isinstance(spec, TcpSpec)
    assert spec.talk[0] == {"send": "EHLO monitor.example\r\n"}


async def test_connecting_is_all_that_is_wanted_without_talk(step: TcpStep) -> None:
    async with listening(silent) as port:
        reply = await talk(step, port)
    assert reply.fields.keys() <= TCP_FIELDS
    assert (reply.fields["size"], reply.fields["address"]) == (0, f"127.0.0.1:{port}")
    assert reply.phases.connect is not None
    assert reply.phases.first_byte is None
    assert reply.attributes["network.peer.address"] == f"127.0.0.1:{port}"


async def test_each_expectation_begins_where_the_last_one_ended(step: TcpStep) -> None:
    lines = [
        {"expect": "^220 "},
        {"send": "one é\r\n"},
        {"expect": "^250 you said one é"},
        {"hex": "74776f 0a"},
        {"expect": "^250 you said (two)$"},
    ]
    async with listening(polite) as port:
        reply = await talk(step, port, talk=lines)
    assert reply.fields["received"].endswith("250 you said two\n")
    assert reply.fields["hex"].startswith("3232302d")
    assert reply.phases.first_byte is not None
    assert reply.phases.transfer is not None


async def test_letters_that_arrive_in_pieces_are_whole(step: TcpStep) -> None:
    async def talker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xc3")
        await reader.readline()
        writer.write(b"\xa9\n")

    async with listening(talker) as port:
        reply = await talk(step, port, talk=[{"send": "go\n"}, {"expect": "^é$"}])
    assert reply.fields["received"] == "é\n"


async def test_tls_from_the_first_byte(step: TcpStep, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with listening(polite, authority.server()) as port:
        reply = await talk(step, port, tls=True, ca=str(authority.ca), talk=[{"expect": "220 ready"}])
        stranger = await refusal(step, port, tls=True)
        wrong_name = await refusal(step, port, tls=True, ca=str(authority.ca), server_name="shop.example")
        unchecked = await talk(step, port, tls=True, verify=False)
    assert reply.phases.tls is not None
    assert "authority" in stranger.failure.message
    assert wrong_name.failure.message == "TLS certificate of shop.example is for another host (tls)"
    assert unchecked.attributes["tls.verify"] is False


@pytest.mark.parametrize(
    ("talker", "message", "kind"),
    [
        (
            silent,
            "no answer with '^220 ' in it within 200 ms from PEER (first byte)",
            ErrorType.TIMEOUT,
        ),
        (
            saying(b"554 \x1b[31mgo away\r\n", silent),
            "no answer with '^220 ' in it, only '554 go away', within 200 ms from PEER (transfer)",
            ErrorType.TIMEOUT,
        ),
        (saying(b""), "PEER closed the connection before '^220 ' came (first byte)", ErrorType.NETWORK),
        (
            saying(b"554 no"),
            "PEER closed the connection before '^220 ' came, after '554 no' (transfer)",
            ErrorType.NETWORK,
        ),
        (saying(b"x" * 6000, silent), "PEER sent over 5000 bytes (transfer)", ErrorType.PERMANENT),
        (
            lambda _, writer: resetting(b"", writer),
            "connection reset by PEER (first byte)",
            ErrorType.NETWORK,
        ),
    ],
)
async def test_what_goes_wrong_is_told_apart(
    step: TcpStep, talker: Talker, message: str, kind: ErrorType
) -> None:
    async with listening(talker) as port:
        error = await refusal(step, port, 0.2, talk=[{"expect": "^220 "}], max_size=5000)
        assert error.failure.message == message.replace("PEER", f"127.0.0.1:{port}")
    assert error.failure.type is kind
    assert not isinstance(error, CheckError)


async def test_a_trickle_meets_the_deadline(step: TcpStep) -> None:
    async def talker(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with listening(talker) as port:
        error = await refusal(step, port, 0.2, talk=[{"expect": "never"}])
    assert error.failure.type is ErrorType.TIMEOUT


async def test_a_closed_port_refuses(step: TcpStep) -> None:
    port = free_port()
    error = await refusal(step, port)
    assert error.failure.message == f"connection refused by 127.0.0.1:{port} (connect)"
    assert error.failure.type is ErrorType.NETWORK


@pytest.mark.parametrize(
    "spec",
    [
        {"talk": [{"send": "a", "expect": "b"}]},
        {"talk": [{"expect": "("}]},
        {"talk": [{"hex": "0g"}]},
        {"talk": [{"shout": "a"}]},
        {"tls": True, "starttls": "smtp"},
        {"starttls": "gopher"},
        {"ca": "x.pem"},
        {"key": "k.pem", "tls": True},
        {"max_size": 0},
    ],
)
def test_a_file_that_makes_no_sense_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TcpSpec.model_validate({"address": "a:1", **spec})


@pytest.mark.parametrize(
    "address", ["host", "host:0", "host:99999", "u@h:1", "h:1/x", "a\r\nb:1", ":1", "h:x"]
)
async def test_an_address_that_is_none_is_the_checks_own_fault(step: TcpStep, address: str) -> None:
    with pytest.raises(CheckError) as caught:
        step.target(TcpSpec(address=address))
    assert caught.value.failure.type is ErrorType.PERMANENT


@pytest.mark.parametrize("line", [{"hex": "{{ a.b }}"}, {"expect": "{{ a.b }}"}])
async def test_a_line_that_was_filled_in_is_checked_then(step: TcpStep, line: dict[str, str]) -> None:
    kind = next(iter(line))
    spec = TcpSpec.model_validate({"address": "127.0.0.1:1", "talk": [line]})
    async with listening(polite) as port:
        filled = spec.model_copy(update={"address": f"127.0.0.1:{port}", "talk": ({kind: "0("},)})
        with pytest.raises(CheckError):
            await step.run(filled, StepContext("", 2.0))


async def test_targets_are_host_and_port(step: TcpStep) -> None:
    assert step.target(TcpSpec(address="Mail.example:25")) == "tcp://mail.example:25"
    assert step.target(TcpSpec(address="[::1]:25")) == "tcp://[::1]:25"
    assert step.target(TcpSpec(address="münchen.example:25")) == "tcp://xn--mnchen-3ya.example:25"


async def test_nothing_is_left_open_after_trouble(step: TcpStep) -> None:
    async with listening(silent) as port, nothing_left():
        wait = {"talk": [{"expect": "never"}]}
        await asyncio.gather(*(refusal(step, port, 0.1, **wait) for _ in range(5)))
        call = asyncio.ensure_future(talk(step, port, 5.0, **wait))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
