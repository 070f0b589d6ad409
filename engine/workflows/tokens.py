"""Secrets that an execution comes by: tokens that its steps extract, hidden in all that it leaves behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from engine.model import Scalar
from engine.redaction import SHORTEST, Values
from engine.workflows.stepping import Stepped

TOKEN_LIMIT = 100
"""Values of one execution."""

T = TypeVar("T")


class Tokens:
    """The secret values that one execution came by; `dropped` counts those beyond `TOKEN_LIMIT`.

    They are hidden wherever they turn up in what the execution leaves: spans, log, errors, kept responses.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._values: set[str] = set()
        self._hiding: Values | None = None

    def add(self, values: Iterable[Scalar]) -> None:
        """Hide these from now on: texts and whole numbers of at least 6 characters."""
        for text in (str(value) for value in values if isinstance(value, (str, int))):
            if len(text) < SHORTEST or text in self._values:
                continue
            if len(self._values) < TOKEN_LIMIT:
                self._values.add(text)
                self._hiding = None
            else:
                self.dropped += 1

    def hide(self, value: T) -> T:
        """`value` without them; as it is when there are none."""
        if not self._values:
            return value
        if self._hiding is None:
            self._hiding = Values(self._values)
        return self._hiding(value)

    def hide_reply(self, stepped: Stepped) -> Stepped:
        """The same with a reply whose fields are without them, each when it is looked at."""
        if not self._values or stepped.reply is None:
            return stepped
        return replace(stepped, reply=replace(stepped.reply, fields=_Hidden(stepped.reply.fields, self)))


class _Hidden(Mapping[str, Any]):
    def __init__(self, fields: Mapping[str, Any], tokens: Tokens) -> None:
        self._fields = fields
        self._tokens = tokens

    def __getitem__(self, name: str) -> Any:
        return self._tokens.hide(self._fields[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)
