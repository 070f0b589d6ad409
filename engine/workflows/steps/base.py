"""What every step type has: a specification, a way to run, and a reply that assertions look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cache
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from engine.config.retrying import RetrySpec
from engine.config.types import Identifier, PositiveDuration, Strict, Written
from engine.errors import TocsinError
from engine.model import Assertion, Failure, Phases, Scalar, SpanLink
from engine.model.record import record

FAILURE = "failure"
"""What `expect:` says instead of an expectation when the step is to fail."""


class StepError(TocsinError):
    """The target or the check is wrong in a way the step type itself understands.

    Args:
        status: of an answer over HTTP whose head came, though its body did not or cannot be used.
    """

    def __init__(self, failure: Failure, phases: Phases = Phases(), status: int | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.phases = phases
        self.status = status


class CheckError(StepError):
    """The check itself is wrong, not its target: the outcome is `error`, not `failed`."""


class StepSkipped(TocsinError):  # noqa: N818 - it is no error: nothing is known about the target
    """The step could not be tried; the message is the reason, such as `breaker`, `target` whose it is."""

    def __init__(self, reason: str, target: str = "") -> None:
        super().__init__(reason)
        self.target = target


@record(frozen=True, slots=True)
class Reply:
    """What came back. `fields` are the names that `expect` and `extract` may use."""

    fields: Mapping[str, Any]
    phases: Phases = Phases()
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    failure: Failure | None = None
    """Set when the reply itself is a failure unless an assertion accepts it (an HTTP 5xx)."""
    assertions: tuple[Assertion, ...] = ()
    """What the step type itself held the reply against; one that is broken fails the step."""
    links: tuple[SpanLink, ...] = ()
    """Spans of other traces that the step's own has to do with."""


@record(frozen=True, slots=True)
class StepContext:
    """What a running step is given: `traceparent` to pass on, and the seconds that are left to it."""

    traceparent: str
    timeout: float
    execution_id: int | None = None


class StepType(Protocol):
    """One kind of step; an instance serves all steps of its kind and keeps shared resources."""

    name: str

    def target(self, spec: Any) -> str:
        """Whom the rendered specification talks to; the key of its circuit breaker. Empty: nobody."""
        ...

    async def run(self, spec: Any, context: StepContext) -> Reply:
        """Do it once, within `context.timeout`; the caller cuts off what outstays it.

        Any exception is an outcome.
        """
        ...

    async def close(self) -> None: ...


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _expectations(value: object) -> object:
    return (FAILURE,) if value == FAILURE else _tuple(value)


def _texts(value: object) -> object:
    return (value,) if isinstance(value, str) else _tuple(value)


Texts = Annotated[tuple[str, ...], BeforeValidator(_tuple), Field(max_length=100)]
_TEXTS_SCHEMA = {"type": "array", "items": {"type": "string"}, "maxItems": 100}
_EXPECT_SCHEMA = WithJsonSchema({"anyOf": [_TEXTS_SCHEMA, {"const": FAILURE}], "default": []})
_WHEN_SCHEMA = WithJsonSchema({"anyOf": [_TEXTS_SCHEMA, {"type": "string"}], "default": []})
Value = str | int | float | bool
Round = Value | Annotated[dict[Identifier, Value], Field(max_length=20)]
Rounds = Annotated[tuple[Round, ...], BeforeValidator(_tuple), Field(max_length=100)]


_FieldName = Annotated[
    str,
    Written(
        r"^[A-Za-z0-9!#$%&*+.^_`|~-]+$",
        "the name of a header or cookie is letters, digits and signs such as `-`",
    ),
]


class Capture(Strict):
    """What `extract` takes when a path alone does not say it; exactly one of `from`, `header`, `cookie`.

    Keys:
        from: a path into the reply, such as `json.token` or `body`.
        header, cookie: the name of one.
        regex: an RE2 pattern searched in it; its first group is taken, or all that matched when it has none.
        secret: whether what was taken is hidden in all that the execution leaves behind. Unless said, it is
            when its name or its place says so: a token, a password, a cookie.
    """

    from_: Annotated[str | None, Field(alias="from")] = None
    header: _FieldName | None = None
    cookie: _FieldName | None = None
    regex: Annotated[str | None, Field(min_length=1, max_length=1000)] = None
    secret: bool | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Capture:
        if sum(part is not None for part in (self.from_, self.header, self.cookie)) != 1:
            raise ValueError("a value is extracted from exactly one of from, header, cookie")
        return self

    @property
    def path(self) -> str:
        """The path it begins with."""
        if self.header is not None:
            return f"headers['{self.header.lower()}']"
        return f"cookies['{self.cookie}']" if self.cookie is not None else self.from_ or ""


def _kind_of_source(value: Any) -> str:
    return "Capture" if isinstance(value, (dict, Capture)) else "text"


Source = Annotated[
    Annotated[str, Tag("text")] | Annotated[Capture, Tag("Capture")], Discriminator(_kind_of_source)
]


class StepBase(Strict):
    """The keys of a step that do not depend on its type.

    Keys:
        id: what later steps read its values by.
        timeout: of one try of the step; the workflow's own timeout caps it.
        expect: expectations that fail the step, or `failure`: the step is to fail, and succeeding is wrong.
        degraded: expectations that only make it degraded: slow is not down.
        extract: values for later steps: a path into the reply, or where from and by which pattern.
        needs: steps above that must have succeeded; the step above unless said. Steps that need nothing of
            each other run at the same time.
        when: conditions on values of the environment and of earlier steps; unless all hold, the step is
            skipped: `{{ env.region }} == 'eu'`.
        foreach: run once for each of these, in order, known as `{{ item.value }}` or by their own keys, and
            `{{ item.index }}` from 1. All rounds run; the step fails when one did. Instead of a list, where
            the reply to a step above has one: `{{ shops.json.items }}`.
        parallel: how many rounds of `foreach` may be at work at the same time.
        max_rounds: how many items a list that was found may have; a longer one is an error.
        retry: tries of this step alone, inside one attempt of the workflow.
        continue_on_error: a failure leaves the execution degraded instead of failed, and later steps run.
    """

    id: Identifier
    timeout: PositiveDuration = 30.0
    expect: Annotated[Texts, BeforeValidator(_expectations), _EXPECT_SCHEMA] = ()
    degraded: Texts = ()
    extract: dict[Identifier, Source] = Field(default_factory=dict)
    needs: Annotated[tuple[Identifier, ...] | None, BeforeValidator(_tuple)] = None
    when: Annotated[Texts, BeforeValidator(_texts), _WHEN_SCHEMA] = ()
    foreach: Rounds | str = ()
    parallel: Annotated[int, Field(ge=1, le=100)] = 1
    max_rounds: Annotated[int, Field(ge=1, le=1000)] = 100
    retry: str | RetrySpec | None = None
    continue_on_error: bool = False

    @model_validator(mode="after")
    def _one_type(self) -> StepBase:
        kinds = _kinds(type(self))
        given = [name for name in kinds if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a step has exactly one type: {', '.join(kinds)}")
        if self.foreach and self.extract:
            raise ValueError("a step with foreach extracts nothing: each round would replace the last one's")
        if self.parallel > 1 and not self.foreach:
            raise ValueError("parallel: belongs to foreach:")
        return self

    @property
    def kind(self) -> str:
        """The name of the step's type, such as `http`."""
        return next(name for name in _kinds(type(self)) if getattr(self, name) is not None)

    @property
    def spec(self) -> Strict:
        """The specification under the type's key."""
        spec = getattr(self, self.kind)
        assert isinstance(spec, Strict)
        return spec


@cache
def _kinds(step: type[StepBase]) -> tuple[str, ...]:
    """The keys of which a step has exactly one: those of its types."""
    return tuple(name for name in step.model_fields if name not in StepBase.model_fields)
