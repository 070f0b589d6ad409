"""`for` and `keep_firing_for` mean what they mean in Prometheus, whose own `promtool` judges every minute.

Each seed is 12 rules over 20 series of two hours: 28,800 states that have to be the same. `TOCSIN_SEEDS=20`
makes it as many; the default is one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.alerts.judge import Judge
from engine.config.schema import Config
from engine.model import Alert, Point
from tests.engine.rules.build import START

PROMTOOL = shutil.which("promtool")
SEEDS = int(os.environ.get("TOCSIN_SEEDS", "1"))
FOR = (0, 1, 3, 7)
KEEP = (0, 2, 5)
SERIES = 20
MINUTES = 120

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool")


def written(rng: random.Random) -> list[str]:
    """Two hours of a series in promtool's notation: spells of 0 and 1, gaps, and ends of the series."""
    samples: list[str] = []
    value = rng.choice("01")
    while len(samples) < MINUTES:
        samples += [value] * min(rng.choice((1, 1, 2, 3, 5, 8, 13)), MINUTES - len(samples))
        match rng.random():
            case chance if chance < 0.1:
                samples += ["_"] * rng.randint(1, 3)
            case chance if chance < 0.2:
                samples += ["stale"]
        value = "1" if value == "0" else "0"
    return samples[:MINUTES]


def seen(samples: list[str]) -> list[float]:
    """What Prometheus takes for the value at each minute: a gap of some minutes is bridged, an end is not."""
    values: list[float] = []
    for sample in samples:
        bridged = values[-1] if values else 0.0
        values.append(bridged if sample == "_" else float(sample == "1"))
    return values


def ours(series: list[list[float]]) -> list[set[tuple[str, str]]]:
    """The firing alerts at each minute, as pairs of rule and series, from the judge."""
    condition = {"type": "THRESHOLD", "metric": "series.m", "operator": "==", "value": 1, "window": "1m"}
    rules = [
        {
            "id": f"r{wait}-{keep}",
            "name": "R",
            "conditions": [condition],
            "for": f"{wait}m",
            "keep_firing_for": f"{keep}m",
            "cooldown": 0,
        }
        for wait in FOR
        for keep in KEEP
    ]
    judge = Judge(
        Config.model_validate({"version": 1, "rules": rules, "settings": {"max_active_alerts": 1000}})
    )
    judge.begin(START)
    states: list[set[tuple[str, str]]] = []
    for minute in range(MINUTES):
        now = START + minute * 60
        points = [
            Point("m", (("s", str(which)),), now, values[minute]) for which, values in enumerate(series)
        ]
        judge.witness(points, ())
        judge.look(None, now)
        for considered in judge.considerations(None, now):
            judge.apply(considered.transition, ())
        states.append({_name(alert) for alert in judge.book.all() if alert.state.is_active})
    return states


def _name(alert: Alert) -> tuple[str, str]:
    return alert.rule_id, alert.subject.removeprefix("s=")


def judged(folder: Path, samples: list[list[str]], states: list[set[tuple[str, str]]]) -> str:
    """What promtool says of our states: nothing, when it finds the same."""
    names = [(f"r{wait}-{keep}", wait, keep) for wait in FOR for keep in KEEP]
    rules = [
        {"alert": name, "expr": "m == 1", "for": f"{wait}m", "keep_firing_for": f"{keep}m"}
        for name, wait, keep in names
    ]
    tests = [
        {
            "eval_time": f"{minute}m",
            "alertname": name,
            "exp_alerts": [{"exp_labels": {"s": which}} for rule, which in sorted(state) if rule == name],
        }
        for minute, state in enumerate(states)
        for name, *_ in names
    ]
    input_series = [
        {"series": f'm{{s="{which}"}}', "values": " ".join(values)} for which, values in enumerate(samples)
    ]
    group = {"name": "g", "interval": "1m", "rules": rules}
    (folder / "rules.yml").write_text(json.dumps({"groups": [group]}))
    test = {"interval": "1m", "input_series": input_series, "alert_rule_test": tests}
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yml").write_text(json.dumps(document))
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[:3000]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_state_is_the_same(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    samples = [written(rng) for _ in range(SERIES)]
    assert judged(tmp_path, samples, ours([seen(each) for each in samples])) == ""


def test_promtool_sees_a_difference(tmp_path: Path) -> None:
    samples = [written(random.Random(1))]
    states = ours([seen(each) for each in samples])
    states[60] ^= {("r0-0", "0")}
    assert "time: 1h" in judged(tmp_path, samples, states)
