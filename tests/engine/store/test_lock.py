"""One engine per database."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import LockedError, StoreError
from engine.paths import lock_path
from engine.store.lock import InstanceLock

HOLD = """
import sys
from pathlib import Path
from engine.store.lock import InstanceLock
lock = InstanceLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""
FORK = """
import os, sys
from pathlib import Path
from engine.store.lock import InstanceLock
lock = InstanceLock(Path(sys.argv[1]))
lock.acquire()
if os.fork() == 0:
    print("forked", flush=True)
sys.stdin.read()
"""


def test_the_second_is_refused_and_told_who_holds_it(db: Path) -> None:
    first, second = InstanceLock(db), InstanceLock(db)
    first.acquire()
    first.acquire()
    with pytest.raises(LockedError, match=f"process {os.getpid()}"):
        second.acquire()
    assert InstanceLock.holder(db) == os.getpid()
    first.release()
    first.release()
    assert InstanceLock.holder(db) is None
    second.acquire()
    second.release()


def test_nobody_holds_what_was_never_locked(db: Path) -> None:
    assert InstanceLock.holder(db) is None
    assert not lock_path(db).exists()


def test_kill_nine_frees_the_lock(db: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(db)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert InstanceLock.holder(db) == child.pid
        with pytest.raises(LockedError, match=str(child.pid)):
            InstanceLock(db).acquire()
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert InstanceLock.holder(db) is None
    lock = InstanceLock(db)
    lock.acquire()
    lock.release()


def test_a_forked_child_does_not_keep_it(db: Path) -> None:
    command = [sys.executable, "-c", FORK, str(db)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"forked\n"
        assert InstanceLock.holder(db) == parent.pid
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        lock = InstanceLock(db)
        lock.acquire()
        lock.release()


def test_the_lock_file_is_private(db: Path) -> None:
    lock = InstanceLock(db)
    lock.acquire()
    assert lock_path(db).stat().st_mode & 0o777 == 0o600
    lock.release()


def test_a_disk_without_room_for_the_lock_is_told_and_the_lock_is_free_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    db = tmp_path / "t.db"
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", no_room)
        with pytest.raises(StoreError, match="No space left on device"):
            InstanceLock(db).acquire()
    lock = InstanceLock(db)
    lock.acquire()
    lock.release()
