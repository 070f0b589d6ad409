"""The error tree: every error a person can meet has a message and a hint."""

from __future__ import annotations

from dataclasses import dataclass


class TocsinError(Exception):
    """Base of all expected errors; shown as one sentence, never as a traceback.

    Args:
        message: what went wrong and where, one sentence.
        hint: what to do about it; empty when the message says it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a configuration file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{place} ({self.hint})" if self.hint else place


class ConfigError(TocsinError):
    """The configuration cannot be used; `problems` holds every fault found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class StoreError(TocsinError):
    """The database cannot be opened, read or written."""


class DamagedError(StoreError):
    """The pages of the database are broken, or a row in them is."""


class LockedError(StoreError):
    """Another engine holds the database."""


class NotFoundError(TocsinError):
    """The thing named does not exist."""


class ConflictError(TocsinError):
    """The thing exists but its state does not allow the command."""


class QueryError(TocsinError):
    """A search a person typed cannot be answered; the hint says how to ask."""


class EngineUnavailableError(TocsinError):
    """The engine did not start, has stopped, or did not answer in time."""
