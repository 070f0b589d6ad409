"""A file that another program writes to: its lines, from a place in it on."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

LINE_BYTES = 65_536
"""Bytes of a line that are kept."""
_CHUNK = 262_144


class Line(NamedTuple):
    """One line without its end; `size` is its full length in bytes, `end` where the next one begins."""

    head: bytes
    size: int
    end: int


class GrowingFile:
    """Reads lines as they are completed; memory is bounded, however long a line is.

    Args:
        path: a regular file.
        offset: where to begin; at the start, when the file is shorter than that.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        self._file: BinaryIO = os.fdopen(descriptor, "rb", buffering=0)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(f"{path} is no regular file")
        except BaseException:
            self._file.close()
            raise
        self.identity = identity(found)
        self.offset = offset if offset <= found.st_size else 0
        """Where the first line begins that has not been taken."""
        self._scanned, self._head = self.offset, b""

    def close(self) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self._file.fileno()).st_size

    def notice_truncation(self) -> bool:
        """Begin anew when the file has become shorter than what was read of it; whether it has."""
        if self.size >= self._scanned:
            return False
        self.seek(0)
        return True

    def seek(self, offset: int) -> None:
        """Go on at another place."""
        self.offset = self._scanned = offset
        self._head = b""

    def lines(self, most: int, *, to_the_end: bool = False) -> Iterator[Line]:
        """Up to `most` lines; `to_the_end` takes for a line what the last one is without its end."""
        while most > 0:
            chunk = os.pread(self._file.fileno(), _CHUNK, self._scanned)
            if not chunk:
                if to_the_end and self._scanned > self.offset:
                    yield self._take(b"", self._scanned)
                return
            *whole, rest = chunk.split(b"\n")
            at = self._scanned
            for piece in whole[:most]:
                at += len(piece) + 1
                yield self._take(piece, at)
            most -= len(whole)
            if most < 0:
                return
            self._head = (self._head + rest)[:LINE_BYTES]
            self._scanned = at + len(rest)

    def skip(self, least: int) -> int:
        """Leave out whole lines until `least` bytes or more are behind; how many lines those were."""
        goal, lines = self.offset + least, 0
        while self.offset < goal and (chunk := os.pread(self._file.fileno(), _CHUNK, self._scanned)):
            enough = max(goal - self._scanned - 1, 0)
            end = (chunk.find(b"\n", enough) + 1) or (chunk.rfind(b"\n") + 1)
            lines += chunk.count(b"\n", 0, end)
            if end:
                self.seek(self._scanned + end)
            else:
                self._scanned += len(chunk)
        return lines

    def _take(self, piece: bytes, end: int) -> Line:
        has_end = end > self._scanned
        size = end - self.offset - has_end
        head = (self._head + piece)[:LINE_BYTES]
        self.seek(end)
        return Line(head.removesuffix(b"\r"), size, end)


def identity(found: os.stat_result) -> str:
    """What tells a file from others, whatever its name: `device:inode`."""
    return f"{found.st_dev}:{found.st_ino}"
