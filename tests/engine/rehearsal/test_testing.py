"""Files of tests: what passes, what fails and how that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.rehearsal.cases import load
from engine.rehearsal.testing import Outcomes, run

RULES = """
version: 1
channels:
  ops: {url: "json://127.0.0.1:1/"}
  pager: {url: "json://127.0.0.1:2/", min_severity: CRITICAL}
workflows:
  - id: login
    name: Login
    every: 30s
    steps: [{id: s, wait: {for: 1s}}, {id: beat, heartbeat: {token: 0123456789abcdef, period: 1h}}]
  - {id: search, name: Search, every: 30s, steps: [{id: s, wait: {for: 1s}}]}
rules:
  - id: slow
    name: Slow
    for: 1m
    channels: [ops, pager]
    conditions: [{type: THRESHOLD, metric: workflow.duration, operator: ">", value: 5s}]
  - id: store
    name: Store
    conditions: [{type: THRESHOLD, metric: health.store.status, operator: "==", value: unhealthy}]
  - id: disk
    name: Disk
    conditions: [{type: THRESHOLD, metric: series.disk.used, operator: ">", value: 90, window: 2m}]
  - id: freezing
    name: Freezing
    conditions: [{type: THRESHOLD, metric: series.room, operator: "<", value: 0}]
  - id: noisy
    name: Noisy
    conditions: [{type: PATTERN, search: "level:error timeout", count: 2, window: 5m}]
  - id: job
    name: Job
    workflows: [login]
    conditions: [{type: ABSENCE, of: heartbeat, duration: 10m}]
"""
SLOW = """
    input_executions:
      - {workflow: login, durations: "0.1 x4 8s x6 0.1 x5"}
      - {workflow: search, outcomes: "ok x20"}
"""


def outcomes(tmp_path: Path, body: str) -> Outcomes:
    (tmp_path / "rules.yaml").write_text(RULES)
    path = tmp_path / "tests.yaml"
    path.write_text(f"rule_file: rules.yaml\nevaluation_interval: 15s\ntests:\n  - name: one{body}")
    (found,) = run(load(path))
    return found


def test_an_alert_from_pending_to_its_end_and_what_is_told(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        SLOW
        + """
    alerts:
      - {at: 1m59s, rule: slow}
      - {at: 2m, rule: slow, expected: [{subject: login, state: pending}]}
      - {at: 3m, rule: slow, expected: [{subject: login, severity: WARNING}]}
      - {at: 4m30s, rule: slow, expected: [{subject: login}]}
      - {at: 5m, rule: slow}
    notifications:
      - {at: 2m45s, channel: ops}
      - {at: 3m, channel: ops, expected: [{rule: slow, subject: login}]}
      - {at: 10m, channel: ops, expected: [{rule: slow, subject: login, transition: resolved}]}
      - {at: 10m, channel: pager}
""",
    )
    assert found.passed, found.mismatches
    assert found.checks == 9


def test_what_is_not_as_expected_is_said_with_its_line(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        SLOW
        + """    alerts:
      - {at: 4m, rule: slow, expected: [{subject: search, severity: ERROR}]}
""",
    )
    (wrong,) = found.mismatches
    assert (wrong.line, wrong.what) == (9, "alerts of slow at 4m")
    assert wrong.expected == ("search firing ERROR",)
    assert wrong.got == ("login firing WARNING",)


def test_silenced_alerts_fire_and_are_told_when_the_silence_ends(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        SLOW
        + """
    silences:
      - {matchers: [rule=slow], until: 4m}
    alerts:
      - {at: 3m30s, rule: slow, expected: [{subject: login}]}
    notifications:
      - {at: 3m50s, channel: ops}
      - {at: 4m15s, channel: ops, expected: [{rule: slow, subject: login}]}
""",
    )
    assert found.passed, found.mismatches


def test_health_is_put_in(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        """
    input_health: [{component: store, statuses: "healthy x2 unhealthy x2 healthy"}]
    alerts:
      - {at: 59s, rule: store}
      - {at: 1m, rule: store, expected: [{subject: store}]}
      - {at: 2m, rule: store}
""",
    )
    assert found.passed, found.mismatches


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("\n    alerts: [{at: 1m, rule: slo}]", "there is no rule `slo`.*slow"),
        ("\n    alerts: [{at: 1m}]", "`rule` is missing"),
        ("\n    alrets: []", "5:5: unknown key `alrets`"),
        ("\n    input_executions: [{workflow: login, outcomes: good}]", "there is no outcome `good`"),
        ("\n    notifications: [{at: 1m, channel: pagre}]", "there is no channel `pagre`.*pager"),
        ("\n    interval: soon", "a duration is a number with a unit"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_place(
    tmp_path: Path, body: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        outcomes(tmp_path, body)


def test_points_are_a_subject_by_their_labels(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        """
    input_points:
      - {series: disk.used, labels: {host: a}, values: "80+5x4 50"}
      - {series: series.disk.used, labels: {host: b}, values: "10 x9"}
      - {series: room, values: "2-1x4"}
    alerts:
      - {at: 1m29s, rule: disk}
      - {at: 1m30s, rule: disk, expected: [{subject: host=a}]}
      - {at: 2m30s, rule: disk}
      - {at: 1m, rule: freezing}
      - {at: 1m30s, rule: freezing, expected: [{subject: room}]}
""",
    )
    assert found.passed, found


def test_lines_and_heartbeats_count_from_their_time_on(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        """
    input_logs:
      - {workflow: search, level: error, message: "timeout after 5 s", at: [1m, 3m]}
      - {workflow: search, message: "timeout, but calmly", at: 2m}
      - {workflow: login, message: done, fields: {signal: success}, at: [5m]}
    alerts:
      - {at: 2m59s, rule: noisy}
      - {at: 3m, rule: noisy, expected: [{subject: search}]}
      - {at: 14m45s, rule: job}
      - {at: 15m, rule: job, expected: [{subject: login}]}
""",
    )
    assert found.passed, found


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("input_logs: [{message: x, at: 1m}]", "a line is of a workflow: or of a source:"),
        ("input_logs: [{workflow: search, message: x, level: loud, at: 1m}]", "there is no level `loud`"),
        ("input_logs: [{workflow: serach, message: x, at: 1m}]", "there is no workflow `serach`"),
        ("input_points: [{series: a, values: many}]", "a duration is a number with a unit"),
    ],
)
def test_what_cannot_be_put_in_is_said(tmp_path: Path, body: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as found:
        outcomes(tmp_path, f"\n    {body}\n")
    assert any(sentence in str(problem) for problem in found.value.problems)
