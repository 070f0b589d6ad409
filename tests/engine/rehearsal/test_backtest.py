"""`tocsin rules backtest` over a file of executions with one slow hour and some slow spots."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.engine.store.test_history import START, fill, row
from tui.cli import main

RULES = """
version: 1
channels: {ops: {url: "json://127.0.0.1:1/"}}
workflows: [{id: w, name: W, every: 30s, steps: [{id: s, wait: {for: 1s}}]}]
rules:
  - id: slow
    name: Slow
    cooldown: 0s
    channels: [ops]
    conditions: [{type: THRESHOLD, metric: workflow.duration, operator: ">", value: 5s}]
  - id: quiet-log
    name: Nothing logged
    conditions: [{type: ABSENCE, of: log, duration: 1m}]
"""
SINCE, UNTIL = "2025-06-15T15:06:40Z", "2025-06-15T18:06:40Z"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every 30 s for three hours: 8 s long from 1:00 to 1:30, 4 s at 2:00 and 2:30."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yaml").write_text(RULES)
    rows = []
    for number in range(360):
        duration = 8.0 if 120 <= number < 180 else 4.0 if number in (240, 300) else 0.5
        rows.append(row(number + 1, number * 30.0, duration))
    fill(tmp_path / "t.db", rows)
    return tmp_path


def backtest(*arguments: str) -> int:
    return main(["rules", "backtest", "--db", "t.db", "--since", SINCE, "--until", UNTIL, *arguments])


def test_the_live_rule_beside_candidates(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backtest("slow", "--sweep", "threshold=3s..9s:3s", "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["name"], len(one["fires"]), one["messages"]) for one in found] == [
        ("live", 1, 2), ("threshold=3s", 3, 6), ("threshold=6s", 1, 2), ("threshold=9s", 0, 0),
    ]  # fmt: skip
    live, low, _, high = found
    assert live["fires"][0]["fired_at"] == START + 120 * 30 + 8
    assert live["fires"][0]["ended_at"] == START + 180 * 30 + 0.5
    assert live["median_length"] == pytest.approx(30 * 60 - 7.5)
    assert [fire["fired_at"] - START for fire in low["new"]] == [7_204, 9_004]
    assert [fire["subject"] for fire in high["gone"]] == ["w"]
    assert live["coverage"] > 0.99


def test_people_get_a_table_and_what_is_different(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backtest("slow", "--set", "threshold=3s") == 0
    text = capsys.readouterr().out
    assert "360 executions; an engine looked 99.7 % of the time" in text
    assert "threshold=3s: fires only here" in text
    assert "workflow.duration (4s) > 3s" in text


@pytest.mark.parametrize(("maximum", "code"), [("200", 0), ("50", 1)])
def test_too_many_messages_a_week_are_a_failure(
    files: Path, capsys: pytest.CaptureFixture[str], maximum: str, code: int
) -> None:
    """Two in three hours are 112 a week."""
    assert backtest("slow", "--max-notifications-per-week", maximum) == code
    assert ("too many" in capsys.readouterr().out) == bool(code)


def test_silences_of_the_time_count(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect("t.db")) as connection, connection:
        connection.execute(
            "INSERT INTO silences VALUES (1, '[\"rule=slow\"]', 'ann', 'known', ?1, ?1, ?2, NULL, '')",
            (START, START + 10_800),
        )
    assert backtest("slow", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (len(found["fires"]), found["messages"], found["stopped"]) == (1, 0, {"silence": 1})


def test_rules_that_look_at_what_is_not_replayed_are_left_out(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest() == 0
    assert "not replayed, as they look at log lines or points: quiet-log" in capsys.readouterr().out
    assert backtest("quiet-log") == 2
    assert "rule quiet-log looks at log lines or points" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("slwo",), "there is no rule slwo (did you mean `slow`?)"),
        (("--set", "threshold=1s"), "a rule is to be named"),
        (("slow", "--set", "threshold"), "KEY=VALUE is wanted"),
        (("slow", "--since", "later"), "later is not a time"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    assert backtest(*arguments) == 2
    assert sentence in capsys.readouterr().err


def test_rules_are_listed_with_what_they_look_for(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "list", "--db", "t.db"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("slow" in line and "quiet" in line and "workflow.duration > 5s" in line for line in lines)
