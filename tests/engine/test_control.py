from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.client import EngineInfo
from engine.control import (
    LINE_LIMIT,
    ControlServer,
    pack,
    send_command,
    unpack_alert,
    unpack_info,
)
from engine.errors import ConflictError, EngineUnavailableError, NotFoundError, TocsinError
from engine.model import Alert, AlertState, Severity

ALERT = Alert(
    id=7,
    fingerprint="r|s",
    rule_id="r",
    rule_name="R",
    subject="s",
    severity=Severity.CRITICAL,
    state=AlertState.ACKNOWLEDGED,
    message="m \u2028 \x1b[31m",
    started_at=1.5,
    last_true_at=2.5,
    value=62.5,
    acked_at=3.0,
    acked_by="ann",
)

HANGING = asyncio.Event()


async def _handle(command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    match command:
        case "echo":
            return arguments
        case "missing":
            raise NotFoundError("there is no alert 7", "tocsin alerts lists them")
        case "conflict":
            raise ConflictError("alert 7 is resolved")
        case "fault":
            raise KeyError("inside")
        case "hang":
            HANGING.set()
            await asyncio.Event().wait()
    raise TocsinError(f"no command {command}")


@asynccontextmanager
async def _serving(path: Path, deadline: float = 5.0) -> AsyncIterator[ControlServer]:
    server = ControlServer(path, _handle, deadline)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "engine.sock"


def _mode(path: Path) -> int | None:
    return path.stat().st_mode & 0o777 if path.exists() else None


async def _raw(path: Path, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(sent)
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_a_command_is_answered(path: Path) -> None:
    async with _serving(path):
        answer = await send_command(path, {"command": "echo", "alert_id": 7, "note": "ä\n"})
        assert answer == {"alert_id": 7, "note": "ä\n"}


async def test_errors_keep_their_kind_and_hint(path: Path) -> None:
    async with _serving(path):
        with pytest.raises(NotFoundError) as missing:
            await send_command(path, {"command": "missing"})
        assert (missing.value.message, missing.value.hint) == (
            "there is no alert 7",
            "tocsin alerts lists them",
        )
        with pytest.raises(ConflictError):
            await send_command(path, {"command": "conflict"})
        with pytest.raises(TocsinError, match="inside"):
            await send_command(path, {"command": "fault"})


async def test_only_the_owner_can_reach_the_socket(path: Path) -> None:
    async with _serving(path):
        assert _mode(path) == 0o600
        assert _mode(path.parent) == 0o700
    assert _mode(path) is None


async def test_a_directory_open_to_others_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    path.parent.chmod(0o755)
    with pytest.raises(EngineUnavailableError, match="yours alone"):
        await ControlServer(path, _handle).start()
    assert _mode(path) is None


async def test_a_directory_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "tocsin" / "a.sock"
    with pytest.raises(EngineUnavailableError, match=r"not a directory \(set XDG_RUNTIME_DIR"):
        await ControlServer(path, _handle).start()
    with pytest.raises(EngineUnavailableError, match=r"reached: not a directory \(does it run"):
        await send_command(path, {"command": "echo"})


async def test_a_link_in_place_of_the_directory_is_refused(path: Path, tmp_path: Path) -> None:
    private = tmp_path / "elsewhere"
    private.mkdir(mode=0o700)
    path.parent.symlink_to(private)
    with pytest.raises(EngineUnavailableError, match="yours alone"):
        await ControlServer(path, _handle).start()


async def test_the_socket_of_a_dead_engine_is_replaced(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert _mode(path) is not None
    async with _serving(path):
        assert await send_command(path, {"command": "echo", "a": 1}) == {"a": 1}


async def test_a_living_engine_keeps_its_socket(path: Path) -> None:
    async with _serving(path):
        with pytest.raises(ConflictError):
            await ControlServer(path, _handle).start()
        assert await send_command(path, {"command": "echo", "a": 1}) == {"a": 1}


async def test_closing_leaves_the_socket_of_another_engine(path: Path) -> None:
    async with _serving(path) as first:
        os.unlink(path)
        async with _serving(path):
            await first.close()
            assert await send_command(path, {"command": "echo", "a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"not json\n", b"JSON object with a command"),
        (b"[1]\n", b"JSON object with a command"),
        (b'{"command": 3}\n', b"JSON object with a command"),
        (b"[" * 60_000 + b"\n", b"JSON object with a command"),
        (b'{"command": "echo"', b"has no end"),
        (b"x" * (2 * LINE_LIMIT) + b"\n", b"at most 65536 bytes"),
        (b"\xff\xfe\n", b"JSON object with a command"),
    ],
)
async def test_bad_requests_get_a_sentence(path: Path, sent: bytes, expected: bytes) -> None:
    async with _serving(path):
        assert expected in await _raw(path, sent)
        assert await send_command(path, {"command": "echo", "a": 1}) == {"a": 1}


async def test_a_command_that_hangs_is_given_up(path: Path) -> None:
    async with _serving(path, deadline=0.05):
        with pytest.raises(EngineUnavailableError, match=r"no answer within 0\.05 s"):
            await send_command(path, {"command": "hang"})


async def test_a_caller_that_says_nothing_is_let_go(path: Path) -> None:
    async with _serving(path, deadline=0.05):
        reader, writer = await asyncio.open_unix_connection(path)
        assert b"no answer within" in await reader.read()
        writer.close()


async def test_close_does_not_wait_for_callers(path: Path) -> None:
    HANGING.clear()
    async with _serving(path) as server:
        asking = asyncio.create_task(send_command(path, {"command": "hang"}))
        await asyncio.wait_for(HANGING.wait(), 5)
        await server.close()
        with pytest.raises(EngineUnavailableError):
            await asking


async def test_no_engine_is_a_sentence(path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="cannot be reached"):
        await send_command(path, {"command": "ping"})


async def test_an_engine_that_does_not_answer_is_a_sentence(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        with pytest.raises(EngineUnavailableError, match=r"did not answer within 0\.05 s"):
            await send_command(path, {"command": "ping"}, timeout=0.05)


async def test_a_name_too_long_for_a_socket_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError):
        await ControlServer(tmp_path / "run" / ("x" * 150), _handle).start()


async def test_descriptors_do_not_leak(path: Path) -> None:
    async with _serving(path):
        await send_command(path, {"command": "echo"})
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            await send_command(path, {"command": "echo"})
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) <= before + 1


async def test_records_travel_whole(path: Path) -> None:
    info = EngineInfo(
        "1", "local", "rules.yaml", "t.db", 1.0, 2, 3, 4, queued=5, paused=True, ailing={"rules": "boom"}
    )
    async with _serving(path):
        assert unpack_alert(await send_command(path, {"command": "echo", **pack(ALERT)})) == ALERT
        assert unpack_info(await send_command(path, {"command": "echo", **pack(info)})) == info


def test_foreign_answers_are_refused() -> None:
    with pytest.raises(EngineUnavailableError):
        unpack_alert({"id": 7})
    with pytest.raises(EngineUnavailableError):
        unpack_alert({**pack(ALERT), "severity": "LOUD"})
    with pytest.raises(EngineUnavailableError):
        unpack_info({"version": "1", "colour": "red"})
