from __future__ import annotations

import pytest

from engine.model import Outcome
from engine.rehearsal.cases import read_outcomes
from engine.rehearsal.notation import durations


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1+0x5", [0.1] * 6),
        ("1+0.5x2", [1.0, 1.5, 2.0]),
        ("2s-500msx5", [2.0, 1.5, 1.0, 0.5, 0.0, 0.0]),
        ("2s x3 _", [2.0, 2.0, 2.0, None]),
        ("_x2 250ms", [None, None, 0.25]),
        ("_ x2 1m", [None, None, 60.0]),
        ("1+1x1 3", [1.0, 2.0, 3.0]),
        ("", []),
    ],
)
def test_durations_are_written_as_promtool_writes_values(text: str, values: list[float | None]) -> None:
    assert durations(text) == pytest.approx(values)


def test_outcomes_come_as_often_as_is_said() -> None:
    found = read_outcomes("ok x2 failed _ error")
    assert found == [Outcome.OK, Outcome.OK, Outcome.FAILED, None, Outcome.ERROR]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("okay", "there is no outcome `okay`; there is ok, degraded"),
        ("x3 ok", "`x3` says how often the value before it comes"),
        ("ok x0", "at least once"),
        ("ok x999999", "more than 100,000 values"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_outcomes(text)


def test_a_duration_that_is_none_is_said() -> None:
    with pytest.raises(ValueError, match="a duration is a number with a unit"):
        durations("1s fast")
