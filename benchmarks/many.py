"""A configuration of many one-step workflows with rules, as the benchmarks of a whole engine run it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from engine.config.loader import LoadedConfig, load_config
from engine.workflows.schedule import share_of

COUNT = 1_000
WORKFLOW = """
  - id: {name}
    name: Workflow {name}
    {schedule}
    timeout: 10s
    retry: {{max_attempts: 1}}
    steps: [{{id: get, http: {{url: "{url}/?n={name}"}}, expect: ["status == 200"]}}]"""
RULES = """
rules:
  - id: down
    name: Down
    conditions: [{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}]
  - id: failures
    name: High failure rate
    conditions: [{type: THRESHOLD, metric: workflow.failure_rate, operator: ">", value: 50%}]
  - id: slow
    name: Slow
    conditions: [{type: THRESHOLD, metric: workflow.duration, operator: ">", value: 30s}]
"""


def names(count: int = COUNT) -> list[str]:
    """Identifiers of workflows; their slots are spread over the interval."""
    return [f"w{number}" for number in range(count)]


def names_within(share: float, count: int = COUNT) -> list[str]:
    """Identifiers whose slots all lie in the first `share` (0–1) of the interval."""
    candidates = (f"w{number}" for number in itertools.count())
    return list(itertools.islice((name for name in candidates if share_of(name) < share), count))


def write_config(directory: Path, url: str, schedule: str, ids: Sequence[str]) -> Path:
    """`rules.yaml` of workflows with the line `schedule` each, and three rules."""
    workflows = (WORKFLOW.format(name=name, url=url, schedule=schedule) for name in ids)
    path = directory / "rules.yaml"
    path.write_text(f"version: 1\nworkflows:{''.join(workflows)}\n{RULES}")
    return path


def configured(directory: Path, url: str, schedule: str, ids: Sequence[str] | None = None) -> LoadedConfig:
    """The same, loaded."""
    return load_config(write_config(directory, url, schedule, names() if ids is None else ids))
