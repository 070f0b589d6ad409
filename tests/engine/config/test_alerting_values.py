"""Values of channels, silences, maintenance and hours that can never work: refused, in words that fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.errors import ConfigError

FILE = """\
version: 1
workflows:
  - {id: web, name: Web, every: 30s, steps: [{id: a, wait: {for: 1s}}]}
rules:
  - {id: slow, name: Slow, ACTIVE,
     conditions: [{type: THRESHOLD, metric: health.score, operator: "<", value: 50}]}
"""
WEB = "a web address is wanted"
ZERO = "there is a zero character in it"
MOMENT = "a moment lies in the years 1970 to 2999"
WINDOW = "from: 2026-12-01, to: 2026-12-02"


def problems(tmp_path: Path, more: str, active: str = "tags: []") -> list[str]:
    path = tmp_path / "rules.yaml"
    path.write_text(FILE.replace("ACTIVE", active) + more)
    with pytest.raises(ConfigError) as raised:
        load_config(path, env={})
    return [f"{problem.message} ({problem.hint})" for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("channel", "problem"),
    [
        ("webhook: {url: 'http://x.example:99999/'}", WEB),
        ("webhook: {url: 'http://x.example:abc/'}", WEB),
        ("webhook: {url: 'http://x y.example/'}", WEB),
        ("webhook: {url: 'http://x.example/', headers: {'a b': c}}", "the name of a header"),
        (r'webhook: {url: "http://x.example/", headers: {X: "a\nb: c"}}', "the value of a header"),
        ("sentry: {dsn: 'https://k@x.example:abc/2'}", WEB),
        ("pagerduty: {routing_key: k2345678, endpoint: 'http://x.example:0/'}", WEB),
        (r'command: {run: [page, "a\0b"]}', ZERO),
        ('command: {run: [""]}', "the first of it names a program"),
        (r'file: {path: "a\0b"}', ZERO),
        ("log: {x: 1}", "unknown key `x` (no keys are known here)"),
    ],
)
def test_a_channel_that_could_never_tell_anybody(tmp_path: Path, channel: str, problem: str) -> None:
    [found] = problems(tmp_path, f"channels: {{ops: {{{channel}}}}}\n")
    assert problem in found


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("silences: [{matchers: [rule=a], author: a, reason: b, until: 1e300}]", MOMENT),
        ("maintenance: [{id: m, from: -1e300, to: 2026-12-01}]", MOMENT),
        (f"maintenance: [{{id: m, {WINDOW}, workflows: [wbe]}}]", "there is no workflow `wbe`"),
        (f"maintenance: [{{id: m, {WINDOW}}}, {{id: m, {WINDOW}}}]", "window `m` is already defined"),
        ("maintenance: [{id: m, weekly: [{days: [mo]}]}]", "is such as mon or mon-fri, found `mo`"),
    ],
)
def test_a_time_of_quiet_that_never_comes(tmp_path: Path, more: str, problem: str) -> None:
    [found] = problems(tmp_path, more + "\n")
    assert problem in found


@pytest.mark.parametrize("time", ["99:00", "9", "09:60", "24:01"])
def test_what_is_no_time_of_the_day_is_told_what_one_looks_like(tmp_path: Path, time: str) -> None:
    [found] = problems(tmp_path, "", f'active: [{{from: "{time}"}}]')
    assert f"a time of the day is such as 09:00, from 00:00 to 24:00, found `{time}`" in found


def test_names_that_are_known_are_listed_once(tmp_path: Path) -> None:
    [found] = problems(tmp_path, "", "workflows: [checkout]")
    assert "(there is web, Web)" in found
