"""How conditions compare: operators, numbers, windows, and severities by value."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, TypeGuard

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from engine.config.choices import SeverityField
from engine.config.types import Identifier, PositiveDuration, Strict, parse_duration
from engine.model import Severity

OPERATOR_ALIASES = {
    "gt": ">", "lt": "<", "gte": ">=", "ge": ">=", "lte": "<=", "le": "<=", "eq": "==", "ne": "!=",
}  # fmt: skip
SIGNS = (">", "<", ">=", "<=")
COMPARED = "how the metric is held against the value."
_OPERATORS = (*SIGNS, "==", "!=", "contains")


def as_operator(value: object) -> object:
    """`gt` as `>`, and so on; what is no operator as it is."""
    return OPERATOR_ALIASES.get(value.lower(), value) if isinstance(value, str) else value


def is_float(value: object) -> TypeGuard[float]:
    """A number; truth values are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number_or_text(value: object) -> object:
    """Durations and percentages in a comparison become numbers: `30s` is 30.0, `50%` is 50.0."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        text = value.strip()
        try:
            return float(text[:-1]) if text.endswith("%") else parse_duration(text)
        except ValueError:
            return value
    return value


ConditionOperator = Annotated[
    Literal[">", "<", ">=", "<=", "==", "!=", "contains"],
    BeforeValidator(as_operator),
    WithJsonSchema({"enum": [*_OPERATORS, *OPERATOR_ALIASES], "description": COMPARED}),
]
ConditionValue = Annotated[float | str | bool, BeforeValidator(_number_or_text)]
Number = Annotated[
    float,
    BeforeValidator(_number_or_text),
    Field(allow_inf_nan=False),
    WithJsonSchema({"type": ["number", "string"]}),
]
Percent = Annotated[
    float,
    BeforeValidator(_number_or_text),
    Field(ge=0, le=100, strict=False),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[\d.]+\s*%?\s*$"}]}),
]
Window = Annotated[PositiveDuration, Field(le=86_400, description="how far it looks back.")]
"""What is remembered of a workflow's executions reaches back one day."""
MinCount = Annotated[int, Field(ge=1, le=100_000, description="values below which nothing is known.")]
InRow = Annotated[int, Field(ge=1, le=2_000)]
Labels = Annotated[
    dict[Identifier, Annotated[str, Field(max_length=200)]],
    Field(max_length=20, description="which of the series of a series.… metric."),
]
Levels = Annotated[dict[SeverityField, Number], Field(min_length=1)]


class Comparison(Strict):
    """A metric held against a value."""

    metric: Annotated[str, Field(description="what is looked at, such as workflow.duration.")]
    operator: ConditionOperator
    value: Annotated[ConditionValue, Field(description="a number, a duration, a percentage or a word.")]
    labels: Labels = Field(default_factory=dict)


def levels_instead(first: str) -> Callable[[dict[str, Any]], None]:
    """For editors: the key `first` may be left out where `levels` are given."""

    def relax(schema: dict[str, Any]) -> None:
        schema["required"].remove(first)
        schema["anyOf"] = [{"required": [first]}, {"required": ["levels"]}]

    return relax


class Levelled(Strict):
    """What has a number that may say how bad it is: `levels` by severity in place of the key `first`.

    `rises` where more is always worse, whatever the operator of a comparison says.
    """

    first: ClassVar[str] = "value"
    rises: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _lowest_level(cls, value: Any) -> Any:
        if not isinstance(value, dict) or cls.first in value or value.get("levels") is None:
            return value
        written = value["levels"].values() if isinstance(value["levels"], dict) else ()
        numbers = ((_number_or_text(level), level) for level in written)
        levels = [(number, level) for number, level in numbers if is_float(number)]
        if not levels:
            # Any number will do: what is wrong with the levels is told at their place, and nothing else.
            return {**value, cls.first: 1}
        falls = not cls.rises and str(as_operator(value.get("operator"))).startswith("<")
        return {**value, cls.first: max(levels)[1] if falls else min(levels)[1]}

    @model_validator(mode="after")
    def _in_order(self) -> Levelled:
        levels: dict[Severity, float] | None = getattr(self, "levels", None)
        if levels is None:
            return self
        sign, first = getattr(self, "operator", ">")[0], getattr(self, self.first)
        if not self.rises and (sign not in "<>" or not is_float(first)):
            raise ValueError("levels: and clear: go with the operators >, >=, <, <= and numbers")
        direction = 1 if self.rises or sign == ">" else -1
        ordered = sorted(levels.items(), key=lambda level: level[0].rank)
        for (lower, height), (higher, further) in pairwise(ordered):
            if direction * (further - height) <= 0:
                side = "above" if direction > 0 else "below"
                raise ValueError(f"levels: the value of {higher} is to lie {side} that of {lower}")
        if ordered[0][1] != first:
            raise ValueError(
                f"{self.first}: is the level that is reached first; leave it out where there are levels"
            )
        return self


class Unlevelled(Strict):
    """What has no number that says how bad it is."""

    @model_validator(mode="before")
    @classmethod
    def _no_levels(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "levels" not in value:
            return value
        if value.get("type") == "BURN_RATE":
            raise ValueError("levels: a BURN_RATE has a severity: in each of its windows: instead")
        raise ValueError(
            f"levels: a {value.get('type')} has no value that says how bad it is; write a rule for each"
        )
