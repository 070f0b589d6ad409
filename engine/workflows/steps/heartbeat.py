"""The `heartbeat` step: a job reports to the engine, and the step fails when it does not, or reports failure.

```yaml
id: nightly-backup
heartbeat:
  token: 6f1c1e2ab0d94c7f8d3b       # better ${env:BACKUP_TOKEN}
  cron: "0 3 * * *"                 # or period: 1d
  timezone: Europe/Berlin
  grace: 30m
degraded: ["run < 1200"]            # the last run took under 20 minutes
```

The job says so with `curl http://127.0.0.1:8779/TOKEN` when it has succeeded; `/TOKEN/start`, `/TOKEN/fail`,
`/TOKEN/log` and `/TOKEN/EXIT_CODE` tell the rest. What it sends along (10 kB) is kept as a note. A job that
sends a `traceparent` header has its span linked from the step's.
"""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from engine.clock import Clock
from engine.config.types import PositiveDuration, Strict, Token
from engine.model import ErrorCategory, ErrorType, Failure, Scalar, SpanLink
from engine.telemetry.tracing import parse_traceparent
from engine.workflows.heartbeats import Due, Every, Heartbeats, state_of
from engine.workflows.steps.base import Reply, StepContext
from engine.workflows.steps.dial import wrong


class HeartbeatSpec(Strict):
    """A job that is waited for.

    Keys:
        token: 16 to 128 letters, digits, `-` and `_`; who knows it can speak for the job.
        period: the longest time between two successes; or `cron` (with `timezone`, UTC unless said): when one
            is due.
        grace: how late a success may be, and how long a run that was started may take.
    """

    token: Token
    period: PositiveDuration | None = None
    cron: str | None = None
    timezone: str | None = None
    grace: PositiveDuration = 300.0

    @model_validator(mode="after")
    def _one_schedule(self) -> HeartbeatSpec:
        if (self.period is None) == (self.cron is None):
            raise ValueError("a heartbeat has either period: (such as 1h) or cron: (such as 0 3 * * *)")
        if self.timezone is not None and self.cron is None:
            raise ValueError("timezone: belongs to cron:")
        if self.cron is not None:
            due_of(self)
        return self


HEARTBEAT_FIELDS = frozenset({"status", "age", "run", "exit_code", "note", "overdue"})


class HeartbeatStep:
    """Serves all heartbeat steps.

    Args:
        book: what was heard; nothing ever is unless it is that of a listener.
    """

    name = "heartbeat"

    def __init__(self, clock: Clock, book: Heartbeats | None = None) -> None:
        self._clock = clock
        self._book = Heartbeats() if book is None else book

    def target(self, spec: HeartbeatSpec) -> str:
        """Nobody: nothing is called."""
        return ""

    async def run(self, spec: HeartbeatSpec, context: StepContext) -> Reply:
        """Say what the job's last signals mean now; `status` is new, up, running, late or failed.

        Raises:
            CheckError: nobody listens for this token.
        """
        beat = self._book.find(spec.token)
        if beat is None:
            raise wrong("nobody listens for this heartbeat")
        now = self._clock.now()
        state = state_of(beat, due_of(spec), spec.grace, now)
        fields: dict[str, Any] = {
            "status": state.status,
            "age": None if beat.succeeded_at is None else max(now - beat.succeeded_at, 0.0),
            "run": beat.run,
            "exit_code": beat.exit_code,
            "note": beat.note,
            "overdue": None if state.next_at is None else max(now - state.next_at, 0.0),
        }
        attributes: dict[str, Scalar] = {"heartbeat.status": state.status}
        failure = None
        if state.wrong:
            # Trying again at once would hear nothing new.
            failure = Failure(f"the job {state.wrong}", ErrorType.PERMANENT, ErrorCategory.UNKNOWN)
        span = parse_traceparent(beat.traceparent)
        return Reply(fields, attributes=attributes, failure=failure, links=(SpanLink(*span),) if span else ())

    async def close(self) -> None:
        """Nothing is held."""


def due_of(spec: HeartbeatSpec) -> Due:
    """When successes are due.

    Raises:
        ValueError: the cron expression or the time zone is none.
    """
    if spec.period is not None:
        return Every(spec.period)
    from cronsim import CronSimError

    from engine.workflows.schedule import CronSlots

    try:
        return CronSlots(spec.cron or "", spec.timezone)
    except CronSimError as error:
        raise ValueError(f"`cron` cannot be used: {error}") from None
    except (ValueError, OSError, KeyError):
        raise ValueError("there is no such time zone; write one as Europe/Berlin or UTC") from None
