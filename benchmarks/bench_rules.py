"""What rules cost: one look at one, a thousand of them, and a history seen again through the same judge.

The mission allows an evaluation 5 ms. All figures are CPU time. Rules with windows are shown the same
executions several times over, and the least that each look cost counts: the work is the same every time,
unlike what other programs leave of the processor's caches. The history has executions of 500 workflows, each
every 30 s.
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
from engine.model import Execution, LogLevel, LogRecord, Outcome, Priority
from engine.rehearsal.replaying import rehearse
from engine.store.history import opened
from engine.store.migrations import prepare

WORKFLOWS = 500
EVERY = 30.0
EXECUTIONS = 600_000
"""A 72nd of 30 days."""
WHOLE = 43_200_000
"""Executions of 30 days of as many workflows."""
END = 1_750_000_000.0
LOOKS = 20_000
WINDOW_LOOKS = 3_000
ROUNDS = 5
REPEATS = 3
INSERT = """
INSERT INTO executions (id, workflow_id, priority, trace_id, scheduled_at, started_at, duration, outcome,
  attempt_count) VALUES (?, ?, 'normal', ?, ?, ?, ?, ?, 1)
"""
SLOW = {"type": "THRESHOLD", "metric": "workflow.duration", "operator": ">", "value": "30s"}
_SAMPLES = 1_000
_WINDOW = {"window": "1h"}
_LONG = {"metric": "workflow.duration", "operator": ">", "value": "2s"}
WINDOWS: dict[str, dict[str, Any]] = {
    "threshold": {"type": "THRESHOLD", "metric": "workflow.failure_rate", "operator": ">", "value": "50%"},
    "rate": {"type": "RATE", **_LONG, "rate": "50%"},
    "p95": {"type": "CUSTOM", "expression": "p95(workflow.duration) > 20"},
    "avg": {"type": "CUSTOM", "expression": "avg(workflow.duration) > 20"},
    "share": {"type": "CUSTOM", "expression": "rate(workflow.duration > 2) > 50"},
    "burn_rate": {"type": "BURN_RATE", "objective": "99%", "bad": "workflow.duration > 2"},
    "x_of_y": {"type": "X_OF_Y", **_LONG, "x": 500, "y": _SAMPLES},
    "consecutive": {"type": "CONSECUTIVE", **_LONG, "count": _SAMPLES},
    "trend": {"type": "TREND", **_LONG, "within": "1h"},
    "pattern": {"type": "PATTERN", "search": "refused", "count": _SAMPLES, "window": "59m"},
    "duration": {"type": "DURATION", **_LONG, "duration": "1h"},
}
"""With 1,000 executions in the window, or nearly as many lines; none of them ever fires."""

Figure = dict[str, Any]

FIGURES = (
    "rule_eval_us",
    *(f"rule_eval_{name}_p99_us" for name in WINDOWS),
    "rule_eval_1000_us",
    "backtest_executions_per_s",
)


def run() -> list[Figure]:
    """All figures; about a minute."""
    settle_collector()
    one = looks(config(1, rule("slow", SLOW)))
    many = looks(config(1_000, *(rule(f"r{n}", SLOW, f"w{n}") for n in range(1_000))))
    with tempfile.TemporaryDirectory() as directory:
        db = Path(directory) / "history.db"
        build(db)
        speed = max(replay(db) for _ in range(REPEATS))
    whole = WHOLE / speed
    return [
        _figure("rule_eval_us", median(one), "µs", 5, "CPU; one THRESHOLD rule and execution; allowed: 5 ms"),
        *(_window(name, condition) for name, condition in WINDOWS.items()),
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


def looks(made: Config) -> list[float]:
    """What each execution cost, µs, after some to warm up."""
    names = [workflow.id for workflow in made.workflows]
    return seen(made, executions(names, EVERY / len(names), LOOKS + 200))[200:]


def least(condition: dict[str, Any]) -> list[float]:
    """What each execution cost a rule with a full window, µs: the least of some rounds."""
    looks_back = condition["type"] not in ("BURN_RATE", "X_OF_Y", "CONSECUTIVE", "DURATION")
    made = config(1, rule("window", {**(_WINDOW if looks_back else {}), **condition}))
    each = executions(["w0"], 3_600.0 / _SAMPLES, WINDOW_LOOKS + _SAMPLES)
    rounds = [seen(made, each)[_SAMPLES:] for _ in range(ROUNDS)]
    return [min(look) for look in zip(*rounds, strict=True)]


def executions(names: list[str], step: float, count: int) -> list[Execution]:
    """Good ones that take up to a second, of one workflow after the other, `step` seconds apart."""
    chance = random.Random(7)
    begins = (END + number * step for number in range(count))
    return [
        Execution(
            number, names[number % len(names)], "w", Priority.NORMAL, "", at, at, chance.random(), Outcome.OK
        )
        for number, at in enumerate(begins)
    ]


def seen(made: Config, each: list[Execution]) -> list[float]:
    """What a judge takes for each execution and the line that it left, µs of the thread's CPU time."""
    judge, took = Judge(made), []
    for execution in each:
        now = execution.ended_at
        lines = (LogRecord(now, LogLevel.ERROR, "connection refused", execution.workflow_id),)
        began = time.thread_time_ns()
        judge.witness((), lines)
        if not judge.passes_by(execution, now):
            for considered in judge.of_workflow(execution.workflow_id, now, execution):
                judge.apply(considered.transition, ())
        took.append((time.thread_time_ns() - began) / 1e3)
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


def _window(name: str, condition: dict[str, Any]) -> Figure:
    took = least(condition)
    against = f"CPU, p99; {condition['type']}, 1,000 in the window; median {median(took):.1f}"
    return _figure(f"rule_eval_{name}_p99_us", p99(took), "µs", 50, against)


def _figure(name: str, value: float, unit: str, goal: float | None, against: str) -> Figure:
    return {"name": name, "value": round(value, 3), "unit": unit, "goal": goal, "against": against}
