"""Files of a person: read only when they are files, written privately, whole, and never over another one."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from engine.errors import TocsinError
from engine.text import plain

# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# What file systems without hard links say.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@contextmanager
def private_file(path: Path) -> Iterator[IO[str]]:
    """A text file of mode 0600 that appears at `path` once it is complete.

    Raises:
        TocsinError: there is a file of that name, or it cannot be written.
    """
    # A name of its own: nobody's file is taken for what a broken run has left.
    draft = path.with_name(f".tocsin-{secrets.token_hex(8)}.part")
    try:
        if os.path.lexists(path):
            raise FileExistsError
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as out:
                yield out
            _appear(draft, path)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
    except FileExistsError as error:
        raise TocsinError(f"{path} exists already", "choose another name: nothing is overwritten") from error
    except OSError as error:
        raise TocsinError(f"cannot write {path}: {error.strerror}") from error


def _appear(draft: Path, path: Path) -> None:
    """Give `draft` its name, unless there is a file of that name by now."""
    try:
        os.link(draft, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError from error
        draft.rename(path)


def named_file(text: str) -> Path:
    """The absolute path of a file as a person names it: here, at home (`~/`), or anywhere.

    Raises:
        TocsinError: there is no such home, or the directory of this process is gone.
    """
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise TocsinError(f"there is no home directory for {plain(text, 80)}") from error
    except OSError as error:
        raise TocsinError(
            "the directory that this runs in is gone", "name a file by its whole path"
        ) from error


def read_regular(path: Path, limit: int) -> bytes:
    """At most `limit` bytes of a regular file; a pipe or a device, which may never answer, is refused.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return file.read(limit)


def no_formula(text: str) -> str:
    """The text for a cell of a spreadsheet: what would be a formula gets an apostrophe before it."""
    return "'" + text if text.startswith(_FORMULA) else text
