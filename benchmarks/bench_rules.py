"""What rules cost: one look at one, a thousand of them, and a history seen again through the same judge.

The mission allows an evaluation 5 ms. The history has executions of 500 workflows, each every 30 s.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from engine.alerts.judge import Judge
from engine.collector import settle_collector
from engine.config.schema import Config
from engine.model import Execution, Outcome, Priority
from engine.rehearsal.replaying import rehearse
from engine.store.history import opened
from engine.store.migrations import prepare

FIGURES = ("rule_eval_us", "rule_eval_window_p99_us", "rule_eval_1000_us", "backtest_executions_per_s")
WORKFLOWS = 500
EVERY = 30.0
EXECUTIONS = 600_000
"""A 72nd of 30 days."""
WHOLE = 43_200_000
"""Executions of 30 days of as many workflows."""
END = 1_750_000_000.0
LOOKS = 20_000
REPEATS = 3
INSERT = """
INSERT INTO executions (id, workflow_id, priority, trace_id, scheduled_at, started_at, duration, outcome,
  attempt_count) VALUES (?, ?, 'normal', ?, ?, ?, ?, ?, 1)
"""
SLOW = {"type": "THRESHOLD", "metric": "workflow.duration", "operator": ">", "value": "30s"}
WINDOWS: tuple[dict[str, Any], ...] = (
    {
        "type": "RATE",
        "metric": "workflow.duration",
        "operator": ">",
        "value": "2s",
        "window": "1h",
        "rate": "50%",
    },
    {"type": "THRESHOLD", "metric": "workflow.failure_rate", "operator": ">", "value": "50%", "window": "1h"},
    {"type": "CUSTOM", "expression": "p95(workflow.duration) > 20", "window": "1h"},
)

Figure = dict[str, Any]


def run() -> list[Figure]:
    """All figures; about a minute."""
    settle_collector()
    one = looks(config(1, rule("slow", SLOW)), 1)
    windows = looks(config(1, *(rule(f"w{n}", each) for n, each in enumerate(WINDOWS))), len(WINDOWS))
    many = looks(config(1_000, *(rule(f"r{n}", SLOW, f"w{n}") for n in range(1_000))), 1)
    with tempfile.TemporaryDirectory() as directory:
        db = Path(directory) / "history.db"
        build(db)
        speed = max(replay(db) for _ in range(REPEATS))
    whole = WHOLE / speed
    return [
        _figure("rule_eval_us", median(one), "µs", 5, "CPU; one THRESHOLD rule and execution; allowed: 5 ms"),
        _figure("rule_eval_window_p99_us", p99(windows), "µs", 50, "CPU, p99; by rule and execution"),
        _figure("rule_eval_1000_us", median(many), "µs", 5, "the same among 1,000 rules and 1,000 workflows"),
        _figure(
            "backtest_executions_per_s", speed, "/s", 200_000,
            f"CPU, reading included; 30 days of 500 workflows: {whole:.0f} s of 240",
        ),
    ]  # fmt: skip


def config(workflows: int, *rules: dict[str, Any]) -> Config:
    """A configuration of so many workflows."""
    step = {"id": "s", "wait": {"for": "1s"}}
    names = (f"w{number}" for number in range(workflows))
    return Config.model_validate(
        {
            "version": 1,
            "workflows": [{"id": each, "name": each, "every": "30s", "steps": [step]} for each in names],
            "rules": list(rules),
        }
    )


def rule(name: str, condition: dict[str, Any], about: str = "*") -> dict[str, Any]:
    """A rule of one condition."""
    return {"id": name, "name": name, "workflows": [about], "conditions": [condition]}


def looks(made: Config, rules: int) -> list[float]:
    """What each execution cost, µs by rule, after a warm-up of an hour."""
    judge = Judge(made)
    names = [workflow.id for workflow in made.workflows]
    chance, took = random.Random(7), []
    for number in range(LOOKS + 200):
        at = END + number * EVERY / len(names)
        execution = Execution(
            number, names[number % len(names)], "w", Priority.NORMAL, "", at, at, chance.random(), Outcome.OK
        )
        now = execution.ended_at
        began = time.thread_time()
        if not judge.passes_by(execution, now):
            for considered in judge.of_workflow(execution.workflow_id, now, execution):
                judge.apply(considered.transition, ())
        if number >= 200:
            took.append((time.thread_time() - began) * 1e6 / rules)
    return took


def build(db: Path) -> None:
    """The file with its executions, the newest at END."""
    prepare(db, END)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.executemany(INSERT, _rows())
        connection.execute("COMMIT")


def replay(db: Path) -> float:
    """Executions a second of CPU time that one THRESHOLD rule sees again."""
    made = config(WORKFLOWS, rule("slow", SLOW))
    since = END - EXECUTIONS * EVERY / WORKFLOWS
    with opened(db) as history:
        began = time.process_time()
        found = rehearse({"live": made}, history, since, END)["live"]
        return found.executions / (time.process_time() - began)


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]


def _rows() -> Iterator[tuple[Any, ...]]:
    chance, step = random.Random(30), EVERY / WORKFLOWS
    for number in range(EXECUTIONS):
        at = END - (EXECUTIONS - number) * step
        duration = chance.lognormvariate(-1.5, 0.6)
        outcome = "failed" if chance.random() < 0.005 else "ok"
        yield number + 1, f"w{number % WORKFLOWS}", chance.randbytes(16), at, at, duration, outcome


def _figure(name: str, value: float, unit: str, goal: float | None, against: str) -> Figure:
    return {"name": name, "value": round(value, 3), "unit": unit, "goal": goal, "against": against}
