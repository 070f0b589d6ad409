"""Silences, maintenance, inhibition, dependencies in the file: what is taken, what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.config.loader import load_config
from engine.config.muting import parse_moment
from engine.config.schema import Config
from engine.errors import ConfigError

HEAD = """\
version: 1
workflows:
  - {id: db, name: Database, every: 30s, DB, steps: [{id: s, http: {url: "http://127.0.0.1/"}}]}
  - {id: shop, name: Shop, every: 30s, SHOP, steps: [{id: s, http: {url: "http://127.0.0.1/"}}]}
rules:
  - {id: a, name: A, RULE, conditions: [{type: THRESHOLD, metric: workflow.duration, operator: gt, value: 1}]}
  - {id: b, name: B, RUL2, conditions: [{type: THRESHOLD, metric: workflow.duration, operator: gt, value: 1}]}
"""
NOTHING = {"DB": "tags: []", "SHOP": "tags: []", "RULE": "tags: []", "RUL2": "tags: []"}


def load(tmp_path: Path, more: str = "", **places: str) -> Config:
    text = HEAD + more
    for place, written in (NOTHING | places).items():
        text = text.replace(place, written)
    (tmp_path / "rules.yaml").write_text(text)
    return load_config(tmp_path / "rules.yaml").config


def problems(tmp_path: Path, more: str = "", **places: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, more, **places)
    return [f"{problem.message} ({problem.hint})" for problem in caught.value.problems]


def test_all_of_it_is_taken(tmp_path: Path) -> None:
    made = load(
        tmp_path,
        """
silences:
  - {matchers: [rule=a, "tag!=x"], author: ada, reason: known, until: 2100-01-01}
maintenance:
  - {id: nightly, workflows: ["d*"], do: stop, weekly: [{days: [mon-fri], from: "02:00", to: "03:00"}]}
  - {id: move, tags: [web], from: "2026-12-01T22:00", to: "2026-12-02T04:00", reason: new hardware}
  - {id: monthly, cron: "0 2 1 * *", duration: 1h, timezone: Europe/Berlin}
inhibit:
  - {source: [rule=a], target: ["rule=~b|c"], equal: [subject]}
""",
        SHOP="depends_on: [db], tags: [x, web]",
        RULE="flapping: true, remind: 1h, reopen: 10m, escalation: [{after: 5m, severity: ERROR}]",
        RUL2="depends_on: [a], flapping: {high: 40}, escalation: {after: 5m, severity: ERROR}",
    )
    assert [window.do for window in made.maintenance] == ["stop", "mute", "mute"]
    assert made.silences[0].until == parse_moment("2100-01-01T00:00+00:00")
    assert [len(rule.escalation) for rule in made.rules] == [1, 1]
    assert made.rules[0].flapping is not None
    assert made.rules[0].flapping.low == 25.0
    assert made.rules[1].flapping is not None
    assert made.rules[1].flapping.high == 40.0


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"SHOP": "depends_on: [dv]"}, "there is no workflow `dv` (there is db, shop)"),
        ({"SHOP": "depends_on: [shop]"}, "`shop` depends on itself (a circle would keep all of it quiet)"),
        ({"RUL2": "depends_on: [c]"}, "there is no rule `c`"),
        ({"RULE": "inhibits: [bb]"}, "there is no rule `bb`"),
        ({"RULE": "inhibits: [a]"}, "`a` inhibits itself (a circle would keep all of it quiet)"),
        ({"RULE": "flapping: {low: 50}"}, "low: is not above high:"),
    ],
)
def test_what_leads_nowhere_is_said(tmp_path: Path, places: dict[str, str], said: str) -> None:
    (found,) = problems(tmp_path, **places)
    assert said in found


def test_a_circle_is_said_of_each_in_it(tmp_path: Path) -> None:
    found = problems(tmp_path, DB="depends_on: [shop]", SHOP="depends_on: [db]")
    assert [text.split(" (")[0] for text in found] == [
        "`db` depends on `shop`, which depends on it",
        "`shop` depends on `db`, which depends on it",
    ]


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (
            "inhibits: [b]",
            "inhibits: [a]",
            ["`a` inhibits `b`, which keeps it quiet", "`b` inhibits `a`, which"],
        ),
        ("inhibits: [b]", "tags: []", None),
        ("inhibits: [b]", "depends_on: [a]", None),
        (
            "inhibits: [b], depends_on: [b]",
            "tags: []",
            ["`a` depends on `b`, which", "`a` inhibits `b`, which"],
        ),
    ],
)
def test_what_depends_and_what_inhibits_may_not_go_in_a_circle(
    tmp_path: Path, one: str, other: str, said: list[str] | None
) -> None:
    if said is None:
        assert load(tmp_path, RULE=one, RUL2=other).rules[0].inhibits == ("b",)
        return
    found = problems(tmp_path, RULE=one, RUL2=other)
    assert [any(text.startswith(words) for text in found) for words in said] == [True] * len(said)
    assert len(found) == len(said)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("silences: [{matchers: [rule], author: a, reason: b, until: 2100-01-01}]", "is no matcher"),
        ("silences: [{matchers: [rule=a], author: a, reason: b}]", "`until` is missing"),
        ("silences: [{matchers: [], author: a, reason: b, until: 2100-01-01}]", "matchers"),
        ("silences: [{matchers: [rule=a], author: a, reason: b, until: soon}]", "a moment is such as"),
        ("silences: [{matchers: ['rule=~(']}]", "pattern"),
        ("maintenance: [{id: a}]", "exactly one of from: and to:, weekly:, cron:"),
        ("maintenance: [{id: a, cron: '0 2 * * *'}]", "cron: with duration:"),
        ("maintenance: [{id: a, cron: '0 2 * *', duration: 1h}]", "minute hour day"),
        ("maintenance: [{id: a, cron: '0 2 * * *', duration: 1h, timezone: Moon}]", "no time zone"),
        ("maintenance: [{id: a, from: 2026-01-02, to: 2026-01-01}]", "ends after it begins"),
        ("maintenance: [{id: a, do: halt, from: 2026-01-01, to: 2026-01-02}]", "mute"),
        ("inhibit: [{source: [rule=a], target: [rule=b], equal: [colour]}]", "subject"),
        ("inhibit: [{source: [rule=a]}]", "`target` is missing"),
    ],
)
def test_what_cannot_be_meant_is_said(tmp_path: Path, section: str, said: str) -> None:
    assert any(said in found for found in problems(tmp_path, section))


@pytest.mark.parametrize("value", ["", "tomorrow", "2026-13-01", None, True])
def test_a_moment_is_a_date_or_a_time(value: Any) -> None:
    with pytest.raises(ValueError, match="a moment is such as"):
        parse_moment(value)
