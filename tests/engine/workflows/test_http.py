import asyncio
import contextlib
import gc
import gzip
import os
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from engine.clock import SystemClock, settle
from engine.model import ErrorCategory, ErrorType
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
from engine.workflows.steps.decoding import Body, BodyLimitError
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http_spec import HttpSpec
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.request import build_request
from engine.workflows.steps.resolver import Resolver
from engine.workflows.steps.route import DIRECT
from engine.workflows.steps.transport import Transport
from tests.engine.workflows.servers import Handler, answer, hanging, resetting, saying, serving, trickling

TRACEPARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.fixture
async def http() -> AsyncIterator[HttpStep]:
    step = HttpStep(SystemClock())
    yield step
    await step.close()


async def send(http: HttpStep, url: str, timeout: float = 2.0, **spec: Any) -> Reply:
    return await http.run(HttpSpec.model_validate({"url": url, **spec}), StepContext(TRACEPARENT, timeout))


async def fault_of(
    http: HttpStep, handler: Handler, timeout: float = 2.0, **spec: Any
) -> tuple[str, StepError]:
    """The sentence of the failure, with the port left out, and the error."""
    async with serving(handler) as served:
        with pytest.raises(StepError) as caught:
            await send(http, served.url + "/x", timeout, **spec)
        return caught.value.failure.message.replace(f":{served.port}", ""), caught.value


async def test_a_reply_has_its_fields_and_phases(http: HttpStep) -> None:
    data = answer(b'{"token": "abc"}', headers="Content-Type: application/json\r\n")
    async with serving(saying(data)) as served:
        reply = await send(
            http, f"http://u:p@127.0.0.1:{served.port}/login?key=S3CR3T#f", json={"user": "demo"}
        )
    fields = reply.fields
    assert (fields["status"], fields["reason"], fields["size"], fields["http_version"]) == (
        200,
        "OK",
        16,
        "HTTP/1.1",
    )
    assert fields["json"] == {"token": "abc"}
    assert fields["headers"].get("Content-TYPE") == "application/json"
    assert 0 < fields["first_byte"] <= fields["duration"]
    assert reply.phases.dns is None
    assert reply.phases.tls is None
    assert reply.phases.connect is not None
    assert reply.phases.transfer is not None
    assert reply.attributes["url.full"] == f"http://127.0.0.1:{served.port}/login?key"
    assert reply.failure is None
    head = served.requests[0].lower()
    assert b"traceparent: " + TRACEPARENT.encode() in head
    assert b"authorization: basic" in head
    assert b"content-type: application/json" in head


async def test_a_name_of_the_hosts_file_is_resolved_and_timed(http: HttpStep) -> None:
    async with serving(saying(answer())) as served:
        reply = await send(http, f"http://localhost:{served.port}/")
    assert reply.phases.dns is not None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("404 Not Found", ErrorType.PERMANENT),
        ("429 Slow", ErrorType.RATE_LIMIT),
        ("503 Down", ErrorType.TRANSIENT),
    ],
)
async def test_a_status_of_400_or_above_is_a_failure(http: HttpStep, status: str, kind: ErrorType) -> None:
    async with serving(saying(answer(status=status, headers="Retry-After: 7\r\n"))) as served:
        reply = await send(http, served.url)
    assert reply.failure is not None
    assert (reply.failure.type, reply.failure.retry_after) == (kind, 7.0)
    assert reply.failure.message == f"status {status} from 127.0.0.1:{served.port}"


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, 0.0), ("Wed, 21 Oct 2099 07:28:00 GMT", 1e9, 1e10)],
)
async def test_retry_after_may_be_a_date(http: HttpStep, value: str, low: float, high: float) -> None:
    async with serving(saying(answer(status="503 Down", headers=f"Retry-After: {value}\r\n"))) as served:
        reply = await send(http, served.url)
    assert reply.failure is not None
    assert reply.failure.retry_after is not None
    assert low <= reply.failure.retry_after <= high


async def test_a_retry_after_that_means_nothing_is_ignored(http: HttpStep) -> None:
    async with serving(saying(answer(status="503 Down", headers="Retry-After: soon\r\n"))) as served:
        reply = await send(http, served.url)
    assert reply.failure is not None
    assert reply.failure.retry_after is None


HEAD = b"HTTP/1.1 200 OK\r\n"


PEER = "127.0.0.1"
GZIP = HEAD + b"content-encoding: gzip\r\n\r\n"


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (resetting, f"connection reset by {PEER} (first byte)"),
        (saying(b""), f"{PEER} closed the connection without an answer (first byte)"),
        (saying(HEAD + b"x-half: 1"), f"{PEER} closed the connection without an answer (first byte)"),
        (
            saying(HEAD + b"content-length: 99\r\n\r\nshort"),
            f"{PEER} closed the connection before the body was complete (transfer)",
        ),
        (
            saying(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\nx"),
            f"{PEER} does not speak HTTP as it should: Invalid character in chunk size",
        ),
        (saying(b"\x00\xff garbage\r\n\r\n"), f"{PEER} does not speak HTTP as it should"),
        (saying(b"HTTP/1.1 100 Continue\r\n\r\n" * 500), f"{PEER} sent over 10 interim answers"),
        (saying(HEAD + b"x: " + b"y" * 100_000), f"{PEER} sent headers over 65536 bytes"),
        (saying(GZIP + b"not gzip"), "the compressed body is broken (transfer)"),
        (saying(GZIP + gzip.compress(b"x" * 999)[:-9]), "the compressed body is broken (transfer)"),
        (saying(GZIP + gzip.compress(b"x" * 50_000_000)), "body over 1000 bytes (transfer)"),
        (saying(HEAD + b"\r\n" + b"x" * 2_000), "body over 1000 bytes (transfer)"),
        (trickling(HEAD + b"\r\n", b"y" * 65_536, 0.0), "body over 1000 bytes (transfer)"),
    ],
)
async def test_a_broken_answer_is_a_failure_in_words(http: HttpStep, handler: Handler, words: str) -> None:
    message, _ = await fault_of(http, handler, max_body=1000)
    assert message.startswith(words)


@pytest.mark.parametrize(
    ("handler", "place"),
    [
        (hanging, "first byte"),
        (trickling(HEAD, b"x-slow: 1\r\n"), "first byte"),
        (trickling(HEAD + b"\r\n", b"z"), "transfer"),
    ],
)
async def test_the_deadline_is_total(http: HttpStep, handler: Handler, place: str) -> None:
    started = time.perf_counter()
    message, error = await fault_of(http, handler, timeout=0.2)
    assert message == f"no answer within 200 ms from 127.0.0.1 ({place})"
    assert error.failure.type is ErrorType.TIMEOUT
    assert time.perf_counter() - started < 1.5
    assert error.phases.connect is not None


async def test_a_refused_connection_and_an_unknown_name(http: HttpStep) -> None:
    async with serving(hanging) as served:
        port = served.port
    for url, words in (
        (f"http://127.0.0.1:{port}", f"connection refused by 127.0.0.1:{port} (connect)"),
        (f"http://[::1]:{port}", f"connection refused by [::1]:{port} (connect)"),
        ("http://nosuch.invalid", "name nosuch.invalid does not resolve (dns)"),
        ("http://a..b", "a..b is not a name (dns)"),
    ):
        with pytest.raises(StepError) as caught:
            await send(http, url)
        assert caught.value.failure.message == words
        assert not isinstance(caught.value, CheckError)


@pytest.mark.parametrize(
    "spec",
    [
        {"url": "file:///etc/passwd"},
        {"url": "http://"},
        {"url": "http://h:99999/"},
        {"url": "http://[::1"},
        {"url": "http://h/\r\nx: y"},
        {"url": "not an address"},
        {"url": "http://h", "headers": {"x": "a\r\ninjected: 1"}},
        {"url": "http://h", "headers": {"x\ny": "a"}},
        {"url": "http://h/", "headers": {"two words": "a"}},
        {"url": "http://h/", "method": "POST", "headers": {"content-length": "2"}, "body": "long"},
        {"url": "http://xn--\u2024/"},
    ],
)
async def test_a_request_that_cannot_be_sent_is_the_checks_own_fault(
    http: HttpStep, spec: dict[str, Any]
) -> None:
    async with serving(saying(answer())) as served:
        request = spec | {"url": spec["url"].replace("//h/", f"//127.0.0.1:{served.port}/")}
        with pytest.raises(CheckError) as caught:
            await http.run(HttpSpec.model_validate(request), StepContext(TRACEPARENT, 1.0))
    assert served.requests == []
    assert (caught.value.failure.type, caught.value.failure.category) == (
        ErrorType.PERMANENT,
        ErrorCategory.VALIDATION,
    )


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_compressed_bodies_are_unpacked(
    http: HttpStep, name: str, pack: Callable[[bytes], bytes]
) -> None:
    data = answer(pack(b'{"a": 1}'), headers=f"Content-Encoding: {name}\r\n")
    async with serving(saying(data)) as served:
        reply = await send(http, served.url)
    assert reply.fields["json"] == {"a": 1}


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"[" * 100_000, b"", b"nan?"])
async def test_a_body_that_is_no_json_is_null(http: HttpStep, body: bytes) -> None:
    async with serving(
        saying(answer(body, headers="content-type: text/plain; charset=nonsense\r\n"))
    ) as served:
        reply = await send(http, served.url)
    assert reply.fields["json"] is None
    assert isinstance(reply.fields["body"], str)


async def test_redirects_are_followed_when_told_to(http: HttpStep) -> None:
    async def handler(head: bytes, writer: asyncio.StreamWriter) -> None:
        target = b"/end" if head.startswith(b"GET /start") else b""
        writer.write(
            answer(status="302 Found", headers="Location: /end\r\n") if target else answer(b'{"at": "end"}')
        )
        await writer.drain()

    async with serving(handler) as served:
        stays = await send(http, served.url + "/start")
        goes = await send(http, served.url + "/start", follow_redirects=True)
    assert stays.fields["status"] == 302
    assert stays.fields["headers"].get("location") == "/end"
    assert goes.fields["json"] == {"at": "end"}


async def test_credentials_stay_with_their_host(http: HttpStep) -> None:
    async with serving(saying(answer())) as other:
        location = f"Location: http://localhost:{other.port}/\r\n"
        async with serving(saying(answer(status="307 Go", headers=location))) as first:
            await send(http, first.url, follow_redirects=True, headers={"Authorization": "Bearer S3CR3T"})
    assert b"S3CR3T" in first.requests[0]
    assert b"S3CR3T" not in other.requests[0]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("/again", "over 5 redirects (transfer)"),
        ("file:///etc/passwd", "file: addresses are refused"),
        ("gopher://127.0.0.1/", "gopher: addresses are refused"),
    ],
)
async def test_redirects_have_an_end_and_a_scheme(http: HttpStep, location: str, words: str) -> None:
    message, error = await fault_of(
        http, saying(answer(status="302 Found", headers=f"Location: {location}\r\n")), follow_redirects=True
    )
    assert message.startswith(words)
    assert error.failure.type is ErrorType.PERMANENT


async def test_text_from_elsewhere_that_is_no_text_is_the_checks_own_fault(http: HttpStep) -> None:
    spec = HttpSpec(url="http://127.0.0.1:9/").model_copy(update={"headers": {"x": "\udcff"}})
    with pytest.raises(CheckError):
        await http.run(spec, StepContext(TRACEPARENT, 1.0))


async def test_a_redirect_from_outside_does_not_reach_this_machine() -> None:
    async with serving(saying(answer())) as served:
        request = build_request(HttpSpec(url=served.url), TRACEPARENT)
        with pytest.raises(StepError, match=r"redirect from outside to 127.0.0.1 is refused"):
            await Transport(Resolver()).fetch(request, DIRECT, Probe(is_outside=True))
    assert served.requests == []


async def test_nothing_is_left_open_after_trouble(http: HttpStep) -> None:
    ended = asyncio.Semaphore(0)

    async def wait_for_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
        ended.release()

    server = await asyncio.start_server(wait_for_the_end, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    gc.collect()  # what earlier tests left behind is not ours to count
    files, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
    async with server, asyncio.timeout(5):
        results = await asyncio.gather(*(send(http, url, 0.1) for _ in range(10)), return_exceptions=True)
        assert all(isinstance(result, StepError) for result in results)
        call = asyncio.ensure_future(send(http, url, 5.0))
        await settle()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        for _ in range(11):
            await ended.acquire()
        await settle()
        assert len(os.listdir("/proc/self/fd")) <= files
        assert len(asyncio.all_tasks()) == tasks


async def test_requests_share_no_cookies(http: HttpStep) -> None:
    async with serving(saying(answer(headers="Set-Cookie: a=b; Path=/\r\n"))) as served:
        await send(http, served.url)
        await send(http, served.url)
    assert b"cookie" not in served.requests[1].lower()


def test_a_bomb_is_never_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(BodyLimitError, match="body over 1000 bytes"):
            Body("gzip", 1000).feed(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


async def test_targets_are_scheme_host_and_port(http: HttpStep) -> None:
    assert http.target(HttpSpec(url="https://Shop.example/x?y")) == "https://shop.example:443"
    assert http.target(HttpSpec(url="http://u:p@127.0.0.1:81/")) == "http://127.0.0.1:81"
    assert http.target(HttpSpec(url="http://[::1]/")) == "http://[::1]:80"
