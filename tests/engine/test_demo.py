"""The demo shop: its script, its answers, its process."""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.demo.server import URL_VARIABLE, DemoServer
from engine.demo.shop import ROUND, SCRIPT, Phase, Request, Shop, phase_at

SHOP = Path("engine/demo/shop.py").resolve()


@pytest.mark.parametrize(
    ("elapsed", "phase"),
    [
        (0, Phase.CALM),
        (19.9, Phase.CALM),
        (20, Phase.SLOW),
        (40, Phase.ERRORS),
        (69.9, Phase.ERRORS),
        (70, Phase.RATE_LIMITED),
        (90, Phase.OUTAGE),
        (109.9, Phase.OUTAGE),
        (110, Phase.CALM),
        (239.9, Phase.CALM),
        (260, Phase.SLOW),
    ],
)
def test_the_script(elapsed: float, phase: Phase) -> None:
    assert phase_at(elapsed) is phase


@given(st.floats(min_value=0, max_value=1e7))
def test_a_round_always_has_every_phase_and_repeats(elapsed: float) -> None:
    assert ROUND == 240
    assert {phase for phase, _ in SCRIPT} == set(Phase)
    assert phase_at(elapsed) in Phase


def login(shop: Shop, phase: Phase = Phase.CALM) -> str:
    answer = shop.answer(Request("POST", "/login", body={"user": "demo", "password": "demo"}), phase)
    assert answer.status == 200
    return str(answer.body["token"])


def test_a_customer_logs_in_and_buys() -> None:
    shop = Shop(random.Random(1))
    token = login(shop)
    assert shop.answer(Request("GET", "/me", token), Phase.CALM).body == {"name": "demo"}
    assert shop.answer(Request("POST", "/basket", token, {"item": 1}), Phase.CALM).status == 201
    first = shop.answer(Request("POST", "/checkout", token), Phase.CALM)
    second = shop.answer(Request("POST", "/checkout", token), Phase.CALM)
    assert (first.status, second.status) == (201, 201)
    assert second.body["order"] == first.body["order"] + 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (Request("POST", "/login", body={"user": "demo", "password": "wrong"}), 401),
        (Request("POST", "/login"), 401),
        (Request("GET", "/me", "forged"), 401),
        (Request("POST", "/basket", "forged", {"item": 1}), 401),
        (Request("POST", "/checkout"), 401),
        (Request("GET", "/nowhere"), 404),
        (Request("POST", "/health"), 404),
    ],
)
def test_strangers_are_refused(request_: Request, status: int) -> None:
    assert Shop().answer(request_, Phase.CALM).status == status


def test_an_item_must_exist() -> None:
    shop = Shop()
    assert shop.answer(Request("POST", "/basket", login(shop), {"item": 99}), Phase.CALM).status == 422


def test_each_phase_has_its_fault() -> None:
    shop = Shop(random.Random(1))
    token = login(shop)
    health = Request("GET", "/health")
    checkout = Request("POST", "/checkout", token)
    assert shop.answer(health, Phase.CALM).delay < 0.1
    assert shop.answer(health, Phase.SLOW).delay > 0.8
    assert shop.answer(checkout, Phase.ERRORS).status == 503
    assert shop.answer(health, Phase.ERRORS).status == 200
    limited = shop.answer(checkout, Phase.RATE_LIMITED)
    assert limited.status == 429
    assert int(limited.headers["Retry-After"]) > 0
    assert shop.answer(health, Phase.RATE_LIMITED).status == 200


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(port=0) as server:
        server.url()
        yield server


def exchange(url: str, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, object]]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_it_answers_over_the_wire(server: DemoServer) -> None:
    assert exchange(server.url(), "GET", "/health?x=1") == (200, {"status": "up"})
    status, body = exchange(server.url(), "POST", "/login", b'{"user": "demo", "password": "demo"}')
    assert status == 200
    assert body["token"]
    assert exchange(server.url(), "POST", "/login", b"[not json")[0] == 401
    assert server.environment({"A": "b"}) == {"A": "b", URL_VARIABLE: server.url()}


def test_a_taken_port_is_left_to_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with DemoServer(port=port) as server:
            assert urlsplit(server.url()).port != port
            assert exchange(server.url(), "GET", "/health")[0] == 200


def test_it_ends_with_its_manager() -> None:
    with DemoServer(port=0) as server:
        url = server.url()
    with pytest.raises(ConnectionRefusedError):
        exchange(url, "GET", "/health")


def test_it_ends_when_its_parent_is_killed() -> None:
    program = (
        "import os, signal, subprocess, sys\n"
        f"arguments = [{str(SHOP)!r}, '--port', '0', '--parent', str(os.getpid())]\n"
        "shop = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE)\n"
        "print(shop.stdout.readline().decode().strip(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, timeout=20, text=True)
    assert parent.returncode < 0
    parts = urlsplit(parent.stdout.strip())
    assert wait_until_refused(str(parts.hostname), int(parts.port or 0))


def wait_until_refused(host: str, port: int) -> bool:
    """Connect until nobody listens, at most for as long as 200 answers take."""
    for _ in range(200):
        try:
            with socket.create_connection((host, port), timeout=5) as connection:
                connection.sendall(b"GET /report HTTP/1.0\r\n\r\n")
                connection.recv(1)
        except ConnectionError:
            return True
    return False


def test_the_script_needs_only_the_standard_library() -> None:
    done = subprocess.run([sys.executable, "-I", "-S", str(SHOP), "--help"], capture_output=True, timeout=20)
    assert done.returncode == 0, done.stderr
