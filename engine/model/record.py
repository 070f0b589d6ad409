"""How records are declared that an execution makes by the dozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

__all__ = ["record"]

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(*, frozen: bool, slots: bool) -> Callable[[type[T]], type[T]]:
        """A dataclass whose instances nobody changes, as mypy sees to.

        At run time nothing does: a frozen dataclass sets every field through `object.__setattr__`, and takes
        four times as long to make as one that simply assigns.
        """
        assert frozen
        return dataclass(slots=slots, unsafe_hash=True)
