"""Opening a database in whatever state: made when missing, brought up to date, replaced when damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import DamagedError, StoreError
from engine.store.backup import begin_anew
from engine.store.connection import connect, explain
from engine.store.files import itself, take_back
from engine.store.integrity import damage, in_words, is_damage, mend_search
from engine.store.migrations import prepare


@dataclass(frozen=True, slots=True)
class Condition:
    """What a database was found in.

    `notice` tells what had to be done that a person must know, usually empty. `doubtful` says that the last
    run did not end cleanly and that nobody has looked at all of the file since.
    """

    notice: str = ""
    doubtful: bool = False


_ADVICE = "look for damage: tocsin db check; put a backup in its place: tocsin db restore"


def make_ready(path: Path, now: float) -> Condition:
    """Let an engine start on `path`, with its InstanceLock held.

    A damaged database, found so by a connection of its own, is set aside whole; the newest sound backup takes
    its place, or a new file when there is none. An exchange of files that was cut short is undone first.

    Raises:
        StoreError: the file is not ours, is newer, or cannot be written.
    """
    try:
        return _made_ready(path, now)
    except (StoreError, sqlite3.Error, OSError) as error:
        told = explain(error, path)
        raise type(told)(told.message, told.hint or _ADVICE) from error


def suspicion(path: Path) -> Path:
    """The file that tells the next start to look at the whole of `path` first."""
    path = itself(path)
    return path.with_name(path.name + ".suspect")


def report(error: BaseException, path: Path) -> StoreError:
    """The sentence for an error met while `path` is in use; after damage the next start looks at all of it.

    Where no mark can be left, the weekly check remains.
    """
    told = explain(error, path)
    if isinstance(told, DamagedError) or is_damage(error):
        with suppress(OSError):
            suspicion(path).touch(mode=0o600)
    return told


def _made_ready(path: Path, now: float) -> Condition:
    mark = suspicion(path)
    take_back(itself(path))
    doubtful, trouble = _prepared(path, now)
    if not trouble and not mark.exists():
        return Condition(doubtful=doubtful)
    verdict = damage(path)
    if trouble and not verdict:
        # Not all that stops an engine is seen by a check; twice the same is no accident.
        _, verdict = _prepared(path, now)
    if not verdict:
        verdict = _searchable(path)
    notice = _replaced(path, verdict, now) if verdict else ""
    lasting = _lifted(mark)
    return Condition(notice or lasting)


def _prepared(path: Path, now: float) -> tuple[bool, str]:
    """Whether somebody should look at the whole of the file, and what damage kept it from being prepared."""
    try:
        return prepare(path, now), ""
    except StoreError as error:
        if isinstance(error, DamagedError) or (error.__cause__ is not None and is_damage(error.__cause__)):
            return False, error.message.removeprefix(f"{path} ")
        raise
    except UnicodeDecodeError as error:
        return False, in_words(error)


def _searchable(path: Path) -> str:
    """What keeps the log from being searched after its index was mended; empty when nothing does."""
    try:
        with closing(connect(path)) as connection:
            mend_search(connection)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return in_words(error)
    return ""


def _replaced(path: Path, verdict: str, now: float) -> str:
    """The notice about a damaged database that was exchanged for what is left of its history."""
    kept, backup = begin_anew(path, now)
    prepare(path, now)
    what = f"goes on from the backup {backup.name}" if backup else "begins anew: there was no sound backup"
    return f"{path} was damaged ({verdict}): it is kept in {kept}, and its history {what}"


def _lifted(mark: Path) -> str:
    """Remove the mark; the notice when that cannot be done."""
    try:
        mark.unlink(missing_ok=True)
    except OSError as error:
        return (
            f"{mark} cannot be removed ({error.strerror}): until it is, every start looks at the whole file"
        )
    return ""
