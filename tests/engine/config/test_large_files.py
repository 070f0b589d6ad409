"""A file of 10,000 lines is checked in under a second of work, and thirty faults are told at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.errors import ConfigError

STEP = """\
  - id: workflow-<n>
    name: Workflow <n>
    every: 30s
    tags: [group-<n>]
    steps:
      - id: login
        http: {method: POST, url: "{{ env.base_url }}/login/<n>", json: {user: demo}}
        expect: ["status == 200", "duration < 800ms", "json.token != null"]
        extract: {token: json.token}
      - {id: me, http: {url: "{{ env.base_url }}/{{ login.token }}"}, expect: ["json.name == 'x'"]}
"""
HEAD = "version: 1\nenvironments: {here: {base_url: http://127.0.0.1}}\nworkflows:\n"


def file(count: int) -> str:
    return HEAD + "".join(STEP.replace("<n>", str(number)) for number in range(count))


def test_ten_thousand_lines_take_less_than_a_second(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(file(1))
    load_config(path, env={})
    path.write_text(file(1000))
    assert len(path.read_text().splitlines()) >= 10_000
    began = time.process_time()
    loaded = load_config(path, env={})
    spent = time.process_time() - began
    assert len(loaded.config.workflows) == 1000
    assert spent < 1.0, f"it took {spent:.2f} s"


# What is changed in a workflow, and the part of the message that names it; each in a workflow of its own.
FAULTS = [
    ("every: 30s", "evry: 30s", "evry"),
    ("every: 30s", "every: 30 seconds", "duration"),
    ("every: 30s", "every: 30s\n    cron: '* * * * *'", "either every"),
    ("every: 30s", "cron: '* * * *'", "cron"),
    ("every: 30s", "every: 30s\n    priority: urgent", "priority"),
    ("every: 30s", "every: 30s\n    retry: often", "often"),
    ("every: 30s", "every: 30s\n    timeout: 0s", "timeout"),
    ("every: 30s", "every: 30s\n    timezone: UTC", "timezone"),
    ("every: 30s", "every: 30s\n    breaker: {threshold: 0}", "threshold"),
    ("every: 30s", "every: 30s\n    overlap: sometimes", "overlap"),
    ("tags: [group", "tags: [gr oup", "tags"),
    ("id: login", "id: lo gin", "id"),
    ("id: me", "id: login", "login"),
    ("http: {method", "htp: {method", "htp"),
    ("method: POST", "method: PSOT", "PSOT"),
    ("json: {user: demo}", "json: {}, body: x", "at most one"),
    ("status == 200", "status = 200", "status"),
    ("status == 200", "statsu == 200", "statsu"),
    ("status == 200", "body matches '('", "pattern"),
    ("status == 200", "status == {{ later.x }}", "later"),
    ("json.token != null", "len(json.token > 1", "len"),
    ("extract: {token: json.token}", "extract: {token: 'json..x'}", "json..x"),
    ("extract: {token: json.token}", "extract: {other: json.token}", "login.token"),
    ("env.base_url }}/login", "env.base_urll }}/login", "base_urll"),
    ("env.base_url }}/login", "${env:NOT_SET}/login", "NOT_SET"),
    ("login.token }}", "logn.token }}", "logn"),
    ("expect: [\"json.name", "expct: [\"json.name", "expct"),
    ("id: me,", "id: me, needs: [nobody],", "nobody"),
    ("id: me,", "id: me, timeout: soon,", "timeout"),
    ("    name: Workflow <n>\n", "", "name"),
]  # fmt: skip


def test_every_one_of_thirty_faults_is_told_at_its_place(tmp_path: Path) -> None:
    assert len(FAULTS) == 30
    text, ranges = HEAD, []
    for number, (old, new, _) in enumerate(FAULTS):
        assert old in STEP, old
        begins = text.count("\n") + 1
        text += STEP.replace(old, new, 1).replace("<n>", str(number))
        ranges.append(range(begins, text.count("\n") + 1))
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, env={})
    problems = caught.value.problems
    assert all(problem.column >= 1 for problem in problems)
    missed = [
        word
        for (_, _, word), lines in zip(FAULTS, ranges, strict=True)
        if not any(problem.line in lines and word in problem.message for problem in problems)
    ]
    assert missed == []
    told = [problem for problem in problems if not any(problem.line in lines for lines in ranges)]
    assert told == []
