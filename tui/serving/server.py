"""The web server that shows consoles: on loopback, to whoever has the token, to no other page."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Sequence
from pathlib import Path
from string import Template
from urllib.parse import quote

import textual_serve
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from textual_serve.download_manager import DownloadManager

from engine.errors import TocsinError
from engine.text import own_words
from tui.serving.tab import STOP_DEADLINE, Line, Tab

HOST = "127.0.0.1"
MAX_TABS = 8
"""Each is a process of about 70 MB."""
_MESSAGE_LIMIT = 1024 * 1024  # bytes; a paste is one message
_HEARTBEAT = 15.0
MAX_CONNECTIONS = 64
"""Of all, those without the token included: the engine's checks need descriptors of the same process."""
_BACKLOG = 16
"""Connections that may be taken at once, before those among them are counted."""
_REQUEST_DEADLINE = 10.0
"""Seconds that a connection has for its next request."""
_FULL = "Too many connections are open; try again in ten seconds.\n"
_STATIC = Path(textual_serve.__file__).parent / "static"
_PAGE = Path(__file__).with_name("page.html")


def _is_own_fault(record: logging.LogRecord) -> bool:
    """Not what somebody sent that is no HTTP: it is answered, and anybody could fill the terminal with it."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_LOG = logging.getLogger(__name__)
_LOG.addFilter(_is_own_fault)


class ConsoleServer:
    """Serves one console process a tab under `http://127.0.0.1:PORT/TOKEN/`.

    Every request must carry the token and name this server; one that says which page it comes from must come
    from ours, and one that opens a console must say so.

    Args:
        argv: what a tab runs; its standard input and output are spoken to as textual-serve does.
        port: 0 takes any that is free; `start()` tells which.
    """

    def __init__(self, argv: Sequence[str], port: int) -> None:
        self._argv = argv
        self._port = port
        self._token = secrets.token_urlsafe(32)
        self._downloads = DownloadManager()
        self._tabs: set[Line] = set()
        self._files = {str(path.relative_to(_STATIC)): path for path in _STATIC.rglob("*") if path.is_file()}
        application = web.Application(middlewares=[self._admit])
        application.router.add_get("/{token}/", self._page)
        application.router.add_get("/{token}/ws", self._console)
        application.router.add_get("/{token}/download/{key}", self._download)
        application.router.add_get("/{token}/static/{file:.+}", self._static)
        application.on_response_prepare.append(self._guard)
        application.on_shutdown.append(self._hang_up)
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=2 * STOP_DEADLINE,
            keepalive_timeout=_REQUEST_DEADLINE, logger=_LOG,
        )  # fmt: skip
        self._listening: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen; returns the address to open. Raises TocsinError when the port cannot be had."""
        await self._runner.setup()
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                self._accept, HOST, self._port, backlog=_BACKLOG
            )
        except OSError as error:
            await self._runner.cleanup()
            raise TocsinError(
                f"port {self._port} of {HOST} cannot be had: {own_words(error)}", "choose another with --port"
            ) from error
        self._port = self._listening.sockets[0].getsockname()[1]
        return f"http://{HOST}:{self._port}/{self._token}/"

    async def close(self) -> None:
        """End the consoles and listen no more."""
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()

    def _accept(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        assert server is not None  # from setup() to cleanup()
        return server() if len(server.connections) < MAX_CONNECTIONS else _Refusal()

    @property
    def _hosts(self) -> tuple[str, ...]:
        return f"{HOST}:{self._port}", f"localhost:{self._port}"

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse whoever was not given the address, before anything else is looked at."""
        given = request.path.lstrip("/").partition("/")[0]
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode()):
            raise web.HTTPForbidden(text="The address needs the token that tocsin serve has printed.\n")
        if request.host not in self._hosts:
            raise web.HTTPForbidden(text="This server is not known by that name.\n")
        origin = request.headers.get("Origin")
        expects_origin = request.path.endswith("/ws")
        if (origin is not None or expects_origin) and origin != f"http://{request.host}":
            raise web.HTTPForbidden(text="Another page may not open the console.\n")
        return await handler(request)

    async def _guard(self, request: web.Request, response: web.StreamResponse) -> None:
        """What the browser is told to keep to: our own scripts, no frames, no traces of the address."""
        sockets = " ".join(f"ws://{host}" for host in self._hosts)
        response.headers.update(
            {
                "Content-Security-Policy": (
                    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
                    f" font-src 'self'; img-src 'self' data:; connect-src 'self' {sockets};"
                    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
                ),
                "Cache-Control": "no-store",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            }
        )

    async def _page(self, request: web.Request) -> web.Response:
        self._find_room()
        base = f"/{self._token}"
        page = Template(_PAGE.read_text("utf-8"))
        websocket = f"ws://{request.host}{base}/ws"
        return web.Response(text=page.substitute(base=base, websocket=websocket), content_type="text/html")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        file = self._files.get(request.match_info["file"])
        if file is None:
            raise web.HTTPNotFound
        return web.FileResponse(file)

    async def _console(self, request: web.Request) -> web.WebSocketResponse:
        self._find_room()
        websocket = Line(heartbeat=_HEARTBEAT, max_msg_size=_MESSAGE_LIMIT)
        self._tabs.add(websocket)
        try:
            await websocket.prepare(request)
            tab = Tab(self._argv, websocket, self._downloads, f"/{self._token}")
            await tab.converse(_number(request, "width", 80), _number(request, "height", 24))
        finally:
            self._tabs.discard(websocket)
        return websocket

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """A file that a console gives to the browser; always saved, never shown."""
        key = request.match_info["key"]
        try:
            file = await self._downloads.get_download_metadata(key)
        except KeyError:
            raise web.HTTPNotFound(text="There is no such file any more.\n") from None
        name = quote(file.file_name, safe="")
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            }
        )
        await response.prepare(request)
        async for chunk in self._downloads.download(key):
            await response.write(chunk)
        await response.write_eof()
        return response

    def _find_room(self) -> None:
        if len(self._tabs) >= MAX_TABS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_TABS} consoles are open; close one of them first.\n")

    async def _hang_up(self, application: web.Application) -> None:
        await asyncio.gather(*(tab.hang_up() for tab in set(self._tabs)), return_exceptions=True)


class _Refusal(asyncio.Protocol):
    """Tells whoever connects that there is no room, and listens to nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(_FULL), _FULL.encode())
        )
        transport.close()


def _number(request: web.Request, name: str, default: int) -> int:
    try:
        return int(request.query.get(name, default))
    except ValueError:
        return default
