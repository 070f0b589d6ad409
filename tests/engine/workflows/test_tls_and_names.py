import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.model import ErrorType
from engine.workflows.steps.base import StepContext, StepError
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http_spec import HttpSpec
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.resolver import Resolver, is_inside
from engine.workflows.steps.wire import network_fault
from tests.engine.workflows.servers import answer, hanging, saying, serving

CONTEXT = StepContext("00-" + "a" * 32 + "-" + "b" * 16 + "-01", 2.0)


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command")
    place: Path = tmp_path_factory.mktemp("tls")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(place / "key"), "-out", str(place / "certificate")]
    subject = ["-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, *files, *subject], check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "certificate", place / "key")
    return context


@pytest.fixture
async def http() -> AsyncIterator[HttpStep]:
    step = HttpStep(SystemClock())
    yield step
    await step.close()


async def test_a_self_signed_certificate_is_refused_unless_told_otherwise(
    http: HttpStep, self_signed: ssl.SSLContext
) -> None:
    async with serving(saying(answer()), self_signed) as served:
        url = f"https://127.0.0.1:{served.port}/"
        with pytest.raises(StepError) as caught:
            await http.run(HttpSpec(url=url), CONTEXT)
        assert caught.value.failure.message == "TLS certificate of 127.0.0.1 is self-signed (tls)"
        assert caught.value.failure.type is ErrorType.PERMANENT
        reply = await http.run(HttpSpec(url=url, verify=False), CONTEXT)
    assert reply.fields["status"] == 200
    assert reply.phases.tls is not None


async def test_a_handshake_that_hangs_meets_the_deadline(http: HttpStep) -> None:
    async with serving(hanging) as served:
        with pytest.raises(StepError) as caught:
            await http.run(HttpSpec(url=f"https://127.0.0.1:{served.port}/"), StepContext("", 0.2))
    assert caught.value.failure.message == f"no answer within 200 ms from 127.0.0.1:{served.port} (tls)"


async def test_a_server_without_tls_is_named(http: HttpStep) -> None:
    async def plain_talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(plain_talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(StepError) as caught:
            await http.run(HttpSpec(url=f"https://127.0.0.1:{port}/"), CONTEXT)
    assert caught.value.failure.message.startswith("TLS with 127.0.0.1 failed")


@pytest.mark.parametrize(
    ("code", "words"),
    [(9, "is not yet valid"), (10, "has expired"), (18, "is self-signed"), (62, "is for another host")],
)
def test_each_fault_of_a_certificate_has_its_words(code: int, words: str) -> None:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = code
    probe = Probe()
    probe.begin("tls")
    message = network_fault(error, "shop.example", probe).failure.message
    assert message == f"TLS certificate of shop.example {words} (tls)"


class NameServer(asyncio.DatagramProtocol):
    """Answers every question with one response code (3 is no such name), or with silence."""

    def __init__(self, code: int | None) -> None:
        self._code = code
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if self._code is not None:
            self._transport.sendto(data[:2] + bytes([0x81, 0x80 | self._code]) + data[4:], address)


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "name shop.test does not resolve (dns)"), (None, "no answer within 200 ms from shop.test (dns)")],
)
async def test_what_name_servers_do_is_told_apart(code: int | None, words: str) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: NameServer(code), local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    http = HttpStep(SystemClock(), Resolver([f"127.0.0.1:{port}"]))
    try:
        with pytest.raises(StepError) as caught:
            await http.run(HttpSpec(url="http://shop.test/"), StepContext("", 0.2))
        assert caught.value.failure.message == words
    finally:
        await http.close()
        transport.close()


async def test_addresses_are_taken_as_they_are() -> None:
    resolver = Resolver()
    probe = Probe()
    assert await resolver.resolve("127.0.0.1", probe) == ["127.0.0.1"]
    assert await resolver.resolve("::1", probe) == ["::1"]
    assert probe.phases.dns is None


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("169.254.169.254", True),
        ("0.0.0.0", True),
        ("10.0.0.1", False),
        ("93.184.216.34", False),
    ],
)
def test_inside_is_this_machine_and_its_link(address: str, inside: bool) -> None:
    assert is_inside(address) is inside
