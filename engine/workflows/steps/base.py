"""What every step type has: a specification, a way to run, and a reply that assertions look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator, Field, model_validator

from engine.config.types import Identifier, PositiveDuration, Strict
from engine.errors import TocsinError
from engine.model import Failure, Phases, Scalar


class StepError(TocsinError):
    """The target or the check is wrong in a way the step type itself understands."""

    def __init__(self, failure: Failure, phases: Phases = Phases()) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.phases = phases


class CheckError(StepError):
    """The check itself is wrong, not its target: the outcome is `error`, not `failed`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `fields` are the names that `expect` and `extract` may use."""

    fields: Mapping[str, Any]
    phases: Phases = Phases()
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    failure: Failure | None = None
    """Set when the reply itself is a failure unless an assertion accepts it (an HTTP 5xx)."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a running step is given: `traceparent` to pass on, and the seconds that are left to it."""

    traceparent: str
    timeout: float


class StepType(Protocol):
    """One kind of step; an instance serves all steps of its kind and keeps shared resources."""

    name: str

    def target(self, spec: Any) -> str:
        """Whom the rendered specification talks to; the key of its circuit breaker."""
        ...

    async def run(self, spec: Any, context: StepContext) -> Reply:
        """Do it once, within `context.timeout`; the caller cuts off what outstays it.

        Any exception is an outcome.
        """
        ...

    async def close(self) -> None: ...


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class StepBase(Strict):
    """The keys of a step that do not depend on its type."""

    id: Identifier
    timeout: PositiveDuration = 30.0
    expect: Annotated[tuple[str, ...], BeforeValidator(_tuple), Field(max_length=100)] = ()
    extract: dict[Identifier, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_type(self) -> StepBase:
        kinds = [name for name in type(self).model_fields if name not in StepBase.model_fields]
        given = [name for name in kinds if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a step has exactly one type: {', '.join(kinds)}")
        return self

    @property
    def kind(self) -> str:
        """The name of the step's type, such as `http`."""
        return next(
            name
            for name in type(self).model_fields
            if name not in StepBase.model_fields and getattr(self, name) is not None
        )

    @property
    def spec(self) -> Strict:
        """The specification under the type's key."""
        spec = getattr(self, self.kind)
        assert isinstance(spec, Strict)
        return spec
