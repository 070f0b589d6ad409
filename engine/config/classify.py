"""How a configuration classifies errors; `engine.workflows.classification` goes by it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from engine.config.choices import member, words
from engine.config.types import Strict
from engine.model import ErrorCategory, ErrorType


def _statuses(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


Status = Annotated[int, Field(ge=0, le=999)]
_STATUS_SCHEMA = {"type": "integer", "minimum": 0, "maximum": 999}


class ClassifySpec(Strict):
    """What an error is, by its message, by the status of the reply, or by both together.

    Keys:
        match: an RE2 pattern searched in the message of the error; case counts unless it begins with `(?i)`.
        status: one, or a list of them, such as `[502, 503]`.
        type: decides whether it is tried again: PERMANENT is not. NETWORK, TIMEOUT and TRANSIENT count
            against the target's circuit breaker.
        category: the finer name; unless said, what the error has without this entry.
    """

    match: Annotated[str | None, Field(min_length=1, max_length=1000)] = None
    status: Annotated[
        tuple[Status, ...],
        BeforeValidator(_statuses),
        Field(max_length=100),
        WithJsonSchema({"anyOf": [_STATUS_SCHEMA, {"type": "array", "items": _STATUS_SCHEMA}]}),
    ] = ()
    type: Annotated[ErrorType, BeforeValidator(member(ErrorType, str.upper)), words(ErrorType)]
    category: Annotated[
        ErrorCategory | None, BeforeValidator(member(ErrorCategory, str.lower)), words(ErrorCategory)
    ] = None

    @model_validator(mode="after")
    def _something(self) -> ClassifySpec:
        if self.match is None and not self.status:
            raise ValueError("an entry has match:, status:, or both")
        return self
