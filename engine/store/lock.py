"""One engine per database: a flock that the kernel frees whatever becomes of the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from weakref import WeakSet

from engine.errors import LockedError, StoreError
from engine.paths import lock_path, private_dir


class InstanceLock:
    """Held by the engine that owns `db`; a forked child does not inherit it.

    Args:
        db: the database file, which need not exist yet.
    """

    def __init__(self, db: Path) -> None:
        self._db = db
        self._path = lock_path(db)
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock or fail at once.

        Raises:
            LockedError: another engine holds it; the sentence names its process.
            StoreError: the lock file cannot be made.
        """
        if self._descriptor is not None:
            return
        try:
            private_dir(self._path.parent)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}", "choose another place with --db") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = _read_pid(descriptor)
            os.close(descriptor)
            holder = f"process {pid}" if pid else "another process"
            raise LockedError(
                f"{self._db} is in use by an engine ({holder})",
                "tocsin logs, alerts and metrics work beside it; or choose another file with --db",
            ) from error
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(descriptor)
            raise StoreError(f"{self._path}: {error.strerror}", "free some space on its disk") from error
        self._descriptor = descriptor
        _HELD.add(self)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is None:
            return
        os.ftruncate(self._descriptor, 0)
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._drop()

    @staticmethod
    def holder(db: Path) -> int | None:
        """The process that holds the lock of `db`; None when nobody does."""
        try:
            descriptor = os.open(lock_path(db), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            pid = _read_pid(descriptor)
            # Without a pid there is nobody to name, and an engine that is taking the lock is not disturbed.
            return pid if pid is not None and _is_locked(descriptor) else None
        finally:
            os.close(descriptor)

    def _drop(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _HELD.discard(self)


def _read_pid(descriptor: int) -> int | None:
    with contextlib.suppress(ValueError):
        return int(os.pread(descriptor, 32, 0))
    return None


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


_HELD: WeakSet[InstanceLock] = WeakSet()


def _forget_in_child() -> None:
    for lock in list(_HELD):
        lock._drop()


os.register_at_fork(after_in_child=_forget_in_child)
