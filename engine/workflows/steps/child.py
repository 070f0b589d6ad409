"""A child process that cannot hurt the engine: a session of its own, output up to a bound, an end with all
that it started."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from engine.config.types import VariableName
from engine.lines import spelled
from engine.model import ErrorCategory, ErrorType, Failure
from engine.text import own_words, plain
from engine.workflows.steps.base import CheckError, StepContext, StepError

TERM_GRACE = 0.2
"""Seconds between asking a child whose time is over to end, and ending it."""
KILL_GRACE = 0.2
"""Seconds until a killed child is gone; it is reaped later when the kernel takes longer."""
MARK = "TOCSIN_RUN"
"""The variable by which processes are found that left the session of the step that started them."""
KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""What a child gets of the engine's own environment unless more is asked for."""


def as_tuple(value: object) -> object:
    """Lists of the configuration file as tuples; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


Environment = Annotated[dict[VariableName, str], Field(max_length=100)]
Inherited = Annotated[tuple[VariableName, ...], BeforeValidator(as_tuple), Field(max_length=100)]
MaxOutput = Annotated[int, Field(ge=0, le=16 * 1024 * 1024)]

_CHUNK = 65_536
_PASSES = 5
_PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True, slots=True)
class Launch:
    """What is started: `argv` without any shell; `limit` bounds stdout and stderr together, bytes.

    `stdin` is a descriptor; nothing can be read unless it is given. `label` is what sentences call it instead
    of the program's name.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None = None
    limit: int = 1_048_576
    stdin: int = subprocess.DEVNULL
    label: str = ""

    @property
    def name(self) -> str:
        """The command in sentences: without its arguments, which may hold secrets."""
        return (
            plain(self.label, 120)
            if self.label
            else plain(os.path.basename(self.argv[0]) or self.argv[0], 80)
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended by itself: its exit status, or the signal that killed it (`SIGSEGV`)."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def status(self) -> int:
        """As shells count: 128 and the number of the signal when one killed it."""
        return self.returncode if self.returncode >= 0 else 128 - self.returncode

    @property
    def signal(self) -> str | None:
        if self.returncode >= 0:
            return None
        try:
            return signal.Signals(-self.returncode).name
        except ValueError:
            return f"signal {-self.returncode}"

    @property
    def last_words(self) -> str:
        """The last line it wrote to stderr."""
        lines = self.stderr[-_CHUNK:].split(b"\n")
        return next((words for line in reversed(lines) if (words := plain(line, 200).strip())), "")

    def sentence(self, name: str) -> str:
        """How it ended, in words, with its last ones."""
        how = f"was killed by {self.signal}" if self.signal else f"exited with {self.status}"
        return f"{name} {how}{': ' + self.last_words if self.last_words else ''}"


def environment(inherit: Sequence[str], extra: Mapping[str, str], context: StepContext) -> dict[str, str]:
    """The environment of a child: the allowed part of the engine's, what the step adds, and `TRACEPARENT`."""
    allowed = {name: os.environ[name] for name in (*KEPT, *inherit) if name in os.environ}
    return {"PATH": os.defpath, **allowed, "TRACEPARENT": context.traceparent, **extra}


async def run_child(launch: Launch, timeout: float) -> Ended:
    """Start it and wait for its end; then nothing of its process group is left.

    Processes that moved to a session of their own are ended, too, unless the child ended by itself.

    Args:
        timeout: seconds until it is asked to end (SIGTERM), and killed `TERM_GRACE` later.

    Raises:
        StepError: it did not end in time, or wrote more than its bound.
        CheckError: it cannot be started.
    """
    token = secrets.token_hex(8)
    child = _Child(launch, {**launch.env, MARK: token})
    ended_itself = False
    try:
        async with asyncio.timeout(timeout):
            await child.settled.wait()
        ended_itself = not child.is_over
    except TimeoutError:
        child.send(signal.SIGTERM)
        await child.gone(TERM_GRACE)
        raise StepError(_late(launch, timeout)) from None
    finally:
        child.close()
        if not ended_itself:
            child.send(signal.SIGKILL)
            _end_strays(token)
            await child.gone(KILL_GRACE)
    if child.is_over:
        message = f"{launch.name} wrote over {launch.limit} bytes and was ended"
        raise StepError(Failure(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION))
    return child.ended()


class _Child:
    """A running child; its exit is noticed and reaped by the loop, whoever still waits for it."""

    def __init__(self, launch: Launch, env: Mapping[str, str]) -> None:
        self.settled = asyncio.Event()
        self.is_over = False
        self._loop = asyncio.get_running_loop()
        self._left = launch.limit
        self._exited = asyncio.Event()
        self._outputs: dict[int, bytearray] = {}
        with contextlib.ExitStack() as failing, contextlib.ExitStack() as theirs:
            (out, out_end), (err, err_end) = (self._pipe(failing, theirs) for _ in range(2))
            self._process = _spawn(launch, env, out_end, err_end)
            failing.callback(self._abandon)
            self._pidfd = os.pidfd_open(self._process.pid)
            failing.pop_all()
        self._stdout, self._stderr = self._outputs[out], self._outputs[err]
        self._loop.add_reader(self._pidfd, self._reap)
        for descriptor in self._outputs:
            self._loop.add_reader(descriptor, self._read, descriptor)

    def send(self, number: signal.Signals) -> None:
        """To the whole group; its number belongs to it until its leader has been reaped."""
        if self._exited.is_set():
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def gone(self, seconds: float) -> None:
        """Return when it has exited, or after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._exited.wait()

    def close(self) -> None:
        """Read no more."""
        for descriptor in tuple(self._outputs):
            self._drop(descriptor)

    def ended(self) -> Ended:
        return Ended(self._process.returncode, bytes(self._stdout), bytes(self._stderr))

    def _pipe(self, failing: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
        ours, end = os.pipe()
        failing.callback(os.close, ours)
        theirs.callback(os.close, end)
        os.set_blocking(ours, False)
        self._outputs[ours] = bytearray()
        return ours, end

    def _abandon(self) -> None:
        self.send(signal.SIGKILL)
        self._process.wait()

    def _read(self, descriptor: int) -> bool:
        """Take what is there; whether there may be more."""
        try:
            data = os.read(descriptor, min(_CHUNK, self._left + 1))
        except BlockingIOError:
            return False
        if not data:
            self._drop(descriptor)
            return False
        if len(data) > self._left:
            self.is_over = True
            self.settled.set()
            self.close()
            return False
        self._left -= len(data)
        self._outputs[descriptor] += data
        return True

    def _drop(self, descriptor: int) -> None:
        self._loop.remove_reader(descriptor)
        del self._outputs[descriptor]
        os.close(descriptor)

    def _reap(self) -> None:
        """It has exited: end what it left in its group, then read what is in the pipes already."""
        self.send(signal.SIGKILL)
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        for descriptor in tuple(self._outputs):
            while descriptor in self._outputs and self._read(descriptor):
                pass
        self._exited.set()
        self.settled.set()


def _spawn(launch: Launch, env: Mapping[str, str], stdout: int, stderr: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - what to run is what the configuration is for
            launch.argv,
            stdin=launch.stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=launch.cwd,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CheckError(_no_start(launch, error)) from None


def _no_start(launch: Launch, error: OSError | ValueError) -> Failure:
    number = error.errno if isinstance(error, OSError) else None
    kind, category = ErrorType.PERMANENT, ErrorCategory.VALIDATION
    if launch.cwd is not None and not Path(launch.cwd).is_dir():
        message, category = f"there is no directory {plain(launch.cwd, 200)}", ErrorCategory.NOT_FOUND
    elif number == errno.ENOENT:
        message, category = f"there is no command {plain(launch.argv[0], 200)}", ErrorCategory.NOT_FOUND
    elif number == errno.EACCES:
        message = f"{plain(launch.argv[0], 200)} may not be executed"
        category = ErrorCategory.AUTHENTICATION
    else:
        reason = os.strerror(number).lower() if number else own_words(error, 200)
        message = f"{launch.name} cannot be started: {reason}"
        kind = ErrorType.TRANSIENT if number in _PASSING else kind
    return Failure(message, kind, category)


def _late(launch: Launch, timeout: float) -> Failure:
    message = f"{launch.name} did not end within {spelled(round(timeout, 3))} and was ended"
    return Failure(message, ErrorType.TIMEOUT, ErrorCategory.UNKNOWN)


def _end_strays(token: str) -> None:
    """Kill every process that carries the mark; again until none is found, for they may start others."""
    mark = f"{MARK}={token}".encode()
    for _ in range(_PASSES):
        if not sum(_end_marked(pid, mark) for pid in _processes()):
            return


def _processes() -> Iterator[int]:
    with os.scandir("/proc") as entries:
        yield from [int(entry.name) for entry in entries if entry.name.isdecimal()]


def _end_marked(pid: int, mark: bytes) -> bool:
    """Kill the process if it is marked; by descriptor, so that it cannot be another of the same number."""
    if not _is_marked(pid, mark):
        return False
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if _is_marked(pid, mark):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as environ:
            return mark in environ.read()
    except OSError:
        return False
