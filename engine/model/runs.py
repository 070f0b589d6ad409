"""A run of a workflow and all it leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from engine.model.record import record
from engine.model.telemetry import LogRecord, Point, Span
from engine.model.words import BreakerState, ErrorCategory, ErrorType, Outcome, Priority, Scalar


@record(frozen=True, slots=True)
class Phases:
    """Where the time of one HTTP exchange went, seconds; None: the phase did not happen."""

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    transfer: float | None = None


@record(frozen=True, slots=True)
class Assertion:
    """One checked expectation; `shown` has the actual value in place: `status (503) == 200`."""

    text: str
    passed: bool
    shown: str


@record(frozen=True, slots=True)
class Failure:
    """Why a step did not succeed: a sentence, its type and its category."""

    message: str
    type: ErrorType = ErrorType.UNKNOWN
    category: ErrorCategory = ErrorCategory.UNKNOWN
    retry_after: float | None = None


@record(frozen=True, slots=True)
class StepResult:
    """One run of one step."""

    step_id: str
    type: str
    outcome: Outcome
    started_at: float
    duration: float
    failure: Failure | None = None
    phases: Phases = Phases()
    assertions: tuple[Assertion, ...] = ()
    extracted: Mapping[str, Scalar] = field(default_factory=dict)
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    reason: str = ""


@record(frozen=True, slots=True)
class Attempt:
    """One try inside an execution; `number` counts from 1."""

    number: int
    started_at: float
    duration: float
    outcome: Outcome
    failure: Failure | None = None
    steps: tuple[StepResult, ...] = ()


@record(frozen=True, slots=True)
class Execution:
    """One scheduled run of a workflow.

    `reason` tells why it was skipped (`breaker`, `overlap`, `overload`, `misfire`); `attempt_count` is kept
    apart from `attempts` because lists of executions are read without them.
    """

    id: int
    workflow_id: str
    workflow_name: str
    priority: Priority
    trace_id: str
    scheduled_at: float
    started_at: float
    duration: float
    outcome: Outcome
    reason: str = ""
    failure: Failure | None = None
    attempt_count: int = 0
    attempts: tuple[Attempt, ...] = ()

    @property
    def ended_at(self) -> float:
        return self.started_at + self.duration

    @property
    def error(self) -> str:
        """The failure's sentence, or an empty string."""
        return self.failure.message if self.failure else ""


@record(frozen=True, slots=True)
class Recording:
    """All that one execution leaves behind."""

    execution: Execution
    spans: tuple[Span, ...] = ()
    points: tuple[Point, ...] = ()
    logs: tuple[LogRecord, ...] = ()


@record(frozen=True, slots=True)
class StoredResponse:
    """What a step got back, kept so that changed expectations can be tried on it.

    Args:
        slot: its place among those kept of the step; the one that was there before is gone.
        fields: the reply's, as far as they are kept, secrets taken out; packed by
            `engine.workflows.responses`.
        cut: fields that are not, or not whole, there.
        succeeded: whether the step did.
        failure: set when the reply itself was one, such as a status of 503.
    """

    workflow_id: str
    step_id: str
    slot: int
    execution_id: int
    at: float
    succeeded: bool
    fields: bytes
    cut: tuple[str, ...] = ()
    failure: Failure | None = None


@record(frozen=True, slots=True)
class KeptReply:
    """A stored response for people to read: its fields, secrets taken out; `cut` ones are not whole."""

    step_id: str
    execution_id: int
    at: float
    succeeded: bool
    fields: Mapping[str, object] = field(default_factory=dict)
    cut: tuple[str, ...] = ()
    failure: Failure | None = None


@record(frozen=True, slots=True)
class ScheduleCursor:
    """The last slot of a workflow that was handled; nothing at or before it fires again."""

    workflow_id: str
    last_slot: float
    paused: bool = False


@record(frozen=True, slots=True)
class BreakerMemory:
    """What a circuit breaker is to know after a restart; it has been in `state` since `since`.

    `policy` tells apart the breakers that one target has under different settings.
    """

    target: str
    policy: str
    state: BreakerState
    failures: int
    since: float

    @property
    def key(self) -> str:
        return f"{self.target} {self.policy}"


@record(frozen=True, slots=True)
class BreakerStatus:
    """A circuit breaker as it stands; times are wall times.

    Args:
        failures: in a row, or those that opened it.
        since: when it came into this state; None for one that has always been closed.
        trial_at: from when on the next caller is let through as the trial; None when it is closed, or when
            it was opened in an earlier run and nobody has asked for it since.
    """

    target: str
    state: BreakerState
    failures: int = 0
    since: float | None = None
    trial_at: float | None = None

    @classmethod
    def remembered(cls, memory: BreakerMemory) -> BreakerStatus:
        """What an earlier run left: nobody is the trial any more."""
        state = BreakerState.CLOSED if memory.state is BreakerState.CLOSED else BreakerState.OPEN
        return cls(memory.target, state, memory.failures, memory.since)
