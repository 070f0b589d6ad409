"""Severities by value, and how far back an alert has to go to clear."""

from __future__ import annotations

from engine.model import Severity
from engine.rules.evaluator import evaluate
from engine.rules.metrics import Facts
from tests.engine.rules.build import START, outcomes, rule
from tests.engine.rules.test_conditions import SLOW, Watched, durations


class TestLevels:
    CONDITION = {
        "type": "THRESHOLD", "metric": "workflow.duration", "operator": ">",
        "levels": {"WARNING": "1s", "CRITICAL": "5s"}, "clear": "500ms",
    }  # fmt: skip

    def severity(self, took: float, active: bool = False) -> Severity | None:
        return Watched(self.CONDITION).look(0, durations(took), active=active).severity

    def test_the_highest_that_is_reached(self) -> None:
        assert [self.severity(took) for took in (1.0, 1.1, 5.1)] == [
            None,
            Severity.WARNING,
            Severity.CRITICAL,
        ]

    def test_hysteresis(self) -> None:
        def result(took: float, active: bool) -> bool | None:
            return Watched(self.CONDITION).look(0, durations(took), active=active).result

        assert [result(took, active=False) for took in (0.4, 0.7, 1.1)] == [False, False, True]
        assert [result(took, active=True) for took in (0.5, 0.7, 1.1)] == [False, True, True]
        assert self.severity(0.7, active=True) is Severity.WARNING
        found = Watched(self.CONDITION).look(0, durations(0.7), active=True)
        assert found.explanation == "workflow.duration (700 ms) > 500 ms, which clears > 1 s"

    def test_a_share_clears_lower_than_it_fires(self) -> None:
        condition = {"type": "RATE", **SLOW, "window": "1h", "rate": "50%", "clear": "20%"}
        watched = Watched(condition)
        history = durations(3, 1, 1)
        assert watched.look(9, history).result is False
        assert watched.look(9, history, active=True).result is True
        assert watched.look(9, durations(1, 1, 1), active=True).result is False

    def test_downwards(self) -> None:
        condition = {
            "type": "THRESHOLD", "metric": "workflow.success_rate", "operator": "<",
            "levels": {"WARNING": "90%", "CRITICAL": "50%"}, "clear": "95%",
        }  # fmt: skip
        assert Watched(condition).look(9, outcomes("offf")).severity is Severity.CRITICAL
        assert Watched(condition).look(9, outcomes("ooof")).severity is Severity.WARNING

    def test_a_share_has_the_level_that_it_exceeds(self) -> None:
        condition = {
            "type": "RATE", "metric": "workflow.status", "operator": "==", "value": "failed",
            "window": "10m", "levels": {"CRITICAL": "50%", "WARNING": "20%"}, "clear": "10%",
        }  # fmt: skip

        def severity(letters: str, active: bool = False) -> Severity | None:
            return Watched(condition).look(10, outcomes(letters), active=active).severity

        assert [severity(letters) for letters in ("oooof", "ooof", "of" * 5, "offf")] == [
            None,
            Severity.WARNING,
            Severity.WARNING,
            Severity.CRITICAL,
        ]
        assert severity("oooof", active=True) is Severity.WARNING

    def test_what_lasts_has_the_level_of_its_value_now(self) -> None:
        condition = {
            "type": "DURATION", "metric": "workflow.duration", "operator": ">",
            "levels": {"WARNING": "1s", "CRITICAL": "5s"}, "duration": "1m",
        }  # fmt: skip
        watched = Watched(condition)
        found = [
            watched.look(at, durations(took)) for at, took in ((0, 0.5), (1, 9), (60, 9), (61, 9), (62, 2))
        ]
        assert [each.result for each in found] == [False, False, False, True, True]
        assert [each.severity for each in found[3:]] == [Severity.CRITICAL, Severity.WARNING]

    def test_silence_gets_worse_as_far_as_somebody_has_watched_it(self) -> None:
        condition = {"type": "ABSENCE", "of": "heartbeat", "levels": {"WARNING": "10m", "ERROR": "1h"}}
        watched = Watched(condition)
        found = [watched.look(at).severity for at in (599, 600, 3_599, 3_600)]
        assert found == [None, Severity.WARNING, Severity.WARNING, Severity.ERROR]
        watched.line(0, "done", fields={"signal": "success"})
        watched.witness.watch_from(START + 7_200)
        assert watched.look(7_800).severity is Severity.WARNING
        assert watched.look(10_800).severity is Severity.ERROR

    def test_more_of_the_last_are_worse(self) -> None:
        condition = {
            "type": "X_OF_Y", "metric": "workflow.status", "operator": "==", "value": "failed",
            "levels": {"WARNING": 2, "CRITICAL": 4}, "y": 5,
        }  # fmt: skip
        found = [
            Watched(condition).look(9, outcomes(letters)).severity for letters in ("oooof", "ooffo", "fffof")
        ]
        assert found == [None, Severity.WARNING, Severity.CRITICAL]

    def test_the_words_have_the_level_that_is_reached(self) -> None:
        failed = {"metric": "workflow.status", "operator": "==", "value": "failed"}
        share = {"type": "RATE", **failed, "window": "10m", "levels": {"WARNING": "20%", "CRITICAL": "50%"}}
        some = {"type": "X_OF_Y", **failed, "levels": {"WARNING": 2, "CRITICAL": 4}, "y": 5}
        silent = Watched({"type": "ABSENCE", "of": "heartbeat", "levels": {"WARNING": "10m", "ERROR": "1h"}})
        said = [
            Watched(self.CONDITION).look(0, durations(2)).explanation,
            Watched(self.CONDITION).look(0, durations(6)).explanation,
            Watched(share).look(10, outcomes("offf")).explanation,
            Watched(some).look(9, outcomes("fffof")).explanation,
            silent.look(600).explanation,
            silent.look(3_600).explanation,
        ]
        assert said == [
            "workflow.duration (2 s) > 1 s",
            "workflow.duration (6 s) > 5 s",
            "share of workflow.status == failed (75 % of 4 executions in 10 m) > 50 %",
            "workflow.status == failed in 4 of the last 5 (4 of 5)",
            "no heartbeat for 10 m (none seen)",
            "no heartbeat for 1 h (none seen)",
        ]

    def test_a_forecast_that_goes_further_is_worse(self) -> None:
        condition = {
            "type": "TREND", "metric": "series.disk.used", "operator": ">=", "window": "1h", "within": "1h",
            "levels": {"WARNING": 80, "CRITICAL": 95}, "min_count": 3,
        }  # fmt: skip

        def severity(slope: float) -> Severity | None:
            watched = Watched(condition)
            for number in range(5):
                watched.point(number * 60, 70 + slope * number)
            return watched.look(240, subject="disk.used").severity

        assert [severity(slope) for slope in (0, 0.2, 0.5)] == [None, Severity.WARNING, Severity.CRITICAL]

    def test_below_a_not_no_severity_is_asked_for(self) -> None:
        found = evaluate(rule({"not": self.CONDITION}), Facts("x", durations(0.1)), START, {})
        assert (found.result, found.severity) == (True, None)
