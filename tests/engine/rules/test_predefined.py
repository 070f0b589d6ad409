"""The six rules of `rules.yaml`, as they stand there: for each what makes it fire, and what must not."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from engine.alerts.judge import Judge
from engine.alerts.lifecycle import fingerprint
from engine.config.loader import load_config
from engine.config.schema import Config
from engine.model import AlertEventKind, HealthStatus, Outcome, Priority
from tests.engine.rules.build import START, execution, health

SHIPPED = Path(__file__).parents[3] / "rules.yaml"
SIX = (
    "critical-workflow-failure",
    "high-failure-rate",
    "slow-response",
    "consecutive-failures",
    "health-check-failure",
    "low-success-rate",
)
LETTERS = {
    "o": Outcome.OK,
    "d": Outcome.DEGRADED,
    "f": Outcome.FAILED,
    "e": Outcome.ERROR,
    "s": Outcome.SKIPPED,
}


@cache
def shipped() -> Config:
    return load_config(SHIPPED, env={}).config


class Course:
    """One of the rules and what happens to `login`; `told` are the transitions that came of it."""

    def __init__(self, rule_id: str) -> None:
        [rule] = [rule for rule in shipped().rules if rule.id == rule_id]
        self.judge = Judge(shipped().model_copy(update={"rules": (rule,)}))
        self.rule_id = rule_id
        self.at = 0.0
        self.told: list[AlertEventKind] = []
        self.messages: list[str] = []

    def _carry_out(self, id: int | None, letter: str, duration: float, priority: Priority) -> None:
        made = None
        if id is not None:
            made = execution(LETTERS[letter], at=self.at, duration=duration, priority=priority, id=id)
            self.judge.remember(made)
        for considered in self.judge.considerations(made, START + self.at):
            self.judge.apply(considered.transition, ())
            if considered.transition.kind is not None:
                self.told.append(considered.transition.kind)
                self.messages.append(considered.transition.alert.message)

    def run(
        self, letters: str, *, step: float = 10, duration: float = 0.5, priority: Priority = Priority.NORMAL
    ) -> Course:
        """Executions by the first letter of their outcomes, `step` seconds apart."""
        for number, letter in enumerate(letters):
            self.at += step
            self._carry_out(number + 1, letter, duration, priority)
        return self

    def see(self, status: HealthStatus, score: float) -> Course:
        self.at += 15
        self.judge.look(health(status, score), START + self.at)
        self._carry_out(None, "", 0, Priority.NORMAL)
        return self

    @property
    def fires(self) -> int:
        return self.told.count(AlertEventKind.FIRED)

    @property
    def is_open(self) -> bool:
        return self.judge.book.get(fingerprint(self.rule_id, "login")) is not None


def test_all_six_ship() -> None:
    assert [rule.id for rule in shipped().rules][:6] == list(SIX)


def test_critical_workflow_failure() -> None:
    course = Course(SIX[0]).run("of", priority=Priority.CRITICAL)
    assert course.messages == [
        "workflow.status (failed) == failed and workflow.priority (critical) == critical"
    ]
    assert course.run("o", priority=Priority.CRITICAL).told[-1] is AlertEventKind.RESOLVED
    assert Course(SIX[0]).run("fff", priority=Priority.HIGH).told == []
    assert Course(SIX[0]).run("odso", priority=Priority.CRITICAL).told == []


def test_critical_workflow_failure_stays_quiet_for_its_minute() -> None:
    assert Course(SIX[0]).run("fofo", step=20, priority=Priority.CRITICAL).fires == 1
    assert Course(SIX[0]).run("fofo", step=31, priority=Priority.CRITICAL).fires == 2


def test_high_failure_rate() -> None:
    course = Course(SIX[1]).run("oofff")
    assert course.messages == ["workflow.failure_rate (60 %) > 50 %"]
    assert Course(SIX[1]).run("ffff").told == [], "below the minimum count nothing is known"
    assert Course(SIX[1]).run("ofofofofof").told == [], "a half is not above a half"
    forgotten = Course(SIX[1]).run("ff").run("f", step=130).run("fooo")
    assert forgotten.told == [], "failures go out of the window"


def test_slow_response() -> None:
    assert Course(SIX[2]).run("o", duration=30.5).messages == ["workflow.duration (30.5 s) > 30 s"]
    assert Course(SIX[2]).run("ofo", duration=30.0).told == []


def test_consecutive_failures() -> None:
    course = Course(SIX[3]).run("offs")
    assert (course.fires, course.is_open) == (0, False)
    course.run("e")
    assert (course.fires, course.is_open) == (1, True)
    assert course.messages == ["workflow.consecutive_failures (3) >= 3"]
    assert Course(SIX[3]).run("ffoffdff").told == []


def test_health_check_failure() -> None:
    course = Course(SIX[4]).see(HealthStatus.DEGRADED, 60).see(HealthStatus.UNKNOWN, 0)
    assert course.told == []
    assert course.see(HealthStatus.UNHEALTHY, 40).messages == ["health.status (unhealthy) == unhealthy"]
    assert course.see(HealthStatus.UNKNOWN, 0).fires == 1
    assert course.see(HealthStatus.HEALTHY, 100).told[-1] is AlertEventKind.RESOLVED


def test_low_success_rate() -> None:
    assert Course(SIX[5]).run("oof").messages == ["workflow.success_rate (66.67 %) < 80 %"]
    assert Course(SIX[5]).run("ofoooo"[::-1]).told == [], "four of five is not below 80 %"
    assert Course(SIX[5]).run("sfsf").told == [], "below the minimum count nothing is known"
