"""Bodies as they arrive: decompressed piece by piece, never beyond a limit."""

from __future__ import annotations

import json
import os
import stat
import zlib
from typing import Any

from engine.model import ErrorCategory, ErrorType, Failure
from engine.text import own_words, plain
from engine.workflows.steps.base import CheckError
from engine.workflows.steps.probe import Probe

FILE_LIMIT = 16 * 1024 * 1024

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class BodyLimitError(ValueError):
    """The body is longer than allowed."""


class Body:
    """Collects a body of at most `limit` bytes after decompression.

    Args:
        encoding: the Content-Encoding; gzip and deflate are undone, anything else is kept as it came.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        packed = encoding.strip().lower() in ("gzip", "x-gzip", "deflate")
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB) if packed else None

    def feed(self, data: bytes) -> None:
        """Add bytes as received. Raises BodyLimitError, and zlib.error for what is not compressed."""
        room = self._limit - self._size
        if self._inflate is not None:
            # One byte more than there is room for tells a full body from one that goes on.
            data = self._inflate.decompress(data, room + 1)
        if len(data) > room:
            raise BodyLimitError(f"body over {self._limit} bytes")
        self._parts.append(data)
        self._size += len(data)

    def finish(self) -> bytes:
        """All of it. Raises zlib.error when the compressed data stops short."""
        if self._inflate is not None and self._size and not self._inflate.eof:
            raise zlib.error("the compressed data stops short")
        return b"".join(self._parts)


def body_fault(error: ValueError | zlib.error, probe: Probe) -> Exception:
    """The step's error for a body that could not be taken."""
    if isinstance(error, BodyLimitError):
        return probe.fault(str(error), ErrorType.PERMANENT, ErrorCategory.VALIDATION)
    return probe.fault("the compressed body is broken", ErrorType.TRANSIENT, ErrorCategory.VALIDATION)


def read_body(path: str) -> bytes:
    """A file to send.

    Raises:
        CheckError: it is no regular file of at most 16 MiB that can be read.
    """
    shown = plain(path, 200)
    try:
        # A named pipe would otherwise hold the engine until somebody writes to it.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise _unusable(f"the body {shown} is no regular file")
            if found.st_size > FILE_LIMIT:
                raise _unusable(f"the body {shown} has {found.st_size} bytes, the limit is {FILE_LIMIT}")
            return file.read(FILE_LIMIT)
    except (OSError, ValueError) as error:
        reason = plain(error.strerror, 120).lower() if isinstance(error, OSError) else own_words(error, 120)
        raise _unusable(f"the body {shown} cannot be read: {reason}") from error


def _unusable(message: str) -> CheckError:
    return CheckError(Failure(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION))


def parse_json(text: str) -> Any:
    """The document, or None for what is not JSON (or nested too deeply to be read)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
