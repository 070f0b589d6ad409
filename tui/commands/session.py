"""What the commands that read a database share."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.errors import TocsinError
from engine.lines import wants_colour
from engine.paths import default_db
from engine.text import clean, own_words, plain

if TYPE_CHECKING:
    from engine.attached import FileClient
    from engine.store.reader import Reader

T = TypeVar("T")


def ask(options: argparse.Namespace, question: Callable[[FileClient], Awaitable[T]]) -> T:
    """Open the database that `options` name, beside or without a running engine, and ask it.

    Raises:
        TocsinError: there is no such database, or the question cannot be answered.
    """
    db = database(options)
    from engine.attached import FileClient

    async def session() -> T:
        client = await FileClient.open(db)
        try:
            return await question(client)
        finally:
            client.close()

    return asyncio.run(session())


def note_idle(is_live: bool) -> None:
    """Say on standard error that what was listed is what an engine left, if none runs."""
    if not is_live:
        print("No engine runs on this database: this is what the last one left.", file=sys.stderr)


def read(options: argparse.Namespace, question: Callable[[Reader], Awaitable[T]]) -> T:
    """As `ask`, for what only a file is asked."""
    db = database(options)
    from engine.store.reader import Reader

    async def session() -> T:
        reader = await Reader.open(db)
        try:
            return await question(reader)
        finally:
            await reader.close()

    return asyncio.run(session())


def database(options: argparse.Namespace) -> Path:
    """The database that `options` name. Raises TocsinError when there is none."""
    db: Path = options.db or default_db()
    if not db.exists():
        raise TocsinError(
            f"there is no database {db} yet", "it appears once tocsin has run; --db names another"
        )
    return db


def since(text: str | None, option: str = "--since") -> float | None:
    """The time that lies the duration `text`, such as `1h`, before now. Raises TocsinError."""
    from engine.config.types import parse_duration

    try:
        return None if text is None else time.time() - parse_duration(text)
    except ValueError as error:
        raise TocsinError(f"{option} {text}: {error}") from None


def duration(text: str, option: str = "--for") -> float:
    """The seconds of a duration such as `2h`. Raises TocsinError."""
    from engine.config.types import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise TocsinError(f"{option} {plain(text, 80)}: {own_words(error)}") from error


def moment_in(text: str, option: str) -> float:
    """The moment that a text such as `2026-12-01T22:00+01:00` says. Raises TocsinError."""
    from engine.config.muting import parse_moment

    try:
        return parse_moment(text)
    except ValueError as error:
        raise TocsinError(f"{option} {plain(text, 80)}: {own_words(error)}") from error


def reason(options: argparse.Namespace, example: str) -> str:
    """What `--reason` says. Raises TocsinError when it says nothing."""
    said = clean(options.reason).strip()
    if not said:
        raise TocsinError("add needs a --reason: everybody who misses an alert reads it", example)
    return said


def author(options: argparse.Namespace) -> str:
    """Who gives a command: `--author`, or the user that runs this."""
    return clean(options.author or getpass.getuser(), 64)


def print_json(records: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line."""
    from engine.headless import encode

    for record in records:
        print(encode(record))


def colour() -> bool:
    """Whether standard output shows colour."""
    return wants_colour(sys.stdout)
