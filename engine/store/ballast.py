"""A file that only takes room, to be given up when the disk is full: what must be kept then still fits."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class Ballast:
    """`<db>.ballast`, of `size` bytes that are really taken; nothing at all when `size` is 0."""

    def __init__(self, db: Path, size: int) -> None:
        self.path = db.with_name(db.name + ".ballast")
        self.size = size

    @property
    def held(self) -> int:
        """Bytes it takes now."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def hold(self) -> bool:
        """Take the room, all of it or none; whether it is held now."""
        if self.held == self.size:
            return True
        if not self.size:
            return self.release()
        draft = self.path.with_name(self.path.name + ".new")
        try:
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self.size)
            finally:
                os.close(descriptor)
            draft.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            return False
        return True

    def release(self) -> bool:
        """Give the room up; whether there was any."""
        had_some = self.held > 0
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            return False
        return had_some
