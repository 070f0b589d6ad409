"""Files that are written for a person: private, never over another one, and there only when complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from engine.errors import TocsinError

# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@contextmanager
def private_file(path: Path) -> Iterator[IO[str]]:
    """A text file of mode 0600 that appears at `path` once it is complete.

    Raises:
        TocsinError: there is a file of that name, or it cannot be written.
    """
    if path.exists():
        raise TocsinError(f"{path} exists already", "choose another name: nothing is overwritten")
    draft = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as out:
                yield out
            draft.rename(path)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
    except OSError as error:
        raise TocsinError(f"cannot write {path}: {error.strerror}") from error


def no_formula(text: str) -> str:
    """The text for a cell of a spreadsheet: what would be a formula gets an apostrophe before it."""
    return "'" + text if text.startswith(_FORMULA) else text
