import asyncio
from collections.abc import AsyncIterator
from typing import Any

import dns.flags
import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.clock import SystemClock
from engine.model import ErrorCategory, ErrorType
from engine.workflows.assertions import parse_expectation
from engine.workflows.steps import dns as dns_step
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
from engine.workflows.steps.dns import DNS_FIELDS, DnsSpec, DnsStep
from tests.engine.workflows.examples import example_of
from tests.engine.workflows.name_server import Answer, name_server, records
from tests.engine.workflows.talking import free_port, listening, nothing_left, silent


@pytest.fixture
async def step() -> AsyncIterator[DnsStep]:
    made = DnsStep(SystemClock())
    yield made
    await made.close()


async def ask(step: DnsStep, server: str, timeout: float = 2.0, **spec: Any) -> Reply:
    given = {"name": "shop.test", "server": server, **spec}
    return await step.run(DnsSpec.model_validate(given), StepContext("", timeout))


async def refusal(step: DnsStep, server: str, timeout: float = 2.0, **spec: Any) -> StepError:
    with pytest.raises(StepError) as caught:
        await ask(step, server, timeout, **spec)
    return caught.value


def test_the_example_is_a_step() -> None:
    assert example_of(dns_step).kind == "dns"


async def test_an_answer_has_its_fields(step: DnsStep) -> None:
    answer = records(
        "shop.test. 60 CNAME web.test.",
        "web.test. 300 A 192.0.2.1",
        "web.test. 20 A 192.0.2.2",
        flags=dns.flags.AA | dns.flags.AD,
    )
    async with name_server(answer) as server, nothing_left():
        reply = await ask(step, server)
    fields = reply.fields
    assert set(fields) == DNS_FIELDS - {"dns", "connect"}
    assert (fields["status"], fields["answers"]) == ("NOERROR", ["192.0.2.1", "192.0.2.2"])
    assert (fields["aliases"], fields["ttl"]) == (["web.test."], 20)
    assert (fields["authoritative"], fields["authenticated"], fields["truncated"]) == (True, True, False)
    assert fields["server"] == server
    assert reply.failure is None
    assert reply.phases.first_byte is not None
    assert reply.attributes["dns.response.code"] == "NOERROR"
    assert parse_expectation("answers contains 192.0.2.2").check(fields).passed


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("AAAA", "2001:db8::1", "2001:db8::1"),
        ("MX", "10 mail.test.", "10 mail.test."),
        ("TXT", '"v=spf1 " "-all"', "v=spf1 -all"),
        ("SRV", "1 2 443 web.test.", "1 2 443 web.test."),
        ("CAA", '0 issue "ca.test"', '0 issue "ca.test"'),
        ("CNAME", "web.test.", "web.test."),
    ],
)
async def test_records_of_any_type_are_text(step: DnsStep, kind: str, data: str, text: str) -> None:
    async with name_server(records(f"shop.test. 60 {kind} {data}")) as server:
        reply = await ask(step, server, type=kind.lower())
    assert (reply.fields["answers"], reply.fields["text"], reply.fields["aliases"]) == ([text], text, [])


async def test_an_address_is_asked_for_backwards(step: DnsStep) -> None:
    asked: list[str] = []

    def answer(question: dns.message.Message, over_tcp: bool) -> list[bytes]:
        asked.append(question.question[0].name.to_text())
        return records(f"{asked[-1]} 60 PTR shop.test.")(question, over_tcp)

    async with name_server(answer) as server:
        await ask(step, server, name="192.0.2.7", type="PTR")
        await ask(step, server, name="7.2.0.192.in-addr.arpa", type="PTR")
    assert asked == ["7.2.0.192.in-addr.arpa."] * 2


async def test_what_was_asked_for_is_in_the_question(step: DnsStep) -> None:
    asked: list[dns.message.Message] = []

    def answer(question: dns.message.Message, over_tcp: bool) -> list[bytes]:
        asked.append(question)
        return records("shop.test. 60 A 192.0.2.1")(question, over_tcp)

    async with name_server(answer) as server:
        await ask(step, server)
        await ask(step, server, recursion=False, dnssec=True)
    assert [bool(question.flags & dns.flags.RD) for question in asked] == [True, False]
    assert [bool(question.ednsflags & dns.flags.DO) for question in asked] == [False, True]


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
async def test_an_answer_that_does_not_fit_comes_over_tcp(step: DnsStep, protocol: str) -> None:
    lines = [f"shop.test. 60 A 10.0.{number // 250}.{number % 250}" for number in range(1500)]
    async with name_server(records(*lines)) as server, nothing_left():
        reply = await ask(step, server, protocol=protocol)
    assert len(reply.fields["answers"]) == 1000
    assert reply.fields["size"] > 20_000
    assert reply.fields["truncated"] is (protocol == "udp")
    assert reply.phases.connect is not None


@pytest.mark.parametrize(
    ("code", "message", "kind", "category"),
    [
        (2, "SERVER answered SERVFAIL for shop.test A", ErrorType.TRANSIENT, ErrorCategory.NETWORK),
        (3, "SERVER answered NXDOMAIN for shop.test A", ErrorType.PERMANENT, ErrorCategory.NOT_FOUND),
        (5, "SERVER answered REFUSED for shop.test A", ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
        (0, "shop.test has no A record at SERVER", ErrorType.PERMANENT, ErrorCategory.NOT_FOUND),
    ],
)
async def test_each_response_code_has_its_meaning(
    step: DnsStep, code: int, message: str, kind: ErrorType, category: ErrorCategory
) -> None:
    async with name_server(records(code=code)) as server:
        reply = await ask(step, server)
    assert reply.failure is not None
    assert reply.failure.message == message.replace("SERVER", server)
    assert (reply.failure.type, reply.failure.category) == (kind, category)
    assert (reply.fields["answers"], reply.fields["ttl"]) == ([], None)


def broken(question: dns.message.Message, _: bool) -> list[bytes]:
    return [question.to_wire()[:2] + b"\x81\x80\x00\x01" + b"\xff" * 9]


def elsewhere(question: dns.message.Message, _: bool) -> list[bytes]:
    other = dns.message.make_query("other.test", "A")
    other.id = question.id
    return [dns.message.make_response(other).to_wire()]


def flooding(question: dns.message.Message, _: bool) -> list[bytes]:
    other = dns.message.make_response(question)
    other.id = question.id ^ 1
    return [other.to_wire()] * 101


@pytest.mark.parametrize(
    ("answer", "words", "kind"),
    [
        (lambda *_: [], "no answer within 200 ms from SERVER (first byte)", ErrorType.TIMEOUT),
        (broken, "SERVER does not speak DNS as it should", ErrorType.PERMANENT),
        (elsewhere, "SERVER answered another question (first byte)", ErrorType.PERMANENT),
        (flooding, "SERVER sent 100 answers to other questions (first byte)", ErrorType.NETWORK),
    ],
)
async def test_a_server_that_does_not_answer_is_told_apart(
    step: DnsStep, answer: Answer, words: str, kind: ErrorType
) -> None:
    async with name_server(answer) as server, nothing_left():
        error = await refusal(step, server, 0.2)
    assert error.failure.message.startswith(words.replace("SERVER", server))
    assert error.failure.type is kind


async def test_a_stray_answer_is_passed_over(step: DnsStep) -> None:
    def answer(question: dns.message.Message, over_tcp: bool) -> list[bytes]:
        return [*flooding(question, over_tcp)[:3], *records("shop.test. 60 A 192.0.2.1")(question, over_tcp)]

    async with name_server(answer) as server:
        assert (await ask(step, server)).fields["answers"] == ["192.0.2.1"]


async def test_nobody_there_is_said_by_the_network(step: DnsStep) -> None:
    port = free_port()
    for protocol, place in (("udp", "first byte"), ("tcp", "connect")):
        error = await refusal(step, f"127.0.0.1:{port}", protocol=protocol)
        assert error.failure.message == f"connection refused by 127.0.0.1:{port} ({place})"


async def test_silence_over_tcp_meets_the_deadline(step: DnsStep) -> None:
    async with listening(silent) as port, nothing_left():
        error = await refusal(step, f"127.0.0.1:{port}", 0.2, protocol="tcp")
    assert error.failure.message == f"no answer within 200 ms from 127.0.0.1:{port} (first byte)"

    async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\x00\x40half")

    async with listening(ends) as port:
        error = await refusal(step, f"127.0.0.1:{port}", protocol="tcp")
    assert "closed the connection before the answer was complete" in error.failure.message


async def test_twenty_dead_servers_hold_up_nobody(step: DnsStep) -> None:
    answer = records("shop.test. 60 A 192.0.2.1")
    async with name_server(lambda *_: []) as dead, name_server(answer) as well, nothing_left():
        waiting = [asyncio.ensure_future(refusal(step, dead, 0.5)) for _ in range(20)]
        await ask(step, well, 0.4)
        assert not any(call.done() for call in waiting)
        for call in waiting[10:]:
            call.cancel()
        errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(error, StepError) for error in errors] == [True] * 10 + [False] * 10


@settings(max_examples=50, deadline=None)
@given(data=st.binary(min_size=10, max_size=200))
async def test_nothing_that_arrives_is_more_than_a_failure(data: bytes) -> None:
    step, said = DnsStep(SystemClock()), list[str]()
    async with name_server(lambda question, _: [question.to_wire()[:2] + data]) as server:
        try:
            await ask(step, server)
        except StepError as error:
            said.append(error.failure.message)
        assert all(server in message for message in said)
    await step.close()


@pytest.mark.parametrize("spec", [{"type": "NOPE"}, {"type": "ANY"}, {"type": "AXFR"}, {"name": ""}])
def test_a_question_that_is_none_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DnsSpec.model_validate({"name": "a.test", **spec})


@pytest.mark.parametrize("spec", [{"name": "a..b"}, {"name": "x" * 64}, {"name": "a\nb"}, {"server": "h:0"}])
async def test_what_cannot_be_asked_is_the_checks_own_fault(step: DnsStep, spec: dict[str, Any]) -> None:
    error = await refusal(step, **({"server": "127.0.0.1:1"} | spec))
    assert isinstance(error, CheckError)


async def test_targets_are_servers(step: DnsStep) -> None:
    assert step.target(DnsSpec(name="a", server="2001:db8::53")) == "dns://[2001:db8::53]:53"
    assert step.target(DnsSpec(name="a")) == "dns://system"
