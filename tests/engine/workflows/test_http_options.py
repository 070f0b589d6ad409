import asyncio
import base64
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.model import ErrorCategory, ErrorType, Outcome
from engine.resilience.retry import DEFAULT
from engine.workflows.plan import judge, plan_step
from engine.workflows.steps import StepSpec, http_spec
from engine.workflows.steps.base import CheckError
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http_spec import HttpSpec
from tests.engine.workflows.examples import example_of
from tests.engine.workflows.http_calls import refusal, send
from tests.engine.workflows.pki import Authority
from tests.engine.workflows.servers import Served, answer, saying, serving

OK = [(":status", "200")]


def test_the_example_is_a_step() -> None:
    step = example_of(http_spec)
    assert step.kind == "http"
    assert plan_step(step, (), lambda _: DEFAULT).expectations[2].root == "cookies"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"auth": {"user": "a", "bearer": "b"}}, "auth is {user, password} or {bearer}"),
        ({"auth": {"password": "b"}}, "auth is {user, password} or {bearer}"),
        ({"auth": {"token": "b"}}, "bearer"),
        ({"auth": {"bearer": "b"}, "headers": {"AUTHORIZATION": "x"}}, "not by both"),
        ({"tls": {"key": "k.pem"}}, "tls.key belongs to a tls.certificate"),
        ({"body": "x", "body_file": "y"}, "at most one of json, form, body, body_file"),
        ({"proxy": "socks4://h:1"}, "a proxy is written"),
        ({"proxy": "socks5://h"}, "a proxy is written"),
        ({"proxy": f"socks5://{'u' * 256}@h:1"}, "at most 255 bytes"),
        ({"proxy": "http://h"}, "a proxy is written"),
        ({"schema": {"type": "nope"}}, "is no JSON Schema"),
        ({"schema": {"$ref": "http://127.0.0.1:9/x"}}, "is no JSON Schema"),
        ({"schema": {"pattern": "(?=a)b"}}, "is no JSON Schema"),
        ({"follow_redirects": "always"}, "same-host"),
        ({"http_version": "3"}, "auto"),
    ],
)
def test_what_does_not_fit_together_is_refused_when_read(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HttpSpec.model_validate({"url": "http://h", **spec})
    assert words in str(caught.value)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_every_method_reaches_the_server(http: HttpStep, method: str) -> None:
    async with serving(saying(answer(b"" if method == "HEAD" else b"{}"))) as served:
        reply = await send(http, served.url, method=method)
    assert served.requests[0].startswith(method.encode() + b" / HTTP/1.1")
    assert reply.fields["status"] == 200


async def test_the_answer_to_head_has_no_body_whatever_its_length_says(http: HttpStep) -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")) as served:
        reply = await send(http, served.url, method="HEAD")
    assert reply.fields["size"] == 0


async def test_a_body_comes_from_a_file_as_it_is_now(http: HttpStep, tmp_path: Path) -> None:
    file = tmp_path / "order.bin"
    bodies = []

    async def keep(head: bytes, writer: asyncio.StreamWriter) -> None:
        bodies.append(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        writer.write(answer())

    async with serving(keep) as served:
        for data in (b"\x00\xff", b"later"):
            file.write_bytes(data)
            await send(http, served.url, method="PUT", body_file=str(file))
    assert bodies == [b"2", b"5"]


async def test_a_body_file_that_cannot_be_sent_is_the_checks_own_fault(
    http: HttpStep, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)
    for path, words in (
        (tmp_path / "none", "cannot be read: no such file"),
        (tmp_path / "pipe", "is no regular file"),
        (tmp_path, "cannot be read: is a directory"),
        (large, "the limit is 16777216"),
    ):
        error = await refusal(http, "http://127.0.0.1:9", body_file=str(path))
        assert isinstance(error, CheckError)
        assert words in error.failure.message


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        (
            {"user": "demo", "password": "pä:ss"},
            b"authorization: Basic " + base64.b64encode("demo:pä:ss".encode()),
        ),
        ({"bearer": "t0ken"}, b"authorization: Bearer t0ken"),
    ],
)
async def test_who_asks_is_said_in_a_header(http: HttpStep, auth: dict[str, str], line: bytes) -> None:
    async with serving(saying(answer())) as served:
        await send(http, served.url, auth=auth)
    assert line in served.requests[0]


async def test_cookies_are_fields(http: HttpStep) -> None:
    lines = 'Set-Cookie: session=a1=b; Path=/; HttpOnly\r\nSet-Cookie: theme="dark"\r\nSet-Cookie: broken\r\n'
    async with serving(saying(answer(headers=lines))) as served:
        reply = await send(http, served.url)
    assert reply.fields["cookies"] == {"session": "a1=b", "theme": "dark", "broken": ""}


# Redirects


@contextlib.asynccontextmanager
async def two_hosts() -> AsyncIterator[tuple[Served, str]]:
    """A server that sends on to itself by another name, and the address to begin at."""

    async def handler(head: bytes, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("sockname")[1]
        places = {b"/a": "/b", b"/b": f"http://localhost:{port}/c"}
        to = places.get(head.split()[1])
        writer.write(answer(status="302 Found", headers=f"Location: {to}\r\n") if to else answer())

    async with serving(handler) as served:
        yield served, served.url + "/a"


async def test_redirects_are_followed_as_far_as_the_policy_goes(http: HttpStep) -> None:
    async with two_hosts() as (served, url):
        reply = await send(http, url, follow_redirects=True)
        assert (reply.fields["status"], reply.fields["redirects"]) == (200, 2)
        error = await refusal(http, url, follow_redirects="same-host")
        assert error.failure.message == "redirect to another host, localhost, is refused (transfer)"
        error = await refusal(http, url, follow_redirects=True, max_redirects=1)
        assert error.failure.message == "over 1 redirects (transfer)"
        before = len(served.requests)
        error = await refusal(http, url, follow_redirects=True, max_redirects=0)
        assert len(served.requests) == before + 1


async def test_no_redirect_leads_from_https_to_http(http: HttpStep, authority: Authority) -> None:
    async with serving(saying(answer())) as plain:
        location = f"Location: {plain.url}/\r\n"
        data = answer(status="302 Found", headers=location)
        async with serving(saying(data), authority.server()) as served:
            error = await refusal(
                http, f"https://127.0.0.1:{served.port}/", verify=False, follow_redirects=True
            )
    assert error.failure.message == "redirect from https to http://127.0.0.1 is refused (transfer)"
    assert plain.requests == []


# Certificates


async def test_a_named_authority_is_trusted_and_a_client_shows_its_certificate(
    http: HttpStep, authority: Authority
) -> None:
    client = str(authority.issue("probe"))
    async with serving(saying(answer()), authority.server(wants_client=True)) as served:
        url = f"https://127.0.0.1:{served.port}/"
        stranger = await refusal(http, url)
        reply = await send(http, url, tls={"ca": str(authority.ca), "certificate": client})
        nobody = await refusal(http, url, tls={"ca": str(authority.ca)})
    assert "authority" in stranger.failure.message
    assert reply.fields["status"] == 200
    assert nobody.failure.type is ErrorType.NETWORK
    assert len(served.requests) == 1


async def test_a_client_shows_its_certificate_to_no_other_host(http: HttpStep, authority: Authority) -> None:
    files = {"ca": str(authority.ca), "certificate": str(authority.issue("probe"))}
    async with serving(saying(answer()), authority.server(wants_client=True)) as other:
        location = f"Location: https://localhost:{other.port}/\r\n"
        data = answer(status="302 Found", headers=location)
        async with serving(saying(data), authority.server(wants_client=True)) as served:
            url = f"https://127.0.0.1:{served.port}/"
            error = await refusal(http, url, tls=files, follow_redirects=True)
    assert len(served.requests) == 1
    assert other.requests == []
    assert error.failure.type is ErrorType.NETWORK


async def test_files_that_are_no_certificates_are_the_checks_own_fault(
    http: HttpStep, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    locked = str(authority.issue("locked", password=b"secret"))
    for files, words in (
        ({"ca": str(tmp_path / "none")}, "the TLS file"),
        ({"ca": str(tmp_path / "junk.pem")}, "the authorities"),
        ({"certificate": str(tmp_path / "junk.pem")}, "the client's certificate"),
        ({"certificate": locked}, "the client's certificate"),
    ):
        async with serving(saying(answer()), authority.server()) as served:
            error = await refusal(http, f"https://127.0.0.1:{served.port}/", tls=files)
        assert isinstance(error, CheckError)
        assert error.failure.message.startswith(words)
        assert "cannot be used" in error.failure.message


# A schema

SCHEMA = {
    "type": "object",
    "required": ["items"],
    "properties": {"items": {"type": "array", "items": {"properties": {"price": {"type": "number"}}}}},
}


@pytest.mark.parametrize(
    ("body", "status", "outcome", "shown"),
    [
        (b'{"items": [{"price": 1}]}', "200 OK", Outcome.OK, "json fits schema"),
        (
            b'{"items": [{"price": 1}, {"price": "free"}]}',
            "200 OK",
            Outcome.FAILED,
            'json (items[1].price: "free" is not of type "number") fits schema',
        ),
        (b"{}", "200 OK", Outcome.FAILED, 'json ("items" is a required property) fits schema'),
        (b"<html>", "503 Down", Outcome.FAILED, "json (the body is no JSON) fits schema"),
    ],
)
async def test_the_body_is_held_against_a_schema(
    http: HttpStep, body: bytes, status: str, outcome: Outcome, shown: str
) -> None:
    step = StepSpec.model_validate({"id": "s", "http": {"url": "http://h", "schema": SCHEMA}})
    async with serving(saying(answer(body, status))) as served:
        reply = await send(http, served.url, schema=SCHEMA)
    verdict = judge(plan_step(step, (), lambda _: DEFAULT), reply)
    assert (verdict.outcome, verdict.assertions[0].shown) == (outcome, shown)
    if status.startswith("503"):
        assert verdict.failure is not None
        assert verdict.failure.type is ErrorType.TRANSIENT


async def test_a_hostile_body_does_not_hold_up_its_schema(http: HttpStep) -> None:
    schema = {"type": "array", "items": {"type": "string", "pattern": "^(a+)+$"}}
    body = json.dumps(["a" * 100_000 + "!", *range(100_000)]).encode()
    async with serving(saying(answer(body))) as served, asyncio.timeout(2):
        reply = await send(http, served.url, schema=schema)
    assert not reply.assertions[0].passed
    assert len(reply.assertions[0].shown) < 400


# A proxy


@contextlib.asynccontextmanager
async def tunnelling(status: str = "200 Open") -> AsyncIterator[Served]:
    """A proxy that carries bytes both ways, or refuses to."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        served.requests.append(head)
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
        if status.startswith("2"):
            host, _, port = head.split()[1].decode().rpartition(":")
            there_reader, there = await asyncio.open_connection(host, int(port))
            await asyncio.gather(pump(reader, there), pump(there_reader, writer))
        writer.close()

    served = Served()
    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        await server.wait_closed()


async def test_a_proxy_is_asked_for_the_whole_address_and_told_who_asks(http: HttpStep) -> None:
    async with serving(saying(answer(b'{"by": "proxy"}'))) as proxy:
        reply = await send(
            http, "http://shop.invalid:8080/x?y=1", proxy=f"http://u:p%40@127.0.0.1:{proxy.port}"
        )
    assert reply.fields["json"] == {"by": "proxy"}
    head = proxy.requests[0]
    assert head.startswith(b"GET http://shop.invalid:8080/x?y=1 HTTP/1.1\r\n")
    assert b"proxy-authorization: Basic " + base64.b64encode(b"u:p@") in head
    assert b"\r\nAuthorization" not in head


async def test_https_goes_through_a_tunnel(http: HttpStep, authority: Authority) -> None:
    async with serving(saying(answer()), authority.server()) as served, tunnelling() as proxy:
        url = f"https://localhost:{served.port}/"
        reply = await send(
            http, url, proxy=f"http://u:p@127.0.0.1:{proxy.port}", tls={"ca": str(authority.ca)}
        )
    assert reply.fields["status"] == 200
    assert reply.phases.tls is not None
    assert proxy.requests[0].startswith(f"CONNECT localhost:{served.port} HTTP/1.1".encode())
    assert b"proxy-authorization" in proxy.requests[0]
    assert b"proxy-authorization" not in served.requests[0].lower()


@pytest.mark.parametrize(
    ("status", "kind", "category"),
    [
        ("407 Who", ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
        ("502 Gone", ErrorType.NETWORK, ErrorCategory.NETWORK),
        ("403 No", ErrorType.PERMANENT, ErrorCategory.NETWORK),
    ],
)
async def test_a_proxy_that_refuses_is_named(
    http: HttpStep, status: str, kind: ErrorType, category: ErrorCategory
) -> None:
    async with tunnelling(status) as proxy:
        error = await refusal(http, "https://shop.invalid/", proxy=f"http://127.0.0.1:{proxy.port}")
    words = f"the proxy 127.0.0.1:{proxy.port} refused a tunnel to shop.invalid:443: status {status[:3]}"
    assert error.failure.message == f"{words} (connect)"
    assert (error.failure.type, error.failure.category) == (kind, category)


async def test_http2_without_tls_does_not_go_through_a_proxy(http: HttpStep) -> None:
    async with serving(saying(answer())) as proxy:
        error = await refusal(
            http, "http://shop.invalid/", http_version="2", proxy=f"http://127.0.0.1:{proxy.port}"
        )
    assert isinstance(error, CheckError)
    assert proxy.requests == []


@pytest.mark.parametrize("data", [b"", b"junk\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"x" * 40_000])
async def test_a_proxy_that_talks_nonsense_is_named(http: HttpStep, data: bytes) -> None:
    async with serving(saying(data)) as proxy:
        error = await refusal(http, "https://shop.invalid/", proxy=f"http://127.0.0.1:{proxy.port}")
    assert error.failure.message.startswith(f"the proxy 127.0.0.1:{proxy.port} ")
    assert error.failure.type is ErrorType.NETWORK
