"""The server of consoles in a browser: whom it lets in, and what becomes of the processes behind the tabs."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import select
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from engine.errors import TocsinError
from tui.cli import _split, main, main_parser
from tui.commands.serve import _tab
from tui.serving import server as server_module
from tui.serving import tab as tab_module
from tui.serving.server import ConsoleServer

DEADLINE = 20.0
# Stands in for a console: says who it is, repeats what it is told, ends when asked to.
SPEAKER = """
import json, os, struct, sys
def say(kind, data): sys.stdout.buffer.write(kind + struct.pack(">I", len(data)) + data); sys.stdout.flush()
def heard():
    while head := sys.stdin.buffer.read(5):
        yield head[:1], sys.stdin.buffer.read(struct.unpack(">I", head[1:])[0])
sys.stdout.buffer.write(b"__GANGLION__\\n")
say(b"D", json.dumps([os.getpid(), os.environ["COLUMNS"], os.environ["ROWS"]]).encode())
chunks = [b"", b"two", b"one "]
for kind, data in heard():
    if kind == b"D" and data == b"die":
        sys.exit(3)
    if kind == b"D" and data.startswith(b"meta "):
        say(b"M", data[5:])
    elif kind == b"M" and b'"quit"' in data:
        break
    elif kind == b"M" and b'"deliver_chunk_request"' in data:
        from textual._binary_encode import dump
        say(b"P", dump(("deliver_chunk", json.loads(data)["key"], chunks.pop())))
    else:
        say(b"D", data)
"""
DEAF = SPEAKER.replace("break", "continue")
BROKEN = "import sys; sys.exit('no database')"


def ws(address: str) -> str:
    return address.replace("http:", "ws:") + "ws"


def origin(address: str) -> dict[str, str]:
    return {"Origin": str(URL(address).origin())}


@asynccontextmanager
async def serving(program: str = SPEAKER) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    server = ConsoleServer([sys.executable, "-c", program], 0)
    address = await server.start()
    try:
        async with asyncio.timeout(DEADLINE), aiohttp.ClientSession() as session:
            yield address, session
    finally:
        await server.close()


def is_running(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


async def hello(socket: aiohttp.ClientWebSocketResponse) -> tuple[int, str, str]:
    pid, width, height = json.loads(await socket.receive_bytes())
    return pid, width, height


async def test_a_tab_is_a_process_and_ends_with_it() -> None:
    async with serving() as (address, session):
        async with session.ws_connect(ws(address) + "?width=100&height=30", headers=origin(address)) as tab:
            pid, *size = await hello(tab)
            assert size == ["100", "30"]
            await tab.send_json(["stdin", "gö"])
            assert (await tab.receive_bytes()).decode() == "gö"
            await tab.send_json(["resize", {"width": 90_000, "height": 1}])
            assert json.loads(await tab.receive_bytes()) == {"type": "resize", "width": 500, "height": 5}
            for nonsense in (
                "[",
                "[" * 100_000,
                '"x"',
                "[]",
                '["stdin", 7]',
                '["resize", {"width": "x"}]',
                '["quit"]',
            ):
                await tab.send_str(nonsense)
            await tab.send_json(["ping", "7"])
            assert await tab.receive_json() == ["pong", "7"]
            process = os.pidfd_open(pid)
        try:
            ended, *_ = await asyncio.to_thread(select.select, [process], [], [], DEADLINE)
        finally:
            os.close(process)
        assert ended


async def test_a_process_that_ends_closes_its_tab_alone() -> None:
    async with serving() as (address, session):
        first = await session.ws_connect(ws(address), headers=origin(address))
        second = await session.ws_connect(ws(address), headers=origin(address))
        await hello(first)
        await hello(second)
        await first.send_json(["stdin", "die"])
        assert (await first.receive()).type is aiohttp.WSMsgType.CLOSE
        await second.send_json(["stdin", "there"])
        assert await second.receive_bytes() == b"there"
        await second.close()


async def test_a_process_that_cannot_begin_says_why_and_closes(capfd: pytest.CaptureFixture[str]) -> None:
    async with serving(BROKEN) as (address, session):
        tab = await session.ws_connect(ws(address), headers=origin(address))
        assert (await tab.receive()).type is aiohttp.WSMsgType.CLOSE
    assert "no database" in capfd.readouterr().out


async def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tab_module, "STOP_DEADLINE", 0.1)
    async with serving(DEAF) as (address, session):
        tab = await session.ws_connect(ws(address), headers=origin(address))
        pid, *_ = await hello(tab)
        await tab.close()
    assert not is_running(pid)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/ws", {}),
        ("//", {}),
        ("/x/", {}),
        ("/TOKEN%00/", {}),
        ("/static/js/textual.js", {}),
        ("/TOKEN/", {"Host": "evil.example"}),
        ("/TOKEN/", {"Host": "evil.example:PORT"}),
        ("/TOKEN/", {"Origin": "http://evil.example"}),
        ("/TOKEN/", {"Origin": "null"}),
        ("/TOKEN/ws", {}),
        ("/TOKEN/ws", {"Origin": "http://127.0.0.1:1"}),
        ("/TOKEN/ws", {"Origin": "http://127.0.0.1:PORT.evil.example"}),
        ("/TOKEN/ws", {"Origin": "http://localhost:PORT"}),
    ],
)
async def test_others_are_refused(path: str, headers: dict[str, str]) -> None:
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    async with serving() as (address, session):
        url = URL(address)
        token, port = url.path.strip("/"), str(url.port)
        asked = {name: value.replace("PORT", port) for name, value in headers.items()}
        target = URL(f"http://127.0.0.1:{port}{path.replace('TOKEN', token)}", encoded=True)
        async with session.get(target, headers=upgrade | asked) as answer:
            assert answer.status == 403
            assert token not in await answer.text()


async def test_the_page_keeps_to_itself() -> None:
    async with serving() as (address, session):
        async with session.get(address, headers=origin(address)) as answer:
            assert answer.status == 200
            page = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
            assert answer.headers["Referrer-Policy"] == "no-referrer"
        base = URL(address).path
        assert f'data-session-websocket-url="{ws(address)}"' in page
        assert "https:" not in page
        assert "default-src 'none'; script-src 'self';" in policy
        for file, status in (("js/textual.js", 200), ("css/xterm.css", 200), ("js/", 404), ("none", 404)):
            async with session.get(f"{address}static/{file}") as answer:
                assert answer.status == status
        outside = URL(address.replace(base, "") + base + "static/%2e%2e/server.py", encoded=True)
        async with session.get(outside) as answer:
            assert answer.status == 404


async def test_a_file_is_given_once_to_who_has_the_token() -> None:
    start = {
        "type": "deliver_file_start", "key": "k 1", "path": "/home/me/ä.csv", "open_method": "browser",
        "mime_type": "text/html", "encoding": None,
    }  # fmt: skip
    async with serving() as (address, session):
        tab = await session.ws_connect(ws(address), headers=origin(address))
        await hello(tab)
        for evil in ("javascript:alert(1)", "file:///etc/passwd"):
            await tab.send_json(["stdin", "meta " + json.dumps({"type": "open_url", "url": evil})])
        await tab.send_json(["stdin", "meta " + json.dumps(start)])
        kind, asked = await tab.receive_json()
        assert (kind, asked["url"]) == ("open_url", URL(address).path + "download/k%201")
        url = URL(str(URL(address).origin()) + asked["url"], encoded=True)
        async with session.get(url) as answer:
            assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A4.csv"
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert await answer.read() == b"one two"
        async with session.get(url) as answer:
            assert answer.status == 404
        async with session.get(URL(f"{address}download/other")) as answer:
            assert answer.status == 404
        await tab.close()


async def test_only_so_many_tabs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_TABS", 1)
    async with serving() as (address, session):
        tab = await session.ws_connect(ws(address), headers=origin(address))
        await hello(tab)
        async with session.get(address) as answer:
            assert (answer.status, await answer.text()) == (
                503, "1 consoles are open; close one of them first.\n"
            )  # fmt: skip
        await tab.close()


async def test_it_listens_on_loopback_alone_and_a_port_in_use_is_a_sentence() -> None:
    async with serving() as (address, _):
        port = URL(address).port
        assert port is not None
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.2", port)
        with pytest.raises(TocsinError, match=f"port {port} of 127.0.0.1 cannot be had: .*--port"):
            await ConsoleServer([], port).start()


def test_without_the_extra_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["serve"]) == 2
    assert "pip install 'tocsin[serve]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["serve", "--port", "70000"], "a port is a number from 0 to 65535"),
        (["--no-ui", "serve"], "have no meaning for tocsin serve"),
        (["attach", "--db", "none.db"], "there is no database none.db yet"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTUAL_DRIVER", "tui.serving.driver:TabDriver")
    assert main(argv) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("looks_only", [True, False])
def test_a_read_only_server_has_read_only_consoles(looks_only: bool, tmp_path: Path) -> None:
    interpreter, *_, module, name = (argv := _tab(tmp_path / "t.db", looks_only=looks_only))[:4]
    assert (interpreter, module, name) == (sys.executable, "-m", "tui.cli")
    before, command, _ = _split(argv[4:])
    assert command == "attach"
    assert main_parser().parse_args(before).read_only is looks_only


async def test_connections_that_ask_for_nothing_are_few_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(server_module, "_REQUEST_DEADLINE", 0.3)
    async with serving() as (address, session):
        place = URL(address)
        idle = [await asyncio.open_connection(place.host, place.port) for _ in range(2)]
        idle[0][1].write(b"GET / HTTP/1.1\r\nX-Slow: ")
        async with session.get(address) as answer:
            assert (answer.status, await answer.text()) == (503, server_module._FULL)
        for reader, writer in idle:
            assert await reader.read() == b""
            writer.close()
        async with session.get(address) as answer:
            assert answer.status == 200


FLOOD = SPEAKER.replace(
    "for kind, data in heard():", "while True: say(b'D', b'x' * 60_000)\nfor kind, data in heard():"
)


async def test_a_tab_that_reads_nothing_ends_with_the_server(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tab_module, "STOP_DEADLINE", 0.1)
    server = ConsoleServer([sys.executable, "-c", FLOOD], 0)
    address = await server.start()
    place = URL(address)
    asked = {
        "Host": place.authority, **origin(address), "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13",
    }  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection(place.host, place.port, limit=1024)
        writer.write(f"GET {place.path}ws HTTP/1.1\r\n{lines}\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        # Nothing is read from here on, beyond what the limit of the reader takes.
        while not _is_stuck(server):
            await asyncio.to_thread(os.sched_yield)
        asked_at = asyncio.get_running_loop().time()
        await server.close()
    assert asyncio.get_running_loop().time() - asked_at < 2.0
    writer.close()
    gc.collect()
    assert capfd.readouterr().err == ""


def _is_stuck(server: ConsoleServer) -> bool:
    """Whether something is on its way to one who does not read."""
    assert server._runner.server is not None
    transports = [connection.transport for connection in server._runner.server.connections]
    return any(one is not None and one.get_write_buffer_size() > 0 for one in transports)


@pytest.mark.parametrize(
    "nonsense", [b"\x00\xff\x1b]52;c;x\x07\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n"]
)
async def test_what_is_no_http_is_answered_and_fills_no_terminal(
    nonsense: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as (address, _):
        place = URL(address)
        reader, writer = await asyncio.open_connection(place.host, place.port)
        writer.write(nonsense)
        assert (await reader.read()).startswith(b"HTTP/1.0 400 ")
        writer.close()
    assert caplog.records == []
    assert capfd.readouterr().err == ""
