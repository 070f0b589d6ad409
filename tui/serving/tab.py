"""The console process behind one tab of a browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

STOP_DEADLINE = 3.0
"""Seconds a console has for ending by itself."""
_READ = 65_536
_WIDTHS, _HEIGHTS = (20, 500), (5, 200)


class Line(web.WebSocketResponse):
    """A WebSocket that can be closed whether or not the other end reads."""

    _wire: asyncio.WriteTransport | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        self._wire = request.transport
        return await super().prepare(request)

    async def hang_up(self) -> None:
        """Close it; what is not read in time is given up, for the connection would stay until it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_DEADLINE):
                await self.close()
        if self._wire is not None and self._wire.get_write_buffer_size():
            self._wire.abort()


class Tab(AppService):
    """Runs `argv`, whose terminal is the other end of `websocket`, until either ends.

    Args:
        base: what the addresses of this server begin with.
    """

    def __init__(self, argv: Sequence[str], websocket: Line, downloads: DownloadManager, base: str) -> None:
        super().__init__(
            "",
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=self._hang_up,
            download_manager=downloads,
        )
        self._argv = argv
        self._websocket = websocket
        self._base = base

    async def converse(self, width: int, height: int) -> None:
        """Carry keys one way and pictures the other; the process has ended when this returns."""
        await self.start(_within(width, _WIDTHS), _within(height, _HEIGHTS))
        try:
            async for message in self._websocket:
                if message.type is web.WSMsgType.TEXT:
                    await self._obey(message.data)
        finally:
            await self.stop()

    async def run(self) -> None:
        """Pass on what the process draws; its end is the tab's."""
        try:
            with contextlib.suppress(ConnectionError):  # the tab was closed in between
                await super().run()
        except asyncio.CancelledError:
            # Of a process that ended at once, the reader of its complaints is cancelled before it begins.
            if self._process is not None and self._process.stderr is not None:
                async with asyncio.timeout(STOP_DEADLINE):
                    sys.stdout.write((await self._process.stderr.read()).decode("utf-8", "replace"))
        finally:
            await self._hang_up()

    async def stop(self) -> None:
        """End the process: asked first, then killed."""
        process = self._process
        try:
            async with asyncio.timeout(STOP_DEADLINE):
                await super().stop()
            # It has a deadline of its own, for the reading that stops swallows its cancellation.
            async with asyncio.timeout(STOP_DEADLINE):
                if process is not None:
                    await process.wait()
        except TimeoutError:
            pass  # it is killed
        finally:
            if process is not None:
                if process.returncode is None:
                    process.kill()
                await _read_out(process)
                await process.wait()

    async def on_meta(self, data: bytes) -> None:
        """What the process asks of the browser: to open an address, or to take a file."""
        asked = json.loads(data)
        match asked:
            case {"type": "open_url", "url": str(url)} if urlsplit(url).scheme not in ("http", "https"):
                pass
            case {"type": "deliver_file_start", "key": str(key), "path": str(path)}:
                await self._download_manager.create_download(
                    app_service=self,
                    delivery_key=key,
                    file_name=path.rpartition("/")[2],
                    open_method="download",
                    mime_type=asked["mime_type"],
                    encoding=asked["encoding"],
                    name=asked.get("name"),
                )
                address = {"url": f"{self._base}/download/{quote(key, safe='')}", "new_tab": True}
                await self.remote_write_str(json.dumps(["open_url", address]))
            case _:
                await super().on_meta(data)

    async def _obey(self, text: str) -> None:
        """Do what the page asks for; what is not understood is nothing that our page sends."""
        try:
            asked = json.loads(text)
        except (ValueError, RecursionError):
            return
        match asked:
            case ["stdin", str(keys)]:
                await self.send_bytes(keys.encode("utf-8", "replace"))
            case ["resize", {"width": int(width), "height": int(height)}]:
                await self.set_terminal_size(_within(width, _WIDTHS), _within(height, _HEIGHTS))
            case ["ping", str(stamp)]:
                await self.remote_write_str(json.dumps(["pong", stamp]))
            case ["blur"]:
                await self.blur()
            case ["focus"]:
                await self.focus()

    async def _hang_up(self) -> None:
        await self._websocket.hang_up()

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        environment = self._build_environment(width, height)
        environment["TEXTUAL_DRIVER"] = "tui.serving.driver:TabDriver"
        # The page takes every colour and every character, whatever the terminal of the server does.
        environment |= {"PYTHONUTF8": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        process = await asyncio.create_subprocess_exec(
            *self._argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, start_new_session=True
        )
        self._process, self._stdin = process, process.stdin
        return process


async def _read_out(process: Process) -> None:
    """Take what an ended process has left in its pipes: to wait for it is to wait for their end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_DEADLINE):
            for stream in filter(None, (process.stdout, process.stderr)):
                while await stream.read(_READ):
                    pass


def _within(value: int, bounds: tuple[int, int]) -> int:
    return max(bounds[0], min(value, bounds[1]))
