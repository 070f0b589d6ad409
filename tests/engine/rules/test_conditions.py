"""Conditions that look at the course of things: when they hold, when they must not, when nobody can know."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model import LogLevel, LogRecord, Point, Severity
from engine.rules.evaluator import Evaluation, Memory, evaluate
from engine.rules.metrics import Facts
from engine.rules.series import Pairs
from engine.rules.window import WorkflowWindow
from engine.rules.witness import Witness
from tests.engine.rules.build import START, execution, look, outcomes, rule, window

SLOW = {"metric": "workflow.duration", "operator": ">", "value": "2s"}
USED = {"metric": "series.disk.used", "operator": ">", "value": 90}


class Watched:
    """One rule about `login` or a series, and a witness that has watched from START on."""

    def __init__(self, condition: dict[str, Any], **fields: Any) -> None:
        self.rule = rule(condition, **fields)
        self.witness = Witness([self.rule])
        self.witness.watch_from(START)
        self.memory: Memory = {}

    def point(self, at: float, value: float, name: str = "disk.used", **labels: str) -> None:
        self.witness.add([Point(name, tuple(sorted(labels.items())), START + at, value)], ())

    def line(self, at: float, message: str, level: LogLevel = LogLevel.ERROR, **fields: Any) -> None:
        fields = {"workflow_id": "login", **fields}
        self.witness.add((), [LogRecord(START + at, level, message, **fields)])

    def look(
        self,
        at: float,
        history: WorkflowWindow | None = None,
        *,
        subject: str = "login",
        labels: Pairs = (),
        active: bool = False,
    ) -> Evaluation:
        facts = Facts(subject, history, witness=self.witness, labels=labels)
        return evaluate(self.rule, facts, START + at, self.memory, active)


def durations(*seconds: float) -> WorkflowWindow:
    return window(*(execution(at=number, duration=took) for number, took in enumerate(seconds)))


@pytest.mark.parametrize(
    ("took", "expected"),
    [
        ([3, 3, 3], True),
        ([1, 3, 3, 3], True),
        ([3, 3, 1], False),
        ([3, 1, 3], False),
        ([3, 3], None),
        ([], None),
    ],
)
def test_consecutive(took: list[float], expected: bool | None) -> None:
    found = look({"type": "CONSECUTIVE", **SLOW, "count": 3}, durations(*took), at=9)
    assert found.result is expected


def test_consecutive_in_words() -> None:
    found = look({"type": "CONSECUTIVE", **SLOW, "count": 3}, durations(3, 3, 3), at=9)
    assert found.explanation == "workflow.duration > 2 s 3 times in a row (3 of 3)"
    assert (found.value, found.threshold) == (3, "> 2 s 3 times in a row")


@pytest.mark.parametrize(
    ("took", "expected"),
    [
        ([3, 1, 3, 1, 3], True),
        ([3, 3, 3], True),
        ([3, 1, 3, 1, 1], False),
        ([3, 1, 1], None),
        ([1, 1, 1], False),
        ([3, 3, 3, 1, 1, 1], False),
    ],
)
def test_x_of_y(took: list[float], expected: bool | None) -> None:
    found = look({"type": "X_OF_Y", **SLOW, "x": 3, "y": 5}, durations(*took), at=9)
    assert found.result is expected


def test_counts_are_unknown_after_a_pause() -> None:
    history = durations(3, 3, 3)
    history.hold()
    assert look({"type": "CONSECUTIVE", **SLOW, "count": 3}, history, at=9).result is None


class TestAbsence:
    def test_executions(self) -> None:
        watched = Watched({"type": "ABSENCE", "duration": "10m"})
        history = window(execution(at=100))
        assert watched.look(599, history).result is False
        assert watched.look(699, history).result is False
        found = watched.look(700, history)
        assert found.result is True
        assert found.explanation == "no execution for 10 m (the last 10 m ago)"

    def test_what_was_not_watched_is_unknown(self) -> None:
        watched = Watched({"type": "ABSENCE", "duration": "10m"})
        history = window(execution(at=-1000))
        watched.witness.watch_from(START + 50)
        assert watched.look(649, history).result is None
        assert watched.look(650, history).result is True
        assert watched.look(650, window()).explanation == "no execution for 10 m (none seen)"

    def test_a_failure_is_no_success(self) -> None:
        watched = Watched({"type": "ABSENCE", "of": "success", "duration": "10m"})
        assert watched.look(700, outcomes("of", step=500)).result is True
        assert watched.look(700, outcomes("fo", step=500)).result is False

    def test_a_skipped_execution_is_none(self) -> None:
        watched = Watched({"type": "ABSENCE", "duration": "10m"})
        assert watched.look(700, outcomes("os", step=500)).result is True

    def test_points(self) -> None:
        watched = Watched({"type": "ABSENCE", "of": "point", "metric": "series.disk.used", "duration": "10m"})
        assert watched.look(500).result is None
        watched.point(400, 1)
        assert watched.look(999).result is False
        assert watched.look(1000).explanation == "no point of series.disk.used for 10 m (the last 10 m ago)"

    def test_lines_that_fit(self) -> None:
        watched = Watched({"type": "ABSENCE", "of": "log", "search": "backup done", "duration": "10m"})
        watched.line(100, "Backup done in 3 s")
        watched.line(300, "other things")
        assert watched.look(650).result is False
        assert watched.look(700).result is True

    def test_heartbeats(self) -> None:
        watched = Watched({"type": "ABSENCE", "of": "heartbeat", "duration": "10m"})
        watched.line(100, "heartbeat success", fields={"signal": "success"})
        watched.line(500, "heartbeat fail", fields={"signal": "fail"})
        assert watched.look(699).result is False
        assert watched.look(700).result is True

    def test_without_a_witness_nothing_is_known(self) -> None:
        assert look({"type": "ABSENCE", "duration": "1s"}, window(execution()), at=99).result is None


class TestBurnRate:
    CONDITION = {"type": "BURN_RATE", "objective": "99%", "min_count": 20, "min_errors": 2}

    def after(self, failing: int, of: int = 120, **fields: Any) -> Evaluation:
        """An hour of one execution every 30 s, of which the last few failed."""
        history = outcomes("o" * (of - failing) + "f" * failing, step=30)
        return look({**self.CONDITION, **fields}, history, at=30 * of)

    def test_a_fast_burn_is_critical(self) -> None:
        found = self.after(20)
        assert (found.result, found.severity) == (True, Severity.CRITICAL)
        assert found.explanation == (
            "the error budget of 99 % burns 16.7 times as fast as it lasts over 1 h and 100 times over 5 m "
            "(> 14.4 times)"
        )

    def test_a_slow_burn_is_a_warning(self) -> None:
        assert self.after(4).severity is Severity.WARNING

    def test_one_that_has_ended_does_not_fire(self) -> None:
        history = outcomes("f" * 20 + "o" * 1500, step=30)
        assert look(self.CONDITION, history, at=30 * 1520).result is False

    def test_few_executions_prove_nothing_and_few_errors_are_none(self) -> None:
        assert self.after(10, of=19).result is None
        assert self.after(1).result is False

    def test_what_is_bad_may_be_said(self) -> None:
        history = window(*(execution(at=30 * number, duration=3) for number in range(40)))
        windows = [{"long": "1h", "short": "5m", "factor": 10}]
        condition = {**self.CONDITION, "bad": "workflow.duration > 2", "windows": windows}
        found = look(condition, history, at=1200)
        assert (found.result, found.severity) == (True, None)
        assert look({**condition, "bad": "workflow.duration > 4"}, history, at=1200).result is False

    def test_both_windows_are_needed(self) -> None:
        windows = [{"long": "1h", "short": "5m", "factor": 10}]
        history = outcomes("f" * 100 + "o" * 11, step=30)
        assert look({**self.CONDITION, "windows": windows}, history, at=30 * 111).result is False


class TestTrend:
    CONDITION = {
        "type": "TREND", "metric": "series.disk.used", "operator": ">=", "value": 95, "within": "6h",
    }  # fmt: skip

    def grown(self, start: float, an_hour: float, points: int = 12) -> Evaluation:
        watched = Watched(self.CONDITION)
        for number in range(points):
            watched.point(number * 300, start + an_hour * number / 12)
        return watched.look(points * 300 - 300)

    def test_it_says_when(self) -> None:
        found = self.grown(70, 5)
        assert found.result is True
        assert found.explanation == "series.disk.used (now about 74.583) will be >= 95 in 4 h 05 m"

    def test_too_slow_or_down_is_no_trend(self) -> None:
        assert self.grown(70, 3).result is False
        assert self.grown(94, -3).result is False

    def test_it_is_there_already(self) -> None:
        assert self.grown(96, 0.01).explanation.endswith("will be >= 95 already")

    def test_few_points_prove_nothing(self) -> None:
        assert self.grown(70, 50, points=9).result is None
        assert Watched(self.CONDITION).look(0).result is None


class TestPattern:
    def test_literal_text_whatever_its_case(self) -> None:
        condition = {"type": "PATTERN", "text": "REFUSED"}
        assert look(condition, outcomes("f")).result is True
        assert look(condition, outcomes("o")).explanation == "workflow.error ('') contains 'REFUSED'"

    def test_a_search_counts_lines_of_the_workflow(self) -> None:
        watched = Watched({"type": "PATTERN", "search": "level:error timeout", "count": 2, "window": "5m"})
        watched.line(10, "timeout after 3 s")
        watched.line(20, "timeout after 3 s", level=LogLevel.WARNING)
        watched.line(30, "timeout after 3 s", workflow_id="shop")
        assert watched.look(100).result is None
        assert watched.look(301).result is False
        watched.line(302, "Timeout again")
        found = watched.look(305)
        assert (found.result, found.value) == (True, 2)
        assert found.explanation == (
            "at least 2 lines of 'level:error timeout' in 5 m (found 2, the newest: 'Timeout again')"
        )
        assert watched.look(311).result is False

    def test_a_search_of_a_source(self) -> None:
        watched = Watched({"type": "PATTERN", "search": "source:nginx refused"})
        watched.line(10, "refused", workflow_id=None, source="nginx")
        assert watched.look(11, subject="source:nginx").result is True


class TestSeries:
    def test_the_newest_point_while_it_is_new(self) -> None:
        watched = Watched({"type": "THRESHOLD", **USED, "window": "5m"})
        assert watched.look(0).result is None
        watched.point(10, 95)
        assert watched.look(11).explanation == "series.disk.used (95) > 90"
        watched.point(20, 5)
        assert watched.look(21).result is False
        assert watched.look(320).result is False
        assert watched.look(321).result is None

    def test_labels_choose_and_tell_subjects_apart(self) -> None:
        watched = Watched({"type": "THRESHOLD", **USED, "labels": {"mount": "/"}})
        for host, mount, value in [("a", "/", 95), ("b", "/", 5), ("b", "/tmp", 99)]:
            watched.point(10, value, host=host, mount=mount)
        wanted = (("disk.used", (("mount", "/"),)),)
        subjects = watched.witness.series.subjects(wanted)
        assert dict(subjects) == {"host=a": (("host", "a"),), "host=b": (("host", "b"),)}
        found = {name: watched.look(11, subject=name, labels=it).result for name, it in subjects.items()}
        assert found == {"host=a": True, "host=b": False}
        assert watched.look(11, subject="host=a", labels=(("host", "a"),)).explanation == (
            "series.disk.used{mount=/} (95) > 90"
        )

    def test_a_workflow_sees_its_own(self) -> None:
        watched = Watched({"type": "CUSTOM", "expression": "series.rows < 5 and workflow.status == 'ok'"})
        watched.point(1, 3, "rows", workflow="login")
        watched.point(2, 9, "rows", workflow="shop")
        assert watched.look(3, outcomes("o")).result is True
        assert watched.look(3, outcomes("o"), subject="shop").result is False

    def test_counts_over_points(self) -> None:
        watched = Watched({"type": "X_OF_Y", **USED, "x": 2, "y": 3})
        for at, value in enumerate([95, 5, 95]):
            watched.point(at, value)
        assert watched.look(3).result is True

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("avg(series.disk.used) == 20", True),
            ("delta(series.disk.used) == 20", True),
            ("count(series.disk.used) == 3", True),
            ("age(series.disk.used) == 7", True),
            ("age(series.disk.free) > 0", None),
            ("p50(series.disk.free) > 0", None),
        ],
    )
    def test_in_expressions(self, expression: str, expected: bool | None) -> None:
        watched = Watched({"type": "CUSTOM", "expression": expression})
        for at, value in enumerate([10, 20, 30]):
            watched.point(at + 1, value)
        assert watched.look(10).result is expected


def test_a_rule_sleeps_outside_of_its_times() -> None:
    """START is a Tuesday, 22:13:20 UTC."""
    awake = {"days": ["tue"], "from": "22:00", "to": "23:00"}
    condition = {"type": "THRESHOLD", "metric": "workflow.status", "operator": "==", "value": "failed"}
    assert Watched(condition, active=[awake]).look(0, outcomes("f")).result is True
    asleep = Watched(condition, active=[{**awake, "days": ["wed"]}]).look(0, outcomes("f"))
    assert (asleep.result, asleep.explanation) == (None, "asleep outside of wed 22:00-23:00 UTC")
