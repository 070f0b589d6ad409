"""Real processes, real sockets, real files: what the end-to-end tests stand on."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import selectors
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

from engine.paths import socket_path
from tui.cli import main

ROOT = Path(__file__).parents[2]
PYTHON_TOCSIN = (sys.executable, "-m", "tui.cli")

# Sequences that would act on a terminal: clipboard, title, colour, cursor, in 7-bit and 8-bit form.
CANARY = "CANARY"
HOSTILE = (
    f"{CANARY}\x1b]52;c;{CANARY}\x07\x1b]0;{CANARY}\x07\x1b[66;6;6m\x1b[13;37H\x9b66;7m\x1bP{CANARY}\x1b\\"
    "[/x][@click=app.quit]"
)


def environment(home: Path) -> dict[str, str]:
    """The variables of a process that keeps its files under `home`, and asks its terminal for the size."""
    return {
        **{name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")},
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }


class Place:
    """A directory to run in: its configuration, its database, its processes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.db = home / "test.db"
        self.env = environment(home)

    @property
    def socket(self) -> Path:
        """Where the engine of this place takes commands."""
        return Path(self.env["XDG_RUNTIME_DIR"], "tocsin", socket_path(self.db).name)

    def configure(self, workflows: str, rules: str = "[]", extra: str = "") -> None:
        """Write `rules.yaml` from flow-style YAML."""
        text = f"version: 1\n{extra}\nworkflows: {workflows}\nrules: {rules}\n"
        (self.home / "rules.yaml").write_text(text)

    def run(self, *argv: str, deadline: float = 60.0) -> subprocess.CompletedProcess[str]:
        """`tocsin ARGV --db …` to its end."""
        return subprocess.run(
            [*PYTHON_TOCSIN, *argv, "--db", str(self.db)],
            cwd=self.home, env=self.env, capture_output=True, text=True, timeout=deadline,
        )  # fmt: skip

    def call(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """The same within this process: for commands of which not the process is tested but the answer."""
        out, error, command = io.StringIO(), io.StringIO(), [*argv, "--db", str(self.db)]
        with contextlib.ExitStack() as stack:
            stack.enter_context(patch.dict(os.environ, self.env, clear=True))
            stack.enter_context(contextlib.chdir(self.home))
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(error))
            code = main(command)
        return subprocess.CompletedProcess(command, code, out.getvalue(), error.getvalue())

    @contextlib.contextmanager
    def start(self, *argv: str) -> Iterator[Running]:
        """`tocsin ARGV --db …` in the background; killed at the end if it still runs."""
        process = subprocess.Popen(
            [*PYTHON_TOCSIN, *argv, "--db", str(self.db)],
            cwd=self.home, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        with process:
            try:
                yield Running(process)
            finally:
                if process.poll() is None:
                    process.kill()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the database, read while no engine runs or beside one."""
        with contextlib.closing(sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def assert_sound(self) -> None:
        """The file is whole: SQLite says so, and the search index agrees with its content."""
        with contextlib.closing(sqlite3.connect(self.db)) as connection:
            assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            connection.execute("INSERT INTO logs_fts (logs_fts, rank) VALUES ('integrity-check', 1)")
            connection.rollback()


class Running:
    """A headless engine that prints JSON lines."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.records: list[dict[str, Any]] = []
        self._rest = b""

    def wait_for(
        self, wanted: Callable[[dict[str, Any]], bool], count: int = 1, deadline: float = 30.0
    ) -> None:
        """Read records until `count` of those read from now on are `wanted`. AssertionError when too late."""
        end = time.monotonic() + deadline
        stream = self.process.stdout
        assert stream is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while count > 0:
                assert time.monotonic() < end, f"not within {deadline} s; last: {self.records[-3:]}"
                if not selector.select(0.2):
                    continue
                fresh = self._read(os.read(stream.fileno(), 65_536))
                count -= sum(map(wanted, fresh))

    def narrow(self) -> int:
        """Let the pipe to this process hold as little as the system allows; returns how many bytes."""
        assert self.process.stdout is not None
        return fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, 1)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self, deadline: float = 20.0) -> int:
        """Wait for the end, keeping what is still printed; returns the exit code."""
        out, self.stderr = self.process.communicate(timeout=deadline)
        self._read(out)
        return self.process.returncode

    def _read(self, data: bytes) -> list[dict[str, Any]]:
        assert data or self.process.poll() is not None or not self._rest, "the output ended"
        *lines, self._rest = (self._rest + data).split(b"\n")
        fresh = [json.loads(line) for line in lines]
        self.records += fresh
        return fresh

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["type"] == kind]


def is_execution(record: dict[str, Any]) -> bool:
    return bool(record["type"] == "execution")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed client is what these tests are about."""


class Site:
    """A web site: `/ok`, `/fail` (503), `/flaky`, `/hang` (until closed), `/lines`, `/hostile`."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.hangs = threading.Event()
        """Set once somebody waits for `/hang`."""
        self.requests = 0
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests += 1
                status, body = site.answer(self.path)
                self.send_response(status)
                if self.path == "/hostile":
                    self.send_header("X-Hostile", f"\x1b]0;{CANARY}\x07")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def answer(self, path: str) -> tuple[int, bytes]:
        if path == "/hang":
            self.hangs.set()
            self.released.wait(60)
        if path == "/flaky":
            return (503 if self.requests // 10 % 2 else 200), b"{}"
        return {"/fail": (503, b"down"), "/hostile": (500, HOSTILE.encode())}.get(
            path, (200, b'{"ok": true}')
        )

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def closed_port() -> int:
    """A port of the loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def workflow(name: str, url: str, every: str = "100ms") -> str:
    """One workflow of one request, in flow style."""
    manner = "timeout: 30s, retry: {max_attempts: 1}, breaker: false"
    steps = f'[{{id: get, http: {{url: "{url}"}}}}]'
    return f"{{id: {name}, name: {name}, every: {every}, {manner}, steps: {steps}}}"
