"""What an execution says in the log."""

from __future__ import annotations

from engine.lines import lasted, spelled
from engine.model import BreakerState, Execution, LogLevel, LogRecord, Outcome, Scalar
from engine.resilience.breaker import BreakerChange
from engine.resilience.retry import Retrying

_LEVELS = {
    Outcome.OK: LogLevel.INFO,
    Outcome.DEGRADED: LogLevel.WARNING,
    Outcome.SKIPPED: LogLevel.INFO,
}


def closing_line(execution: Execution, span_id: str, target: str = "") -> LogRecord:
    """The one line that tells how an execution ended; `target` is whose breaker refused it."""
    fields: dict[str, Scalar] = {"outcome": execution.outcome.value, "duration": round(execution.duration, 6)}
    if execution.attempt_count > 1:
        fields["attempts"] = execution.attempt_count
    if execution.failure is not None:
        fields["error.type"] = execution.failure.type.value
    return LogRecord(
        at=execution.ended_at,
        level=_LEVELS.get(execution.outcome, LogLevel.ERROR),
        message=f"{execution.workflow_id} {_ending(execution, target)}",
        workflow_id=execution.workflow_id,
        execution_id=execution.id,
        trace_id=execution.trace_id,
        span_id=span_id,
        fields=fields,
    )


def retry_message(workflow_id: str, retrying: Retrying, attempts: int) -> str:
    """`checkout attempt 1 of 3 failed: pay: status (503) == 200; next in 1 s`."""
    wait = lasted(retrying.delay)
    count = f"{retrying.attempt} of {attempts}"
    return f"{workflow_id} attempt {count} failed: {retrying.failure.message}; next in {wait}"


def try_message(step_id: str, retrying: Retrying, tries: int) -> str:
    """`pay try 1 of 3 failed: status (503) == 200; next in 1 s`."""
    wait = lasted(retrying.delay)
    return f"{step_id} try {retrying.attempt} of {tries} failed: {retrying.failure.message}; next in {wait}"


def breaker_line(change: BreakerChange, now: float) -> LogRecord:
    """A breaker opened, is being tried, or closed."""
    match change.after:
        case BreakerState.OPEN:
            wait = spelled(change.reset)
            many = "in a row" if change.calls is None else f"of {change.calls} calls"
            what = f"opened after {change.failures} failures {many}; one trial in {wait}"
        case BreakerState.HALF_OPEN:
            what = "lets one trial through"
        case BreakerState.CLOSED:
            what = "closed: the target is well again"
    return LogRecord(
        at=now,
        level=LogLevel.WARNING,
        message=f"circuit breaker of {change.target} {what}",
        fields={"target": change.target, "before": change.before.value, "after": change.after.value},
    )


def jump_message(shift: float) -> str:
    """What a wall clock that went `shift` seconds its own way means."""
    size = lasted(float(round(abs(shift))))
    if shift < 0:
        return f"the clock was set back by {size}"
    return f"{size} are missing: the machine was suspended, or the clock was set ahead"


def _ending(execution: Execution, target: str) -> str:
    count = execution.attempt_count
    after = f" after {count} attempts" if count > 1 else ""
    match execution.outcome:
        case Outcome.OK:
            return f"ok in {lasted(execution.duration)}{after}"
        case Outcome.DEGRADED:
            return f"degraded{after}: {execution.reason}"
        case Outcome.SKIPPED:
            if execution.reason != "breaker":
                return f"skipped: {execution.reason}"
            return f"skipped: the circuit breaker of {target} is open"
        case Outcome.ERROR:
            return f"could not be checked{after}: {execution.error}"
    return f"{execution.outcome.value}{after}: {execution.error}"
