"""A small web shop that misbehaves on schedule, so that the console has something real to watch.

Runs in a process of its own with nothing but the standard library: `python -m engine.demo.shop --port 8777`.
The first line on standard output is its address; it ends when the process given as `--parent` ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
MAX_BODY = 65_536
MAX_TOKENS = 1_000
TICK = 0.1
RETRY_AFTER = 2


class Phase(StrEnum):
    """What is wrong with the shop at the moment."""

    CALM = "calm"
    SLOW = "slow"
    ERRORS = "errors"
    RATE_LIMITED = "rate limited"
    OUTAGE = "outage"


# Seconds of each phase; together one round of four minutes, the last calm being the recovery.
SCRIPT = (
    (Phase.CALM, 20.0),
    (Phase.SLOW, 20.0),
    (Phase.ERRORS, 30.0),
    (Phase.RATE_LIMITED, 20.0),
    (Phase.OUTAGE, 20.0),
    (Phase.CALM, 130.0),
)
ROUND = sum(seconds for _, seconds in SCRIPT)


def phase_at(elapsed: float) -> Phase:
    """The phase `elapsed` seconds after the start; the script repeats without end."""
    position = elapsed % ROUND
    for phase, seconds in SCRIPT:
        if position < seconds:
            return phase
        position -= seconds
    return Phase.CALM


@dataclass(frozen=True, slots=True)
class Request:
    """One request, its body parsed; `body` is None when it is not a JSON object."""

    method: str
    path: str
    token: str = ""
    body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the shop says, after `delay` seconds."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


Handler = Callable[[Request], Answer]

CATALOGUE = (
    {"id": 1, "name": "Hand bell", "price": 24.5},
    {"id": 2, "name": "Ship's bell", "price": 89.0},
    {"id": 3, "name": "Tuning fork", "price": 12.9},
)
# Usual seconds to answer, lowest and highest.
PACE = {
    "/health": (0.004, 0.015),
    "/login": (0.030, 0.080),
    "/me": (0.010, 0.030),
    "/catalogue": (0.020, 0.060),
    "/basket": (0.020, 0.060),
    "/checkout": (0.060, 0.160),
    "/report": (0.300, 0.550),
}


class Shop:
    """The shop's doings, apart from the wire. Safe to call from several threads."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._guard = threading.Lock()
        self._tokens: OrderedDict[str, str] = OrderedDict()
        self._orders = 1000
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "/health"): lambda _: Answer(200, {"status": "up"}),
            ("POST", "/login"): self._login,
            ("GET", "/me"): self._me,
            ("GET", "/catalogue"): lambda _: Answer(200, {"items": list(CATALOGUE)}),
            ("POST", "/basket"): self._basket,
            ("POST", "/checkout"): self._checkout,
            ("GET", "/report"): lambda _: Answer(200, {"rows": 1440}),
        }

    def answer(self, request: Request, phase: Phase) -> Answer:
        """What the shop answers to `request` during `phase`."""
        route = self._routes.get((request.method, request.path))
        if route is None:
            return Answer(404, {"error": "no such page"})
        with self._guard:
            low, high = PACE[request.path]
            delay = self._rng.uniform(low, high)
            luck = self._rng.random()
            if phase is Phase.SLOW:
                delay += self._rng.uniform(0.85, 1.2)
            answer = self._fault(request.path, phase, luck) or route(request)
        return Answer(answer.status, answer.body, answer.headers, delay)

    def _fault(self, path: str, phase: Phase, luck: float) -> Answer | None:
        if phase is Phase.ERRORS and path == "/checkout":
            return Answer(503, {"error": "payment provider unavailable"})
        if phase is Phase.ERRORS and path == "/basket" and luck < 0.3:
            return Answer(500, {"error": "deadlock detected"})
        if phase is Phase.RATE_LIMITED and path != "/health":
            return Answer(429, {"error": "too many requests"}, {"Retry-After": str(RETRY_AFTER)})
        return None

    def _login(self, request: Request) -> Answer:
        body = request.body or {}
        if body.get("password") != "demo" or not isinstance(body.get("user"), str):
            return Answer(401, {"error": "wrong user or password"})
        token = secrets.token_hex(8)
        self._tokens[token] = body["user"]
        while len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)
        return Answer(200, {"token": token})

    def _me(self, request: Request) -> Answer:
        name = self._tokens.get(request.token)
        return Answer(200, {"name": name}) if name else self._stranger()

    def _basket(self, request: Request) -> Answer:
        if request.token not in self._tokens:
            return self._stranger()
        item = (request.body or {}).get("item")
        if item not in [entry["id"] for entry in CATALOGUE]:
            return Answer(422, {"error": "no such item"})
        return Answer(201, {"items": 1})

    def _checkout(self, request: Request) -> Answer:
        if request.token not in self._tokens:
            return self._stranger()
        self._orders += 1
        return Answer(201, {"order": self._orders})

    @staticmethod
    def _stranger() -> Answer:
        return Answer(401, {"error": "log in first"}, {"WWW-Authenticate": "Bearer"})


class Server(ThreadingHTTPServer):
    """The listening socket; closed for real while the shop is out."""

    daemon_threads = True
    request_queue_size = 128
    timeout = TICK

    def __init__(self, port: int, shop: Shop, phase: Callable[[], Phase]) -> None:
        self.shop = shop
        self.phase = phase
        super().__init__((HOST, port), _RequestHandler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hangs up is no news."""


class _RequestHandler(BaseHTTPRequestHandler):
    server: Server
    timeout = 5.0
    server_version = "DemoShop"
    sys_version = ""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: standard output carries the address only."""

    def _serve(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        request = Request(self.command, self.path.partition("?")[0], token, self._body())
        answer = self.server.shop.answer(request, self.server.phase())
        time.sleep(answer.delay)
        payload = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _body(self) -> dict[str, Any] | None:
        length = self.headers.get("Content-Length", "0")
        size = min(int(length), MAX_BODY) if length.isdecimal() else 0
        try:
            body = json.loads(self.rfile.read(size) or b"{}")
        except ValueError:
            return None
        return body if isinstance(body, dict) else None


def serve(port: int, alive: Callable[[], bool], announce: Callable[[str], None]) -> None:
    """Serve until `alive()` is false; `announce` is told the address once.

    Args:
        port: where to listen; when taken, any free port instead.
    """
    started = time.monotonic()
    shop = Shop()

    def phase() -> Phase:
        return phase_at(time.monotonic() - started)

    server: Server | None = _listen(port, shop, phase) or Server(0, shop, phase)
    assert server is not None
    port = server.server_port
    announce(f"http://{HOST}:{port}")
    while alive():
        if phase() is Phase.OUTAGE and server is not None:
            server.server_close()
            server = None
        elif phase() is not Phase.OUTAGE and server is None:
            server = _listen(port, shop, phase)
        if server is not None:
            server.handle_request()
        else:
            time.sleep(TICK)
    if server is not None:
        server.server_close()


def _listen(port: int, shop: Shop, phase: Callable[[], Phase]) -> Server | None:
    try:
        return Server(port, shop, phase)
    except OSError:
        return None


def main() -> None:
    """Entry of the process."""
    parser = argparse.ArgumentParser(prog="python -m engine.demo.shop")
    parser.add_argument("--port", type=int, default=8777)
    parser.add_argument("--parent", type=int, help="end when this process has ended")
    arguments = parser.parse_args()
    parent: int | None = arguments.parent

    def alive() -> bool:
        return parent is None or os.getppid() == parent

    with contextlib.suppress(KeyboardInterrupt):
        serve(arguments.port, alive, lambda address: print(address, flush=True))


if __name__ == "__main__":
    main()
