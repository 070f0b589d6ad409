"""Routes, silences, maintenance, inhibitions and rules that can never be about anything are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.errors import ConfigError

FILE = """\
version: 1
channels: {ops: {log: {}}, boss: {log: {}}}
sources: [{id: nginx, files: access.log}]
workflows:
  - {id: web, name: Web, every: 30s, tags: [shop], steps: [{id: a, wait: {for: 1s}}]}
  - {id: job, name: Job, every: 30s, steps: [{id: a, heartbeat: {token: 0123456789abcdef, period: 1h}}]}
rules:
  - id: down
    name: Down
    tags: [db]
    conditions: [{type: PATTERN, text: x}]
"""
RULE = "  - {id: r, name: R, %s}\n"
SILENCE = "silences: [{matchers: [%s], author: a, reason: b, until: 2100-01-01}]"
BURNING = "conditions: [{type: BURN_RATE, objective: 90%%, windows: [{long: 1h, short: 5m, factor: %s}]}]"


def problems(tmp_path: Path, more: str) -> list[str]:
    (tmp_path / "rules.yaml").write_text(FILE + more)
    try:
        load_config(tmp_path / "rules.yaml", env={})
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "more",
    [
        "routes: [{channels: [ops], tags: [db, shop]}, {channels: [ops]}]",
        "routes: [{channels: [ops], continue: true}, {channels: [boss]}]",
        "routes: [{channels: [ops], max_severity: ERROR}, {channels: [boss]}]",
        "routes: [{channels: [ops], group_by: [rule], group_wait: 5s}]",
        SILENCE % "rule=d*, rule=monitor-store, tag=db, tag=s*",
        SILENCE % '"rule=~x.*", "tag=", "severity=crit*", subject=whatever',
        "inhibit: [{source: [rule=down], target: [tag=shop]}]",
        "maintenance: [{id: m, tags: [shop], from: 2100-01-01, to: 2100-01-02}]",
        RULE % 'conditions: [{type: PATTERN, search: "source:nginx 500"}]',
        RULE % "workflows: [j*], conditions: [{type: ABSENCE, of: heartbeat, duration: 1h}]",
        RULE % "conditions: [{type: BURN_RATE, objective: 90%}]",
        RULE % (BURNING % 9),
    ],
)
def test_what_can_be_meant_is_taken(tmp_path: Path, more: str) -> None:
    assert problems(tmp_path, more) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("routes: [{channels: [ops], tags: [shp]}]", "has the tag `shp` (did you mean `shop`?)"),
        ("routes: [{channels: [ops], min_severity: ERROR, max_severity: INFO}]", "and at most INFO"),
        ("routes: [{channels: [ops], rules: ['*']}, {channels: [boss]}]", "on line 12 takes every alert"),
        ("routes: [{channels: [ops], repeat: 1h}]", "`repeat` is about groups"),
        (SILENCE % 'rule=dwn', "there is no rule `dwn` (did you mean `down`?)"),
        (SILENCE % '"rule!=slow-*"', "no rule fits `slow-*`"),
        (SILENCE % 'tag=batch', "has the tag `batch` (there is shop, db)"),
        (SILENCE % 'severity=CRIT', "there is no severity `CRIT`; did you mean CRITICAL?"),
        ("inhibit: [{source: [rule=up], target: [tag=shop]}]", "there is no rule `up`"),
        ("inhibit: [{source: [rule=down], target: [tag=ship]}]", "did you mean `shop`?"),
        ("maintenance: [{id: m, tags: [web], from: 2100-01-01, to: 2100-01-02}]", "has the tag `web`"),
        (RULE % 'conditions: [{type: PATTERN, search: "source:nginks 500"}]', "did you mean `nginx`?"),
        (
            RULE % 'conditions: [{any: [{type: ABSENCE, of: log, search: "source:x y", duration: 1h}]}]',
            "there is no source `x`",
        ),
        (
            RULE % "workflows: [web], conditions: [{type: ABSENCE, of: heartbeat, duration: 1h}]",
            "waits for a heartbeat",
        ),
        (
            "    escalation: [{after: 20s, severity: ERROR}, {after: 10s, severity: ERROR}]",
            "after: 10s stands below after: 20s",
        ),
        (
            RULE % (BURNING % 10),
            "burns at most 10 times too fast (write a factor below 10)",
        ),
    ],
)  # fmt: skip
def test_what_fits_nothing_is_said_with_its_place(tmp_path: Path, more: str, said: str) -> None:
    (problem,) = problems(tmp_path, more)
    assert said in problem
    assert "rules.yaml:" in problem
