"""Requests through a SOCKS5 proxy, and proxies that do not do their work."""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from engine.model import ErrorCategory, ErrorType
from engine.workflows.steps.base import CheckError, StepContext
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http_spec import HttpSpec
from tests.engine.workflows.http_calls import TRACEPARENT, refusal, send
from tests.engine.workflows.pki import Authority
from tests.engine.workflows.servers import answer, saying, serving


@dataclass
class SocksProxy:
    """A proxy that wants `login` when it is given, answers `code`, and tells whom it was asked for."""

    login: tuple[bytes, bytes] | None = None
    code: int = 0
    bound: bytes = b"\x01\x00\x00\x00\x00\x00\x00"
    port: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"socks5://127.0.0.1:{self.port}"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if await self._greet(reader, writer):
                await self._carry(reader, writer)
        writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if self.login is None:
            writer.write(b"\x05\x00")
            return True
        if 2 not in methods:
            writer.write(b"\x05\xff")
            return False
        writer.write(b"\x05\x02")
        given = []
        await reader.readexactly(1)
        for _ in range(2):
            given.append(await reader.readexactly((await reader.readexactly(1))[0]))
        is_known = tuple(given) == self.login
        writer.write(b"\x01" + (b"\x00" if is_known else b"\x01"))
        return is_known

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(3) == b"\x05\x01\x00"
        kind = (await reader.readexactly(1))[0]
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"{kind} {host}")
        writer.write(bytes([5, self.code, 0]) + self.bound)
        if self.code != 0:
            return
        there_reader, there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, there), pump(there_reader, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


@contextlib.asynccontextmanager
async def proxying(proxy: SocksProxy) -> AsyncIterator[SocksProxy]:
    server = await asyncio.start_server(proxy.talk, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("host", "asked"),
    [("shop.invalid", "3 shop.invalid"), ("127.0.0.1", "1 127.0.0.1"), ("[::1]", "4 ::1")],
)
@pytest.mark.parametrize(
    "bound",
    [b"\x01\x00\x00\x00\x00\x00\x00", b"\x04" + b"\x00" * 18, b"\x03\x05proxy\x00\x00"],
)
async def test_the_proxy_is_asked_for_the_host_and_the_host_for_the_page(
    http: HttpStep, host: str, asked: str, bound: bytes
) -> None:
    async with (
        serving(saying(answer(b'{"by": "host"}'))) as served,
        proxying(SocksProxy(bound=bound)) as proxy,
    ):
        reply = await send(http, f"http://{host}:{served.port}/x?y=1", proxy=proxy.url)
    assert reply.fields["json"] == {"by": "host"}
    assert reply.phases.dns is None
    assert reply.phases.connect is not None
    assert served.requests[0].startswith(b"GET /x?y=1 HTTP/1.1\r\n")
    assert proxy.asked == [asked]


async def test_tls_goes_through_and_a_password_stays_with_the_proxy(
    http: HttpStep, authority: Authority
) -> None:
    async with (
        serving(saying(answer()), authority.server()) as served,
        proxying(SocksProxy(login=("ä".encode(), b"p@"))) as proxy,
    ):
        url = proxy.url.replace("//", "//%C3%A4:p%40@")
        reply = await send(
            http, f"https://localhost:{served.port}/", proxy=url, tls={"ca": str(authority.ca)}
        )
    assert reply.fields["status"] == 200
    assert reply.phases.tls is not None
    assert b"authorization" not in served.requests[0].lower()
    assert proxy.asked == ["3 localhost"]


@pytest.mark.parametrize("user", ["", "demo:wrong@"])
async def test_a_proxy_that_does_not_know_who_asks(http: HttpStep, user: str) -> None:
    async with proxying(SocksProxy(login=(b"demo", b"right"))) as proxy:
        error = await refusal(http, "http://shop.invalid/", proxy=proxy.url.replace("//", f"//{user}"))
    assert error.failure.message == f"the proxy 127.0.0.1:{proxy.port} does not let in who asks (connect)"
    assert (error.failure.type, error.failure.category) == (
        ErrorType.PERMANENT,
        ErrorCategory.AUTHENTICATION,
    )


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        (2, "its rules do not allow it", ErrorType.PERMANENT),
        (5, "the connection was refused", ErrorType.NETWORK),
        (99, "code 99", ErrorType.NETWORK),
    ],
)
async def test_a_way_that_is_not_opened(http: HttpStep, code: int, words: str, kind: ErrorType) -> None:
    async with proxying(SocksProxy(code=code)) as proxy:
        error = await refusal(http, "http://shop.invalid:8080/", proxy=proxy.url)
    place = f"the proxy 127.0.0.1:{proxy.port} opened no way to shop.invalid:8080"
    assert error.failure.message == f"{place}: {words} (connect)"
    assert error.failure.type is kind


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "closed the connection without an answer"),
        (b"\x05", "closed the connection without an answer"),
        (b"HTTP/1.1 400 What\r\n\r\n", "does not speak SOCKS5"),
        (b"\x05\x00\x04\x00\x00\x01", "does not speak SOCKS5"),
        (b"\x05\x00\x05\x00\x00\x09", "does not speak SOCKS5"),
        (b"\x05\x00\x05\x00\x00\x03\x09abc", "closed the connection without an answer"),
    ],
)
async def test_a_proxy_that_talks_nonsense_is_named(http: HttpStep, data: bytes, words: str) -> None:
    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.write_eof()
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await refusal(http, "http://shop.invalid/", proxy=f"socks5://127.0.0.1:{port}")
    assert error.failure.message.startswith(f"the proxy 127.0.0.1:{port} {words}")
    assert error.failure.type is ErrorType.NETWORK


async def test_what_a_proxy_cannot_be_asked_for_is_the_checks_own_fault(http: HttpStep) -> None:
    async with proxying(SocksProxy()) as proxy:
        error = await refusal(http, f"http://{'a.' * 130}invalid/", proxy=proxy.url)
    assert isinstance(error, CheckError)
    spec = HttpSpec(url="http://h").model_copy(update={"proxy": "ftp://h:1"})
    with pytest.raises(CheckError, match="a proxy is written"):
        await http.run(spec, StepContext(TRACEPARENT, 1.0))
