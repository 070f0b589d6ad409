"""Commands to a running engine over a socket that only its owner can reach.

One request and one answer per connection, each a JSON object on a line of at most 64 KiB:
`{"command": "acknowledge", "alert_id": 7, …}` is answered by `{"ok": {…}}` or
`{"error": "…", "hint": "…", "kind": "ConflictError"}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.client import EngineInfo, WorkflowStatus
from engine.errors import ConflictError, EngineUnavailableError, NotFoundError, TocsinError
from engine.model import (
    Alert,
    AlertEventKind,
    AlertState,
    BreakerState,
    BreakerStatus,
    MaintenanceStatus,
    Notification,
    NotificationState,
    Priority,
    ReloadReport,
    Severity,
    Silence,
)
from engine.paths import private_dir
from engine.reporting.model import Pledge
from engine.text import clean, own_words

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
LINE_LIMIT = 65_536
REQUEST_DEADLINE = 5.0
MAX_CONNECTIONS = 16
_KINDS = {kind.__name__: kind for kind in (NotFoundError, ConflictError, EngineUnavailableError)}

Handler = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


class ControlServer:
    """Answers commands until closed.

    Args:
        path: the socket, in a directory that is made when missing and must be ours alone (0700).
        handler: takes the command and its arguments; the TocsinErrors it raises are passed on.
    """

    def __init__(self, path: Path, handler: Handler, deadline: float = REQUEST_DEADLINE) -> None:
        self._path = path
        self._handler = handler
        self._deadline = deadline
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen, in place of the socket of an engine that is gone.

        Raises:
            ConflictError: an engine answers on the socket.
            EngineUnavailableError: the directory is not ours alone, or the socket cannot be made.
        """
        _check_directory(self._path.parent)
        _remove_stale(self._path)
        try:
            self._server = await asyncio.start_unix_server(self._accept, self._path, limit=LINE_LIMIT)
            self._path.chmod(0o600)
            self._inode = self._path.stat().st_ino
        except OSError as error:
            await self.close()
            raise EngineUnavailableError(f"{self._path}: {own_words(error)}") from error

    async def close(self) -> None:
        """Stop answering and remove the socket, unless another engine has put its own there."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._connections) <= MAX_CONNECTIONS:
                await self._converse(reader, writer)
        except (OSError, TimeoutError):
            pass  # the caller went away or does not read: nobody is left to tell
        except asyncio.CancelledError:
            pass  # the server closes, and only close() cancels this task
        finally:
            self._connections.discard(task)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                answer: dict[str, Any] = {"ok": await self._answer(reader)}
        except TimeoutError:
            answer = _refusal(EngineUnavailableError(f"no answer within {self._deadline:g} s"))
        except TocsinError as error:
            answer = _refusal(error)
        except Exception as error:  # noqa: BLE001 - border: a fault in a command is the caller's answer
            answer = _refusal(TocsinError(own_words(error)))
        async with asyncio.timeout(self._deadline):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            raise TocsinError("the request has no end") from None
        except asyncio.LimitOverrunError:
            raise TocsinError(f"a request is at most {LINE_LIMIT} bytes") from None
        request = _object(line)
        command = request.pop("command", None) if request is not None else None
        if request is None or not isinstance(command, str):
            raise TocsinError("a request is a JSON object with a command")
        return await self._handler(command, request)


async def send_command(socket_path: Path, command: dict[str, Any], timeout: float = 10.0) -> dict[str, Any]:
    """Ask the engine behind `socket_path` and return its answer, within `timeout` seconds.

    Raises:
        EngineUnavailableError: nobody listens, or no answer came in time.
        NotFoundError, ConflictError, TocsinError: what the engine said.
    """
    try:
        async with asyncio.timeout(timeout):
            line = await _exchange(socket_path, json.dumps(command).encode() + b"\n")
    except TimeoutError:
        raise EngineUnavailableError(f"the engine did not answer within {timeout:g} s") from None
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise EngineUnavailableError(
            f"the engine cannot be reached: {_reason(error)}", "does it run, with the same XDG_RUNTIME_DIR?"
        ) from error
    answer = _object(line)
    if answer is None:
        raise EngineUnavailableError("the engine's answer is not understood", "is it of another version?")
    if isinstance(answer.get("ok"), dict):
        return dict(answer["ok"])
    kind = _KINDS.get(str(answer.get("kind")), TocsinError)
    raise kind(clean(str(answer.get("error", "refused"))), clean(str(answer.get("hint", ""))))


def pack(record: DataclassInstance) -> dict[str, Any]:
    """A record as an answer carries it."""
    return asdict(record)


def unpack_alert(answer: dict[str, Any]) -> Alert:
    """The alert of an answer. Raises EngineUnavailableError when it is none."""
    try:
        return Alert(
            **{**answer, "severity": Severity(answer["severity"]), "state": AlertState(answer["state"])}
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _foreign(error) from error


def unpack_silence(answer: dict[str, Any]) -> Silence:
    """The silence of an answer. Raises EngineUnavailableError when it is none."""
    try:
        return Silence(**{**answer, "matchers": tuple(answer["matchers"])})
    except (KeyError, TypeError) as error:
        raise _foreign(error) from error


def unpack_notification(answer: dict[str, Any]) -> Notification:
    """The notification of an answer. Raises EngineUnavailableError when it is none."""
    try:
        kind, state = AlertEventKind(answer["transition"]), NotificationState(answer["state"])
        severity = Severity(answer["severity"])
        return Notification(**{**answer, "transition": kind, "state": state, "severity": severity})
    except (KeyError, TypeError, ValueError) as error:
        raise _foreign(error) from error


def unpack_maintenance(answer: dict[str, Any]) -> MaintenanceStatus:
    """The maintenance window of an answer. Raises EngineUnavailableError when it is none."""
    try:
        whom = {name: tuple(map(str, answer[name])) for name in ("workflows", "tags")}
        return MaintenanceStatus(**{**answer, **whom})
    except (KeyError, TypeError) as error:
        raise _foreign(error) from error


def unpack_each(answer: dict[str, Any], key: str, unpack: Callable[[dict[str, Any]], T]) -> tuple[T, ...]:
    """What an answer lists under `key`. Raises EngineUnavailableError when it does not."""
    try:
        return tuple(map(unpack, answer[key]))
    except (KeyError, TypeError) as error:
        raise _foreign(error) from error


def unpack_info(answer: dict[str, Any]) -> EngineInfo:
    """The engine's account of itself. Raises EngineUnavailableError when it is none."""
    try:
        return EngineInfo(**answer)
    except TypeError as error:
        raise _foreign(error) from error


def unpack_reload(answer: dict[str, Any]) -> ReloadReport:
    """What became of a reload. Raises EngineUnavailableError when it is not told."""
    try:
        lists = {name: tuple(map(str, answer[name])) for name in ("changes", "problems")}
        return ReloadReport(**{**answer, **lists})
    except (KeyError, TypeError) as error:
        raise _foreign(error) from error


def unpack_workflows(answer: dict[str, Any]) -> tuple[WorkflowStatus, ...]:
    """The workflows of an answer. Raises EngineUnavailableError when they are none."""
    try:
        return tuple(map(_workflow, answer["workflows"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _foreign(error) from error


def unpack_pledges(answer: dict[str, Any]) -> tuple[Pledge, ...]:
    """What an answer says of workflows. Raises EngineUnavailableError when it says nothing."""
    try:
        return tuple(Pledge(**told) for told in answer["pledges"])
    except (KeyError, TypeError) as error:
        raise _foreign(error) from error


def unpack_breakers(answer: dict[str, Any]) -> tuple[BreakerStatus, ...]:
    """The circuit breakers of an answer. Raises EngineUnavailableError when they are none."""
    try:
        return tuple(map(_breaker, answer["breakers"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _foreign(error) from error


def _workflow(told: dict[str, Any]) -> WorkflowStatus:
    lists: dict[str, Any] = {name: tuple(told[name]) for name in ("tags", "steps", "recent", "durations")}
    breakers = tuple(map(_breaker, told["breakers"]))
    return WorkflowStatus(**{**told, **lists, "priority": Priority(told["priority"]), "breakers": breakers})


def _breaker(told: dict[str, Any]) -> BreakerStatus:
    return BreakerStatus(**{**told, "state": BreakerState(told["state"])})


async def _exchange(path: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path, limit=16 * LINE_LIMIT)
    try:
        writer.write(request)
        await writer.drain()
        return await reader.readuntil(b"\n")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _refusal(error: TocsinError) -> dict[str, str]:
    return {"error": error.message, "hint": error.hint, "kind": type(error).__name__}


def _foreign(error: Exception) -> EngineUnavailableError:
    return EngineUnavailableError(
        f"the engine's answer is not understood: {own_words(error)}", "is it of another version?"
    )


def _object(line: bytes) -> dict[str, Any] | None:
    """The JSON object on a line, if it is one."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _reason(error: Exception) -> str:
    """What went wrong, in words, without the number that the system gives it."""
    said = error.strerror if isinstance(error, OSError) else None
    return said.lower() if said else own_words(error)


def _check_directory(directory: Path) -> None:
    """Make the directory, or refuse one that others could reach or have put there."""
    try:
        private_dir(directory)
        found = directory.lstat()
    except OSError as error:
        raise EngineUnavailableError(
            f"the directory for the engine's socket, {directory}, cannot be used: {_reason(error)}",
            "set XDG_RUNTIME_DIR to a directory of yours",
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise EngineUnavailableError(
            f"{directory} is not a directory of yours alone", "remove it, or set XDG_RUNTIME_DIR"
        )


def _remove_stale(path: Path) -> None:
    """Remove the socket of an engine that is gone."""
    if not path.exists():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except OSError as error:
            raise EngineUnavailableError(f"{path}: {own_words(error)}") from error
        else:
            raise ConflictError(f"an engine already answers on {path}")
