import json
from typing import Any

import h2.errors
import pytest

from engine.model import ErrorType
from engine.workflows.steps.base import CheckError
from engine.workflows.steps.http import HttpStep
from tests.engine.workflows.http2_server import Http2Peer, serving_http2
from tests.engine.workflows.http_calls import TRACEPARENT, refusal, send
from tests.engine.workflows.pki import Authority
from tests.engine.workflows.servers import answer, saying, serving

OK = [(":status", "200")]


def greet(peer: Http2Peer) -> None:
    peer.reply([*OK, ("content-type", "application/json")], b'{"v": 2}')


async def test_http2_over_tls_and_by_prior_knowledge(http: HttpStep, authority: Authority) -> None:
    async with serving_http2(greet, authority.server("h2")) as served:
        url = f"https://127.0.0.1:{served.port}/x?y"
        reply = await send(http, url, http_version="auto", tls={"ca": str(authority.ca)}, json={"a": 1})
        only = await send(http, url, http_version="2", verify=False)
    async with serving_http2(greet) as plain:
        known = await send(http, f"http://127.0.0.1:{plain.port}/", http_version="2")
    for each in (reply, only, known):
        assert each.fields["http_version"] == "HTTP/2"
        assert each.fields["json"] == {"v": 2}
        assert each.phases.first_byte is not None
        assert each.phases.transfer is not None
    peer = served.seen[0]
    assert (peer.headers[":path"], peer.headers[":authority"]) == ("/x?y", f"127.0.0.1:{served.port}")
    assert peer.headers["traceparent"] == TRACEPARENT
    assert json.loads(peer.body) == {"a": 1}


async def test_a_server_without_http2(http: HttpStep, authority: Authority) -> None:
    async with serving(saying(answer()), authority.server("http/1.1")) as served:
        url = f"https://127.0.0.1:{served.port}/"
        reply = await send(http, url, http_version="auto", verify=False)
        assert reply.fields["http_version"] == "HTTP/1.1"
    async with serving(saying(answer()), authority.server()) as served:
        url = f"https://127.0.0.1:{served.port}/"
        error = await refusal(http, url, http_version="2", verify=False)
        assert error.failure.message.startswith(f"127.0.0.1:{served.port} does not offer HTTP/2")
        error = await refusal(http, f"http://127.0.0.1:{served.port}/", http_version="2")
        assert error.failure.type is ErrorType.NETWORK


async def test_large_bodies_flow_both_ways(http: HttpStep) -> None:
    def echo(peer: Http2Peer) -> None:
        peer.reply(OK, peer.body)

    body = "y" * 300_000
    async with serving_http2(echo) as served:
        reply = await send(
            http, f"http://127.0.0.1:{served.port}/", http_version="2", method="POST", json=body
        )
    assert len(served.seen[0].body) == 300_002
    assert reply.fields["json"] == body


def reset(peer: Http2Peer) -> None:
    peer.connection.reset_stream(peer.stream, h2.errors.ErrorCodes.REFUSED_STREAM)


def go_away(peer: Http2Peer) -> None:
    peer.connection.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM, last_stream_id=0)


def cut(peer: Http2Peer) -> None:
    peer.connection.send_headers(peer.stream, [*OK, ("content-length", "9")])
    peer.connection.send_data(peer.stream, b"short")
    peer.transport.write(peer.connection.data_to_send())
    peer.transport.write_eof()


def garbage(peer: Http2Peer) -> None:
    peer.transport.write(b"\x00\x00\x01\x00\x00\x00\x00\x00\x00x")


def flood(peer: Http2Peer) -> None:
    for _ in range(11_000):
        peer.connection.ping(b"12345678")


def bomb(peer: Http2Peer) -> None:
    peer.connection.send_headers(peer.stream, [*OK, *((f"x-{n}", "y" * 1000) for n in range(100))])


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (reset, "broke the stream off: refused stream (first byte)"),
        (go_away, "sent the request away: enhance your calm (first byte)"),
        (cut, "closed the connection before the body was complete (transfer)"),
        (garbage, "does not speak HTTP/2 as it should"),
        (flood, "sent over 10000 frames that bring nothing (first byte)"),
        (bomb, "does not speak HTTP/2 as it should"),
    ],
)
async def test_a_broken_http2_answer_is_a_failure_in_words(
    http: HttpStep, behaviour: Any, words: str
) -> None:
    async with serving_http2(behaviour) as served:
        error = await refusal(http, f"http://127.0.0.1:{served.port}/", http_version="2")
    assert error.failure.message.startswith(f"127.0.0.1:{served.port} {words}")
    assert error.failure.type is ErrorType.NETWORK


async def test_an_http2_server_that_says_nothing_meets_the_deadline(http: HttpStep) -> None:
    async with serving_http2(lambda peer: None) as served:
        error = await refusal(http, f"http://127.0.0.1:{served.port}/", http_version="2", timeout=0.2)
    assert error.failure.message == f"no answer within 200 ms from 127.0.0.1:{served.port} (first byte)"


async def test_headers_that_http2_does_not_have_are_the_checks_own_fault(http: HttpStep) -> None:
    async with serving_http2(greet) as served:
        url = f"http://127.0.0.1:{served.port}/"
        error = await refusal(http, url, http_version="2", headers={":path": "/other"})
    assert isinstance(error, CheckError)
    assert served.seen == []
