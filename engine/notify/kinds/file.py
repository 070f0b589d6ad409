"""Channels that add a line of the webhook's JSON to a file.

The file is opened anew for each message, so that one that was moved away or cut by a rotation is no harm, and
its line is on the disk when the message counts as taken.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.model import LogRecord
from engine.notify.delivery import DeliveryError, Message
from engine.notify.kinds.console import NoticeBoard
from engine.notify.payload import encoded
from engine.text import plain

if TYPE_CHECKING:
    from engine.config.routing import FileSpec

DEADLINE = 10.0
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class FileKind:
    """Serves all files."""

    async def send(self, channel: str, spec: FileSpec, message: Message) -> None:
        """Return when the line is on the disk. Raises DeliveryError."""
        line = encoded(channel, message) + b"\n"
        try:
            async with asyncio.timeout(DEADLINE):
                await asyncio.to_thread(append, spec.path, line)
        except TimeoutError:
            raise DeliveryError(f"{plain(spec.path, 200)} took no line within {DEADLINE:g} s") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DeliveryError(f"{plain(spec.path, 200)}: {reason}") from None


def append(path: str, line: bytes) -> None:
    """Add `line` whole, or not at all, and wait until it is on the disk.

    A last line that is not whole, as a full disk leaves it, is ended first.

    Raises:
        OSError: it cannot be written, or is no file.
    """
    descriptor = os.open(Path(path).expanduser(), _FLAGS, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        left = memoryview(b"\n" + line if torn else line)
        try:
            while left:
                left = left[os.write(descriptor, left) :]
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def kind(clock: Clock, log: Callable[[LogRecord], None], board: NoticeBoard) -> FileKind:
    """The kind `file`."""
    return FileKind()
