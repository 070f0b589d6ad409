"""Starts and stops the demo shop's process."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from engine.errors import EngineUnavailableError

PORT = 8777
URL_VARIABLE = "TOCSIN_DEMO_URL"
START_DEADLINE = 5.0
STOP_DEADLINE = 2.0


class DemoServer:
    """The shop in a process of its own, which ends with this one even when killed.

    Entering starts it without waiting, so that other work overlaps; `url()` waits until it listens.
    """

    def __init__(self, port: int = PORT) -> None:
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    def __enter__(self) -> DemoServer:
        script = Path(__file__).with_name("shop.py")
        arguments = ["--port", str(self._port), "--parent", str(os.getpid())]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
            [sys.executable, "-I", "-S", str(script), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def url(self) -> str:
        """The shop's address, such as `http://127.0.0.1:8777`.

        Raises:
            EngineUnavailableError: it does not listen within 5 s.
        """
        if not self._url:
            self._url = self._announced()
        return self._url

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` with the variable through which the shipped configuration finds the shop."""
        return {**base, URL_VARIABLE: self.url()}

    def _announced(self) -> str:
        stream = self._process.stdout if self._process else None
        assert stream is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            line = stream.readline().decode().strip() if selector.select(START_DEADLINE) else ""
        if not line:
            raise EngineUnavailableError("the demo shop did not start", "use your own file: tocsin init")
        return line
