import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.model import ErrorType
from engine.workflows.steps.base import Reply, StepContext, StepError
from engine.workflows.steps.tcp import TcpSpec, TcpStep
from tests.engine.workflows.pki import Authority
from tests.engine.workflows.talking import listening, nothing_left

MYSQL_HELLO = b"\x0a8.4.0\0" + b"\1\0\0\0" + b"saltsalt" + b"\0" + b"\x00\x08" + b"-" * 10
LDAP_YES = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
LDAP_YES_LONG = b"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00"
POSTGRES_ASKS = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


def packet(payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + b"\0" + payload


# Each: what the server says, and after it what it waits to hear, to its last byte.
TALKS: dict[str, list[tuple[bytes, bytes]]] = {
    "smtp": [
        (b"220-a\r\n220 mail.test ESMTP\r\n", b"EHLO tocsin.invalid\r\n"),
        (b"250-mail.test\r\n250-SIZE 1\r\n250 STARTTLS\r\n", b"STARTTLS\r\n"),
        (b"220 go\r\n", b""),
    ],
    "imap": [(b"* OK [CAPABILITY] hi\r\n", b"a1 STARTTLS\r\n"), (b"* note\r\na1 OK begin\r\n", b"")],
    "pop3": [(b"+OK hi\r\n", b"STLS\r\n"), (b"+OK begin\r\n", b"")],
    "ftp": [(b"220-hi\r\n220 hi\r\n", b"AUTH TLS\r\n"), (b"234 begin\r\n", b"")],
    "nntp": [(b"201 hi\r\n", b"STARTTLS\r\n"), (b"382 begin\r\n", b"")],
    "postgres": [(b"", POSTGRES_ASKS), (b"S", b"")],
    "mysql": [(packet(MYSQL_HELLO), b"\x20\0\0\1\x01\x8a\0\0\0\0\0\1\x2d" + bytes(23)), (b"", b"")],
    "ldap": [(b"", b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"), (LDAP_YES, b"")],
}


@pytest.fixture
async def step() -> AsyncIterator[TcpStep]:
    made = TcpStep(SystemClock())
    yield made
    await made.close()


async def talk_with(raw: socket.socket, talk: list[tuple[bytes, bytes]], tls: ssl.SSLContext | None) -> None:
    """Keep to the talk, and read not a byte beyond it: what follows is TLS."""
    loop = asyncio.get_running_loop()
    for said, heard in talk:
        await loop.sock_sendall(raw, said)
        got = b""
        while len(got) < len(heard):
            got += await loop.sock_recv(raw, len(heard) - len(got))
        assert got == heard
    if tls is None:
        await loop.sock_recv(raw, 1)
        return
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_accepted_socket(
        lambda: asyncio.StreamReaderProtocol(reader), raw, ssl=tls
    )
    transport.write(b"secured\n")
    await reader.read()
    transport.close()


@contextlib.asynccontextmanager
async def serving(talk: list[tuple[bytes, bytes]], tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A port where one caller is talked with."""

    async def serve() -> None:
        raw, _ = await asyncio.get_running_loop().sock_accept(listener)
        raw.setblocking(False)
        with raw, contextlib.suppress(ConnectionError):
            await talk_with(raw, talk, tls)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        task = asyncio.create_task(serve())
        yield listener.getsockname()[1]
        async with asyncio.timeout(5):
            await task


async def run(step: TcpStep, port: int, protocol: str, ca: Path, timeout: float = 2.0) -> Reply:
    given = {"address": f"127.0.0.1:{port}", "starttls": protocol, "ca": str(ca)}
    spec = TcpSpec.model_validate({**given, "talk": [{"expect": "^secured$"}]})
    return await step.run(spec, StepContext("", timeout))


@pytest.mark.parametrize("protocol", TALKS)
async def test_tls_begins_by_every_protocol(step: TcpStep, protocol: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with nothing_left(), serving(TALKS[protocol], authority.server()) as port:
        reply = await run(step, port, protocol, authority.ca)
    assert reply.fields["received"] == "secured\n"
    assert reply.phases.tls is not None


async def test_lengths_may_be_written_long(step: TcpStep, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    talk = [TALKS["ldap"][0], (LDAP_YES_LONG, b"")]
    async with serving(talk, authority.server()) as port:
        assert (await run(step, port, "ldap", authority.ca)).fields["size"] == 8


@pytest.mark.parametrize(
    ("protocol", "talk", "why"),
    [
        ("smtp", [(b"554 no\r\n", b"")], "the greeting gave '554 no'"),
        ("smtp", [*TALKS["smtp"][:2], (b"454 later\r\n", b"")], "STARTTLS gave '454 later'"),
        ("smtp", [*TALKS["smtp"][:2], (b"220 go\r\n250 injected\r\n", b"")], "it went on in plain text"),
        ("imap", [TALKS["imap"][0], (b"a1 NO \x1b[2J\r\n", b"")], "STARTTLS gave 'a1 NO '"),
        ("pop3", [TALKS["pop3"][0], (b"-ERR\r\n", b"")], "STLS gave '-ERR'"),
        ("ftp", [TALKS["ftp"][0], (b"530 login first\r\n", b"")], "AUTH TLS gave '530 login first'"),
        ("postgres", [TALKS["postgres"][0], (b"N", b"")], "it has no TLS"),
        ("postgres", [TALKS["postgres"][0], (b"H", b"")], "it said 'H'"),
        ("mysql", [(packet(b"\xff\x15\x04Too many"), b"")], "the greeting is 'Too many'"),
        ("mysql", [(packet(MYSQL_HELLO.replace(b"\x00\x08", b"\x00\x00")), b"")], "it has no TLS"),
        ("ldap", [TALKS["ldap"][0], (LDAP_YES.replace(b"\x0a\x01\x00", b"\x0a\x01\x02"), b"")], "result 2"),
        ("ldap", [TALKS["ldap"][0], (b"HTTP/1.1 400\r\n", b"")], "the answer is no LDAP"),
        ("pop3", [(b"+" * 20_000, b"")], "it said over 16384 bytes"),
    ],
)
async def test_a_refusal_says_why(
    step: TcpStep, protocol: str, talk: list[tuple[bytes, bytes]], why: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    async with nothing_left(), serving(talk) as port:
        with pytest.raises(StepError) as caught:
            await run(step, port, protocol, authority.ca)
    message = f"127.0.0.1:{port} does not begin TLS by {protocol}: {why} (tls)"
    assert caught.value.failure.message == message
    assert caught.value.failure.type is ErrorType.PERMANENT


@pytest.mark.parametrize(("ends", "words"), [(True, "closed the connection before TLS began"), (False, "no")])
async def test_silence_and_hanging_up_are_failures_of_the_network(
    step: TcpStep, ends: bool, words: str, tmp_path: Path
) -> None:
    async def talker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not ends:
            await reader.read()

    authority = Authority(tmp_path)
    async with listening(talker) as port, nothing_left():
        with pytest.raises(StepError) as caught:
            await run(step, port, "ftp", authority.ca, 0.2)
    kind = ErrorType.NETWORK if ends else ErrorType.TIMEOUT
    assert words in caught.value.failure.message
    assert (caught.value.failure.type, caught.value.phases.tls) == (kind, None)
