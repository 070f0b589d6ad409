"""What a rule says about the life of its alerts after they fired."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from engine.config.choices import SeverityField
from engine.config.types import Names, PositiveDuration, Strict, as_tuple, format_duration


class Escalation(Strict):
    """An alert that nobody acknowledged for `after` seconds gets `severity`, and `channels` are told.

    Keys:
        after: counted from when it fired; the steps of a list come in the order of their times.
        severity: at least the one that it has.
        channels: those of the rule unless given.
    """

    after: PositiveDuration
    severity: SeverityField
    channels: Names = ()


class FlappingSpec(Strict):
    """When an alert changes too often to be told each time, in percent of the last 20 looks at it.

    It flaps from above `high` until not above `low`, newer changes counting more (as in Icinga 2, whose
    figures are the defaults: six changes in a row, or more that are further apart).

    Keys:
        low, high: in percent.
    """

    low: Annotated[float, Field(ge=0, le=100, strict=False)] = 25.0
    high: Annotated[float, Field(ge=0, le=100, strict=False)] = 30.0

    @model_validator(mode="after")
    def _in_order(self) -> FlappingSpec:
        if self.low > self.high:
            raise ValueError("low: is not above high:")
        return self


class _OneOrMore:
    """For editors: one of them, or a list."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(core)
        return {"anyOf": [many["items"], many]}


def _steps(value: object) -> object:
    if value is None:
        return ()
    return (value,) if isinstance(value, (dict, Escalation)) else as_tuple(value)


def _in_time(steps: tuple[Escalation, ...]) -> tuple[Escalation, ...]:
    for earlier, later in pairwise(steps):
        if later.after < earlier.after:
            waits = (
                f"after: {format_duration(later.after)} stands below after: {format_duration(earlier.after)}"
            )
            raise ValueError(f"{waits}; the steps come in the order of their times")
    return steps


def _flapping(value: object) -> object:
    """`true` is the usual figures, `false` that nobody looks."""
    if value is True:
        return {}
    return None if value is False else value


Escalations = Annotated[
    tuple[Escalation, ...],
    BeforeValidator(_steps),
    Field(max_length=20),
    AfterValidator(_in_time),
    _OneOrMore,
]
Flapping = Annotated[FlappingSpec | None, BeforeValidator(_flapping)]
