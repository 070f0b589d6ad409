"""What a step with a child process may leave behind: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from engine.workflows.steps.base import StepContext

TRACEPARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def context(timeout: float = 5.0) -> StepContext:
    return StepContext(TRACEPARENT, timeout)


def children() -> list[str]:
    """The processes whose parent is this one, dead ones that were not reaped included."""
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()


def pids_in(directory: Path) -> list[int]:
    """The numbers that processes left as names of files."""
    return [int(file.name) for file in directory.iterdir() if file.name.isdecimal()]


def all_dead(pids: list[int]) -> bool:
    """Whether all have ended; a killed one takes the kernel a moment."""
    ends = time.monotonic() + 2
    return all(_is_dead(pid, ends - time.monotonic()) for pid in pids)


def _is_dead(pid: int, wait: float) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], max(wait, 0))[0])
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def heard_from(path: Path) -> AsyncIterator[asyncio.Event]:
    """A pipe with a name, and what is set when somebody writes into it."""
    os.mkfifo(path)
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    loop.add_reader(descriptor, heard.set)
    try:
        yield heard
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """No more descriptors, tasks, threads and children after than before; what others held may go."""

    def count() -> tuple[int, int, int, list[str]]:
        for thread in threading.enumerate():
            if thread.name == "blocking step":
                thread.join(1)
        files, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
        return files, tasks, threading.active_count(), children()

    *before, had = count()
    yield
    *after, has = count()
    assert has == had
    assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)
