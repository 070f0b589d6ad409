"""What happened, read back in the order in which it ended."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import StoreError
from engine.model import HealthStatus, Outcome
from engine.store import history as module
from engine.store.history import SILENCE, History, opened
from engine.store.migrations import prepare
from tests.effort import tried

START = 1_750_000_000.0
INSERT = """
INSERT INTO executions (id, workflow_id, priority, trace_id, scheduled_at, started_at, duration, outcome,
  reason, attempt_count, error, error_type, error_category)
VALUES (?, ?, 'normal', x'00', ?, ?, ?, ?, ?, 1, ?, ?, ?)
"""


def row(
    number: int, at: float, duration: float = 1.0, outcome: str = "ok", workflow: str = "w", reason: str = ""
) -> tuple[Any, ...]:
    wrong = ("no answer", "NETWORK", "network") if outcome == "failed" else (None, None, None)
    return number, workflow, START + at, START + at, duration, outcome, reason, *wrong


def fill(
    db: Path,
    executions: Iterable[tuple[Any, ...]] = (),
    checks: Iterable[tuple[Any, ...]] = (),
    runs: Iterable[float] = (),
) -> None:
    prepare(db, START)
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.executemany(INSERT, executions)
        connection.executemany("INSERT INTO health_checks VALUES (?, ?, ?, ?, ?, '')", checks)
        connection.executemany(
            "INSERT INTO runs (started_at, version, digest, environment, path, first_execution)"
            " VALUES (?, '1', 'd', 'e', 'p', 1)",
            ((START + at,) for at in runs),
        )


def ids(history: History, since: float, until: float, **options: Any) -> list[int]:
    return [
        one.id for chunk in history.executions(START + since, START + until, **options) for _, one in chunk
    ]


def test_executions_come_in_the_order_in_which_they_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 7)
    chance = random.Random(1)
    rows = [row(number, number * 5.0, chance.choice((0.5, 30.0, 200.0))) for number in range(1, 200)]
    fill(tmp_path / "t.db", rows)
    with opened(tmp_path / "t.db") as history:
        found = [pair for chunk in history.executions(START, START + 5_000) for pair in chunk]
    ends = [at for at, _ in found]
    assert ends == sorted(ends) == [one.ended_at for _, one in found]
    assert sorted(one.id for _, one in found) == list(range(1, 200))


def test_a_range_has_what_ended_in_it(tmp_path: Path) -> None:
    fill(tmp_path / "t.db", [row(1, 0.0, 100.0), row(2, 10.0, 5.0), row(3, 20.0, 79.0), row(4, 50.0, 51.0)])
    with opened(tmp_path / "t.db") as history:
        assert ids(history, 0, 1_000) == [2, 3, 1, 4]
        assert ids(history, 15, 100) == [2, 3]
        assert ids(history, 100, 101) == [1]
        assert ids(history, 200, 300) == []


def test_what_rules_never_saw_is_left_out(tmp_path: Path) -> None:
    rows = [
        row(1, 0.0),
        row(2, 10.0, outcome="skipped", reason="overlap"),
        row(3, 20.0, outcome="interrupted"),
        row(4, 30.0, outcome="skipped", reason="breaker"),
        row(5, 40.0, outcome="failed"),
    ]
    fill(tmp_path / "t.db", rows)
    with opened(tmp_path / "t.db") as history:
        (chunk,) = (chunk for chunk in history.executions(START, START + 100) if chunk)
    assert [(one.id, one.outcome) for _, one in chunk] == [
        (1, Outcome.OK), (4, Outcome.SKIPPED), (5, Outcome.FAILED),
    ]  # fmt: skip
    assert chunk[2][1].error == "no answer"


def test_only_some_workflows(tmp_path: Path) -> None:
    fill(tmp_path / "t.db", [row(number, number, workflow="abc"[number % 3]) for number in range(1, 10)])
    with opened(tmp_path / "t.db") as history:
        assert ids(history, 0, 100, workflows=("b", "c")) == [1, 2, 4, 5, 7, 8]


def test_health_comes_by_component(tmp_path: Path) -> None:
    checks = [
        (n, START + n, "store" if n % 2 else "scheduler", "healthy" if n < 5 else "unhealthy", 50.0)
        for n in range(1, 9)
    ]
    fill(tmp_path / "t.db", checks=checks)
    with opened(tmp_path / "t.db") as history:
        assert [one.at - START for one in history.health(START + 2, START + 7)] == [2, 3, 4, 5, 6]
        stored = list(history.health(START, START + 100, {"store"}))
    assert [one.at - START for one in stored] == [1, 3, 5, 7]
    assert [one.status is HealthStatus.HEALTHY for one in stored] == [True, True, False, False]


def test_coverage_ends_where_nobody_looked_and_is_cut_where_runs_began(tmp_path: Path) -> None:
    times = [*range(0, 601, 60), *range(1_200, 1_801, 60), *range(1_830, 2_401, 60)]
    checks = [(n, START + at, "store", "healthy", 100.0) for n, at in enumerate(times, 1)]
    fill(tmp_path / "t.db", checks=checks, runs=(0, 1_200, 1_830))
    with opened(tmp_path / "t.db") as history:
        coverage = history.coverage(START, START + 4_000)
    assert [tuple(at - START for at in stretch) for stretch in coverage.stretches] == [
        (0, 0, 600), (1_200, 1_200, 1_830), (1_830, 1_830, 2_370),
    ]  # fmt: skip
    assert coverage.share == pytest.approx((600 + 1_170) / 4_000)


def test_without_health_checks_executions_tell_who_looked(tmp_path: Path) -> None:
    fill(tmp_path / "t.db", [row(number, number * 30.0) for number in range(1, 11)])
    with opened(tmp_path / "t.db") as history:
        (stretch,) = history.coverage(START, START + 1_000).stretches
    assert (stretch.since - START, stretch.until - START) == (30, 300)


def test_an_empty_file_covers_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "t.db")
    with opened(tmp_path / "t.db") as history:
        assert history.coverage(START, START + 10).share == 0
        assert ids(history, 0, 10) == []


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"), opened(tmp_path / "none.db"):
        pass


@settings(max_examples=tried(12, 100), deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 400)), min_size=1, max_size=60))
def test_gaps_found_by_halving_are_those_found_by_looking(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    """Numbers with holes, times that stand still or leap."""
    number, at, rows = 0, 0.0, []
    for by, passed in steps:
        number, at = number + by, at + passed
        rows.append((number, START + at, "store", "healthy", 100.0))
    times = [each[1] for each in rows]
    gaps = [(before, after) for before, after in pairwise(times) if after - before >= SILENCE]
    edges = [times[0], *(edge for gap in gaps for edge in gap), times[-1]]
    alive = [pair for pair in zip(edges[::2], edges[1::2], strict=True) if pair[1] > pair[0]]
    db = tmp_path_factory.mktemp("gaps") / "t.db"
    fill(db, checks=rows)
    with opened(db) as history:
        found = history.coverage(START - 1_000, START + 100_000).stretches
    assert [(stretch.since, stretch.until) for stretch in found] == alive
