"""`tocsin rules backtest` over a file of executions with one slow hour and some slow spots."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.model import LogLevel, LogRecord, Point
from engine.store.store import Store
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
SEEING = """
version: 1
channels: {ops: {url: "json://127.0.0.1:1/"}}
workflows: [{id: w, name: W, every: 30s, steps: [{id: s, wait: {for: 1s}}]}]
rules:
  - {id: full, name: F, conditions: [{type: THRESHOLD, metric: series.disk.used, operator: ">", value: 90}]}
  - {id: loud, name: L, conditions: [{type: PATTERN, search: level:error refused, count: 2, window: 5m}]}
  - {id: other, name: O, conditions: [{type: THRESHOLD, metric: series.unheard, operator: ">", value: 90}]}
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
    assert "workflow.duration (4 s) > 3 s" in text


@pytest.mark.parametrize(("maximum", "code"), [("20", 0), ("10", 1)])
def test_too_many_messages_a_week_are_a_failure(
    files: Path, capsys: pytest.CaptureFixture[str], maximum: str, code: int
) -> None:
    """Two in 25 hours are 13.4 a week."""
    fill(files / "u.db", [row(n + 1, n * 120.0, 8.0 if 100 <= n < 130 else 0.5) for n in range(751)])
    command = ["rules", "backtest", "slow", "--since", SINCE, "--until", "2025-06-16T16:06:40Z"]
    assert main([*command, "--db", "u.db", "--max-notifications-per-week", maximum]) == code
    out = capsys.readouterr().out
    assert ("too many" in out) == bool(code)
    assert "note: a week's figures are those of 1 d 01 h of looking, times 6.72" in out


@pytest.mark.parametrize(
    ("maximum", "sentence"),
    [
        ("-1", "--max-notifications-per-week -1: a number of messages is wanted, 0 or more"),
        ("nan", "a number of messages is wanted"),
        ("50", "an engine looked for 2 h 59 m of that time, too little to tell of a week"),
    ],
)
def test_a_maximum_that_means_nothing_is_refused(
    files: Path, capsys: pytest.CaptureFixture[str], maximum: str, sentence: str
) -> None:
    assert backtest("slow", "--max-notifications-per-week", maximum) == 2
    assert sentence in capsys.readouterr().err


def test_silences_of_the_time_count(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect("t.db")) as connection, connection:
        connection.execute(
            "INSERT INTO silences VALUES (1, '[\"rule=slow\"]', 'ann', 'known', ?1, ?1, ?2, NULL, '')",
            (START, START + 10_800),
        )
    assert backtest("slow", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (len(found["fires"]), found["messages"], found["stopped"]) == (1, 0, {"silence": 1})


def test_a_silence_made_later_does_not_count_before(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect("t.db")) as db, db:
        db.execute(
            "INSERT INTO silences VALUES (1, '[\"rule=slow\"]', 'ann', 'known', ?1, ?1, ?2, NULL, '')",
            (START + 10_000.0, START + 12_000.0),
        )
    assert backtest("slow", "--json") == 0
    (live,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert live["messages"] == 2


def test_maintenance_of_the_time_counts(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect("t.db")) as connection, connection:
        connection.execute(
            "INSERT INTO maintenance VALUES"
            " (1, '[\"*\"]', '[]', 'mute', 'ann', 'disks', ?1, ?1, ?2, NULL, '')",
            (START, START + 10_800),
        )
    assert backtest("slow", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (len(found["fires"]), found["messages"], found["stopped"]) == (1, 0, {"maintenance": 1})


def test_rules_that_look_at_what_is_not_replayed_are_left_out(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest() == 0
    assert "log lines or points that the file has not: quiet-log" in capsys.readouterr().out
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
    assert any("slow" in line and "quiet" in line and "workflow.duration > 5 s" in line for line in lines)


async def keep(db: Path) -> None:
    """A disk of host a that is too full from 1:00 to 1:30, and two errors at 2:00."""
    store = await Store.open(db, VirtualClock(START))
    try:
        for minute in range(180):
            at = START + minute * 60.0
            store.writer.offer(Point("disk.used", (("host", "a"),), at, 95.0 if 60 <= minute < 90 else 50.0))
            store.writer.offer(Point("disk.used", (("host", "b"),), at, 10.0))
            if minute in (60, 120, 121):
                store.writer.offer(LogRecord(at, LogLevel.ERROR, "connection refused", "w"))
        await store.writer.flush()
    finally:
        await store.close()


async def seen(files: Path) -> None:
    (files / "rules.yaml").write_text(SEEING)
    await keep(files / "t.db")


async def test_points_and_lines_are_seen_again(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await seen(files)
    assert await asyncio.to_thread(backtest, "--json") == 0
    (live,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    fires = [(one["rule"], one["subject"], one["fired_at"] - START) for one in live["fires"]]
    assert [each[:2] for each in fires] == [("full", "host=a"), ("loud", "w")]
    assert 3_600 <= fires[0][2] < 3_615
    assert 7_260 <= fires[1][2] < 7_275
    assert 5_400 <= live["fires"][0]["ended_at"] - START < 5_415


async def test_a_rule_about_points_can_be_changed_and_what_the_file_lacks_is_named(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await seen(files)
    assert await asyncio.to_thread(backtest, "full", "--set", "threshold=99") == 0
    assert "threshold=99" in capsys.readouterr().out
    assert await asyncio.to_thread(backtest) == 0
    assert "log lines or points that the file has not: other" in capsys.readouterr().out
    assert await asyncio.to_thread(backtest, "other") == 2


async def test_where_the_file_no_longer_has_the_first_of_them_that_is_said(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await seen(files)
    with closing(sqlite3.connect("t.db")) as connection, connection:
        connection.execute("DELETE FROM samples WHERE at < ?", (START + 5_000,))
    assert await asyncio.to_thread(backtest) == 0
    assert "note: rules that look at points see them from" in capsys.readouterr().out
