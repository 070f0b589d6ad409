"""A headless Chromium, spoken to over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DEADLINE = 30.0
_PAUSE = 0.1
_TRIES = int(DEADLINE / _PAUSE)


class Page:
    """One tab: what it is told and what it shows."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.complaints: list[str] = []

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command of the protocol and return its result; errors of the page are remembered."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        async with asyncio.timeout(DEADLINE):
            while True:
                answer = await self._socket.receive_json()
                if answer.get("id") == self._number:
                    assert "error" not in answer, answer
                    return dict(answer["result"])
                if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                    self.complaints.append(str(answer["params"]))

    async def value(self, expression: str) -> Any:
        """What the page's own script language makes of `expression`."""
        return (await self.ask("Runtime.evaluate", expression=expression))["result"].get("value")

    async def wait_for(self, expression: str) -> None:
        """Wait until `expression` holds on the page."""
        for _ in range(_TRIES):
            if await self.value(expression):
                return
            await asyncio.sleep(_PAUSE)
        raise AssertionError(f"not within {DEADLINE} s: {expression}; {self.complaints}")

    async def press(self, key: str) -> None:
        """Type one printable character."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if kind == "keyDown" else {}
            await self.ask("Input.dispatchKeyEvent", type=kind, key=key, **text)

    async def picture(self) -> bytes:
        """The tab as PNG."""
        return base64.b64decode((await self.ask("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def chromium(width: int, height: int) -> AsyncIterator[Page]:
    """An empty tab of a browser with a profile of its own, ended with all its processes."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={profile}",
            f"--window-size={width},{height}", "about:blank",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            port = await _debugging_port(Path(profile, "DevToolsActivePort"))
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    (target,) = [each for each in await answer.json() if each["type"] == "page"]
                async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Runtime", "Log"):
                        await page.ask(f"{domain}.enable")
                    yield page
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _debugging_port(file: Path) -> int:
    for _ in range(_TRIES):
        if (port := _written(file)) is not None:
            return port
        await asyncio.sleep(_PAUSE)
    raise AssertionError(f"Chromium did not start within {DEADLINE} s")


def _written(file: Path) -> int | None:
    try:
        return int(file.read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return None
