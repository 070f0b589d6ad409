"""Answers over HTTP/1.1 as servers send them, cut as networks cut them; requests as they go out."""

import asyncio
import gc
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import ErrorType
from engine.workflows.steps.answer import Answer
from engine.workflows.steps.base import CheckError, StepError
from engine.workflows.steps.decoding import Body
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http1 import HEADER_LIMIT, Http1Stream, encode
from engine.workflows.steps.http_spec import HttpSpec
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.request import build_request
from engine.workflows.steps.wire import Wire
from tests.engine.workflows.http_calls import TRACEPARENT, refusal, send
from tests.engine.workflows.servers import answer, saying, serving

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
PEER = "127.0.0.1:80"
WHOLE = (
    b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    b"HTTP/1.1 200 All is well\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\n"
)


class Script(Wire):
    """Brings these bytes, one piece to a read, and then the end."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def write(self, data: bytes) -> None:
        """Nobody is there to hear it."""

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def request_of(**spec: Any) -> bytes:
    return encode(build_request(HttpSpec.model_validate({"url": "http://h/", **spec}), TRACEPARENT), None)


async def exchange(*pieces: bytes, method: str = "GET", limit: int = 1000) -> tuple[Answer, bytes]:
    probe = Probe(peer=PEER)
    stream = Http1Stream(Script(*pieces), probe)
    spec = HttpSpec.model_validate({"url": "http://h/", "method": method})
    found = await stream.respond(build_request(spec, TRACEPARENT))
    probe.begin("transfer")
    body = Body("", limit)
    await stream.take(body)
    return found, body.finish()


async def complaint(*pieces: bytes) -> str:
    with pytest.raises(StepError) as caught:
        await exchange(*pieces)
    assert caught.value.failure.type is ErrorType.NETWORK
    return caught.value.failure.message


@given(cuts=st.lists(st.integers(1, len(WHOLE) - 1), unique=True).map(sorted))
def test_an_answer_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    ends = [0, *cuts, len(WHOLE)]
    pieces = [WHOLE[start:end] for start, end in itertools.pairwise(ends)]
    found, body = asyncio.run(exchange(*pieces))
    assert (found.status, found.reason, found.version, body) == (200, "All is well", "1.1", b"hello world")
    assert found.values(b"set-cookie") == ["a=1", "b=2"]
    assert found.values(b"link") == found.values(b"trailer") == []


@given(end=st.integers(1, len(WHOLE) - 1))
def test_an_answer_that_stops_short_is_never_taken_for_whole(end: int) -> None:
    with pytest.raises(StepError, match="closed the connection"):
        asyncio.run(exchange(WHOLE[:end]))


@pytest.mark.parametrize(
    ("data", "method", "body"),
    [
        (HEAD + b"\r\nto the end", "GET", b"to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", "GET", b"old"),
        (b"HTTP/1.1 200 OK\na: b\n\nbare lines", "GET", b"bare lines"),
        (CHUNKED + b"2  \r\nhi\r\n0\r\n\r\n", "GET", b"hi"),
        (b"HTTP/1.1 204 Nothing\r\ncontent-length: 9\r\n\r\n", "GET", b""),
        (b"HTTP/1.1 304 Same\r\ncontent-length: 9\r\n\r\n", "GET", b""),
        (HEAD + b"content-length: 9\r\n\r\n", "HEAD", b""),
        (HEAD + b"content-length: 2\r\n\r\nhi", "HEAD", b""),
        (CHUNKED, "HEAD", b""),
        (HEAD + b"content-length: 2\r\n\r\nhiHTTP/1.1 500 Next\r\n\r\n", "GET", b"hi"),
        (HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nhi and more", "GET", b"hi"),
        (HEAD + b"content-length: 2\r\n\r\nhi\x00\xff", "GET", b"hi"),
        (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", "GET", b""),
    ],
)
async def test_where_a_body_ends(data: bytes, method: str, body: bytes) -> None:
    found, taken = await exchange(data, method=method)
    assert found.status in (200, 204, 304)
    assert taken == body


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\nhi", "Duplicate Content-Length"),
        (HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n", "Transfer-Encoding"),
        (HEAD + b"transfer-encoding: gzip\r\n\r\nx", "transfer-encoding gzip"),
        (HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n", "Transfer-Encoding"),
        (HEAD + b"content-length: -1\r\n\r\n", "Content-Length"),
        (HEAD + b"a: \x01\r\n\r\n", "header value"),
        (HEAD + b"two words: b\r\n\r\n", "header"),
        (b"HTTP/1.1 099 Odd\r\n\r\n", "status 99"),
        (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "status 101"),
        (b"RTSP/1.0 200 OK\r\n\r\n", "it is no HTTP"),
        (b"ICE/1.0 200 OK\r\n\r\n", "it is no HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "Expected HTTP/"),
    ],
)
async def test_what_is_no_answer_in_http_is_a_failure(data: bytes, words: str) -> None:
    message = await complaint(data)
    assert message.startswith(f"{PEER} does not speak HTTP as it should: ")
    assert words.lower() in message.lower()


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"x: ",
        HEAD + b"x: y\r\n" * 1_000 + b"x: ",
        CHUNKED + b"1\r\na\r\n0\r\nx: ",
        CHUNKED + b"1\r\na\r\n2;x=",
        CHUNKED + b"1\r\na\r\n" + b"0" * 100,
    ],
)
async def test_what_brings_no_body_has_a_bound(data: bytes) -> None:
    filler = b"0" * 4_096
    message = await complaint(data, *[filler] * (HEADER_LIMIT // len(filler) + 1))
    assert message.startswith(f"{PEER} ")
    assert "over 65536 bytes" in message or "Chunk size overflow" in message


async def test_a_long_body_in_many_small_chunks_is_no_long_head() -> None:
    _, body = await exchange(CHUNKED, *[b"1;ext=abcdef\r\nx\r\n" * 1_000] * 20, b"0\r\n\r\n", limit=20_000)
    assert len(body) == 20_000


async def test_a_request_is_the_same_each_time_and_values_are_not_mixed_up(http: HttpStep) -> None:
    async with serving(saying(answer())) as served:
        for value in (1, True, "1", 1.0, 1):
            await send(http, served.url + "/?a=b", params={"v": value})
    targets = [head.split()[1] for head in served.requests]
    assert targets == [f"/?a=b&v={shown}".encode() for shown in ("1", "true", "1", "1.0", "1")]
    assert served.requests[0] == served.requests[-1]


@pytest.mark.parametrize(
    ("spec", "present", "absent"),
    [
        ({}, [b"Host: h\r\n", b"traceparent: " + TRACEPARENT.encode(), b"user-agent: tocsin/"], [b"length"]),
        ({"method": "POST"}, [b"content-length: 0\r\n"], [b"content-type"]),
        (
            {"headers": {"HOST": "other", "Accept": "x/y"}},
            [b"HOST: other\r\n", b"Accept: x/y\r\n"],
            [b"*/*", b"Host: h"],
        ),
        ({"headers": {"Traceparent": "mine"}}, [b"Traceparent: mine\r\n"], [TRACEPARENT.encode()]),
        ({"json": {"ä": 1}}, [b"content-type: application/json\r\n", '{"ä":1}'.encode()], []),
        ({"form": {"a b": "c&d"}}, [b"x-www-form-urlencoded\r\n", b"\r\n\r\na+b=c%26d"], []),
        ({"json": 1, "headers": {"Content-Type": "text/x"}}, [b"Content-Type: text/x\r\n"], [b"/json"]),
        ({"body": "hi", "headers": {"Content-Length": "2"}}, [b"Content-Length: 2\r\n"], [b"content-length"]),
        (
            {"body": "hi", "headers": {"Transfer-Encoding": "chunked"}},
            [b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n"],
            [b"content-length"],
        ),
        ({"body": "", "headers": {"Transfer-Encoding": "chunked"}}, [b"\r\n\r\n0\r\n\r\n"], [b"length"]),
        ({"url": "http://h:8080/a b?c=ä#part"}, [b"GET /a%20b?c=%C3%A4 HTTP/1.1\r\n", b"Host: h:8080"], []),
    ],
)
def test_what_goes_out(spec: dict[str, Any], present: list[bytes], absent: list[bytes]) -> None:
    data = request_of(**spec)
    assert [part for part in present if part not in data] == []
    assert [part for part in absent if part in data] == []


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"x": " a"}, "begins or ends with a space"),
        ({"x": "ä"}, "cannot be made"),
        ({"": "a"}, "is no name of a header"),
        ({"x:y": "a"}, "is no name of a header"),
        ({"transfer-encoding": "gzip"}, "only say chunked"),
        ({"transfer-encoding": "chunked", "content-length": "0"}, "not both"),
        ({"content-length": "1"}, "says 1, the body has 0 bytes"),
    ],
)
def test_headers_that_would_not_do_are_the_checks_own_fault(headers: dict[str, str], words: str) -> None:
    with pytest.raises(CheckError) as caught:
        request_of(headers=headers)
    assert words in caught.value.failure.message


async def test_a_redirect_is_followed_without_its_body_and_takes_no_body_along(http: HttpStep) -> None:
    async def handler(head: bytes, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"POST"):
            writer.write(b"HTTP/1.1 303 Go\r\nlocation: /there\r\nset-cookie: a=1\r\n\r\nnever ends")
            await asyncio.Event().wait()
        writer.write(answer(b'{"at": "there"}'))

    async with serving(handler) as served:
        reply = await send(http, served.url, method="POST", json={"a": 1}, follow_redirects=True)
    assert (reply.fields["redirects"], reply.fields["json"]) == (1, {"at": "there"})
    assert reply.attributes["http.request.method"] == "GET"
    second = served.requests[1].lower()
    assert b"content-length" not in second
    assert b"cookie" not in second
    assert second.count(b"traceparent") == second.count(b"host: ") == 1


async def test_a_redirect_that_keeps_the_method_keeps_the_body(http: HttpStep) -> None:
    bodies: list[bytes] = []

    async def handler(head: bytes, writer: asyncio.StreamWriter) -> None:
        bodies.append(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        moved = head.startswith(b"PUT /a")
        writer.write(answer(status="308 Moved", headers="location: /b\r\n") if moved else answer())

    async with serving(handler) as served:
        reply = await send(http, served.url + "/a", method="PUT", body="data", follow_redirects=True)
    assert reply.fields["status"] == 200
    assert bodies == [b"4", b"4"]


@pytest.mark.parametrize("location", ["http://h:99999/", "http://h:abc/S3CR3T"])
async def test_a_redirect_to_no_address_is_the_servers_fault(http: HttpStep, location: str) -> None:
    data = answer(status="302 Found", headers=f"location: {location}\r\n")
    async with serving(saying(data)) as served:
        stays = await send(http, served.url)
        error = await refusal(http, served.url, follow_redirects=True)
    assert stays.fields["status"] == 302
    assert not isinstance(error, CheckError)
    assert error.failure.message.startswith("a redirect leads nowhere")
    assert "S3CR3T" not in error.failure.message
    assert error.failure.type is ErrorType.PERMANENT


async def test_a_probe_leaves_nothing_to_the_garbage_collector(http: HttpStep) -> None:
    async with serving(saying(answer())) as served:
        await send(http, served.url)
        gc.collect()
        gc.disable()
        try:
            await send(http, served.url)
            left = [thing for thing in gc.get_objects() if isinstance(thing, Http1Stream)]
        finally:
            gc.enable()
    assert left == []
