"""Fields that take one of a few words."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from engine.model import Priority, Severity


def member(kind: type[StrEnum], fold: Callable[[str], str]) -> Callable[[object], object]:
    """A validator that takes the written word of an enumeration, whatever its case."""

    def validate(value: object) -> object:
        try:
            return kind(fold(value) if isinstance(value, str) else "")
        except ValueError:
            raise PydanticCustomError("choice", "one of {expected}", {"expected": ", ".join(kind)}) from None

    return validate


def words(kind: type[StrEnum]) -> WithJsonSchema:
    """For editors: the words in capitals and in small letters, which are the usual ones."""
    return WithJsonSchema({"enum": [*kind, *(word.swapcase() for word in kind)]})


SeverityField = Annotated[Severity, BeforeValidator(member(Severity, str.upper)), words(Severity)]
PriorityField = Annotated[Priority, BeforeValidator(member(Priority, str.lower)), words(Priority)]
