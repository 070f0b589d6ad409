"""Runs tests of rules in virtual time, through the judge of the live engine."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from engine.config.muting import SilenceSpec
from engine.config.types import format_duration
from engine.model import (
    AlertState,
    Execution,
    Failure,
    HealthCheck,
    HealthStatus,
    LogRecord,
    Outcome,
    Point,
)
from engine.rehearsal.cases import (
    AlertCheck,
    Case,
    InputExecutions,
    NotificationCheck,
    Suite,
    read_outcomes,
    read_statuses,
)
from engine.rehearsal.notation import durations, numbers
from engine.rehearsal.replaying import HealthBefore
from engine.rehearsal.stage import Stage
from engine.rules.series import PREFIX, pairs

if TYPE_CHECKING:
    from engine.config.schema import Config

USUAL_DURATION = 0.1
_SCORES = {
    HealthStatus.HEALTHY: 100.0,
    HealthStatus.DEGRADED: 60.0,
    HealthStatus.UNHEALTHY: 0.0,
    HealthStatus.UNKNOWN: 0.0,
}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An expectation that was not met, at `line` of the file of tests; both sides one line an entry."""

    test: str
    line: int
    what: str
    expected: tuple[str, ...]
    got: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of one test."""

    test: str
    checks: int
    mismatches: tuple[Mismatch, ...]
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.mismatches and not self.faults


def run(suite: Suite) -> Iterator[Outcomes]:
    """Run the tests of a file, one after the other."""
    for number, case in enumerate(suite.file.tests):
        yield _Run(suite, number, case).outcomes()


class _Run:
    def __init__(self, suite: Suite, number: int, case: Case) -> None:
        self._suite = suite
        self._number = number
        self._case = case
        config = suite.loaded.config
        self._stage = Stage(_with_silences(config, case), case.start)
        self._health = HealthBefore(config, sorted(_checks(case), key=attrgetter("at")))
        self._executions = iter(sorted(_executions(config, case), key=attrgetter("ended_at")))
        self._ticks = _every(
            suite.file.evaluation_interval or config.settings.evaluation_interval, case.start
        )
        self._heard: dict[str, int] = {}

    def outcomes(self) -> Outcomes:
        """Let time go on from check to check."""
        case, mismatches = self._case, []
        alerts = ((check.at, 0, index, check) for index, check in enumerate(case.alerts))
        told = ((check.at, 1, index, check) for index, check in enumerate(case.notifications))
        checks: list[tuple[float, int, int, AlertCheck | NotificationCheck]] = sorted(
            [*alerts, *told], key=lambda check: check[:3]
        )
        events: Iterator[tuple[float, int, Any]] = heapq.merge(
            ((row.at, -1, row) for row in _rows(case)),
            ((execution.ended_at, 0, execution) for execution in self._executions),
            ((at, 1, None) for at in self._ticks),
            key=lambda event: event[:2],
        )
        event = next(events)
        for at, kind, index, check in checks:
            while event[0] <= case.start + at + 1e-6:
                self._happen(*event)
                event = next(events)
            found = self._alerts(check) if isinstance(check, AlertCheck) else self._notifications(check)
            if found is not None:
                key = ("alerts", "notifications")[kind]
                line = self._suite.line("tests", self._number, key, index)
                mismatches.append(Mismatch(case.name, line, *found))
        return Outcomes(case.name, len(checks), tuple(mismatches), self._stage.faults)

    def _happen(self, at: float, _: int, what: Execution | Point | LogRecord | None) -> None:
        if what is None:
            self._stage.tick(self._health.until(at), at)
        elif isinstance(what, Execution):
            self._stage.take(((at, what),))
        elif isinstance(what, Point):
            self._stage.witness((what,), ())
        else:
            self._stage.witness((), (what,))

    def _alerts(self, check: AlertCheck) -> tuple[str, tuple[str, ...], tuple[str, ...]] | None:
        wanted = check.expected
        is_pending_asked = any(one.state is AlertState.PENDING for one in wanted)
        found = [
            alert
            for alert in self._stage.judge.book.all()
            if alert.rule_id == check.rule and (is_pending_asked or alert.state is not AlertState.PENDING)
        ]
        by_subject = {one.subject: one for one in wanted}
        expected = [_words(one.subject, one.state, one.severity) for one in wanted]
        got = [
            _words(
                alert.subject,
                alert.state,
                alert.severity
                if alert.subject not in by_subject or by_subject[alert.subject].severity
                else None,
            )
            for alert in found
        ]
        what = f"alerts of {check.rule} at {format_duration(check.at)}"
        return _compared(what, expected, got)

    def _notifications(self, check: NotificationCheck) -> tuple[str, tuple[str, ...], tuple[str, ...]] | None:
        told = [one for one in self._stage.told if one.channel == check.channel]
        before, self._heard[check.channel] = self._heard.get(check.channel, 0), len(told)
        expected = [f"{one.transition} {one.rule} {one.subject}" for one in check.expected]
        got = [f"{one.kind} {one.rule_id} {one.subject}" for one in told[before:]]
        return _compared(f"what {check.channel} was told until {format_duration(check.at)}", expected, got)


def _compared(
    what: str, expected: Iterable[str], got: Iterable[str]
) -> tuple[str, tuple[str, ...], tuple[str, ...]] | None:
    """None when both are the same, in whatever order."""
    wanted, found = tuple(sorted(expected)), tuple(sorted(got))
    return None if wanted == found else (what, wanted, found)


def _words(subject: str, state: AlertState, severity: object) -> str:
    return f"{subject} {state}" + (f" {severity}" if severity is not None else "")


def _every(interval: float, start: float) -> Iterator[float]:
    number = 0
    while True:
        yield start + number * interval
        number += 1


def _with_silences(config: Config, case: Case) -> Config:
    silences = tuple(
        SilenceSpec.model_validate(
            {
                "matchers": one.matchers,
                "author": "test",
                "reason": "silenced in the test",
                "from": case.start + one.from_,
                "until": case.start + one.until,
            }
        )
        for one in case.silences
    )
    return config.model_copy(update={"silences": (*config.silences, *silences)}) if silences else config


def _executions(config: Config, case: Case) -> Iterator[Execution]:
    workflows = {workflow.id: workflow for workflow in config.workflows}
    ids = iter(range(1, 10**9))
    for given in case.input_executions:
        workflow = workflows[given.workflow]
        for number, (outcome, duration) in enumerate(_runs(given)):
            if outcome is None or duration is None:
                continue
            ended_at = case.start + number * case.interval
            yield Execution(
                id=next(ids),
                workflow_id=workflow.id,
                workflow_name=workflow.name,
                priority=workflow.priority,
                trace_id="",
                scheduled_at=ended_at - duration,
                started_at=ended_at - duration,
                duration=duration,
                outcome=outcome,
                failure=Failure(given.error) if outcome.is_failure else None,
                attempt_count=1,
            )


def _rows(case: Case) -> list[Point | LogRecord]:
    """Points and log lines in the order of their times."""
    points = (
        Point(
            given.series.removeprefix(PREFIX), pairs(given.labels), case.start + number * case.interval, value
        )
        for given in case.input_points
        for number, value in enumerate(numbers(given.values))
        if value is not None
    )
    lines = (
        LogRecord(
            case.start + at,
            given.level,
            given.message,
            given.workflow,
            fields=given.fields,
            source=given.source,
        )
        for given in case.input_logs
        for at in given.at
    )
    return sorted(chain(points, lines), key=attrgetter("at"))


def _runs(given: InputExecutions) -> Iterator[tuple[Outcome | None, float | None]]:
    """Pairs; the last duration goes on when there are more outcomes, and all are ok when none are given."""
    took: Sequence[float | None] = durations(given.durations) or [USUAL_DURATION]
    if not given.outcomes:
        return zip(repeat(Outcome.OK), took, strict=False)
    last = next((one for one in reversed(took) if one is not None), USUAL_DURATION)
    return zip(read_outcomes(given.outcomes), chain(took, repeat(last)), strict=False)


def _checks(case: Case) -> Iterator[HealthCheck]:
    for given in case.input_health:
        for number, status in enumerate(read_statuses(given.statuses)):
            if status is not None:
                at = case.start + number * case.interval
                yield HealthCheck(at, given.component, status, _SCORES[status])
