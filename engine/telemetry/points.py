"""Which points of which series an execution gives."""

from __future__ import annotations

from collections.abc import Iterator

from engine.model import Execution, Outcome, Point

PHASES = ("dns", "connect", "tls", "first_byte", "transfer")

_PHASES = tuple((phase, f"http.{phase}") for phase in PHASES)
_SILENT = (Outcome.SKIPPED, Outcome.INTERRUPTED)


def points_of(execution: Execution) -> tuple[Point, ...]:
    """The points of one execution, at its start; steps and phases are those of its last attempt.

    Series: `workflow.duration` (s), `workflow.success` (0 or 1), `workflow.attempts`, `step.duration` (s) and
    `http.<phase>` (s). A skipped or interrupted execution says nothing and gives none.
    """
    return () if execution.outcome in _SILENT else tuple(_points(execution))


def _points(execution: Execution) -> Iterator[Point]:
    at, labels = execution.started_at, (("workflow", execution.workflow_id),)
    yield Point("workflow.duration", labels, at, execution.duration)
    yield Point("workflow.success", labels, at, float(execution.outcome.is_success))
    yield Point("workflow.attempts", labels, at, float(execution.attempt_count))
    for step in execution.attempts[-1].steps if execution.attempts else ():
        if step.outcome in _SILENT:
            continue
        of_step = (("step", step.step_id), *labels)
        yield Point("step.duration", of_step, at, step.duration)
        for phase, series in _PHASES:
            seconds = getattr(step.phases, phase)
            if seconds is not None:
                yield Point(series, of_step, at, seconds)
