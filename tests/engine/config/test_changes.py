"""The difference of two configurations in words, and what of it has to wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.config.changes import DETAILS, adopted, compare
from engine.config.loader import LoadedConfig, load_config
from engine.config.schema import Config

BASE = """
version: 1
environments: {local: {base: "http://x"}, other: {base: "http://y"}}
settings: {concurrency: 5}
retries: {mine: {max_attempts: 2}}
channels: {ops: {url: "json://user:hunter22@h/first"}}
workflows:
  - id: a
    name: A
    every: 30s
    steps: [{id: get, http: {url: "http://h/1", headers: {X: token-one}}}, {id: w, wait: {for: 1s}}]
  - {id: b, name: B, every: 30s, steps: [{id: w, wait: {for: 1s}}]}
rules:
  - {id: r, name: R, conditions: [{type: CUSTOM, expression: "count() > 3"}], channels: [ops]}
  - {id: q, name: Q, conditions: [{type: CUSTOM, expression: "count() > 3"}]}
"""


def loaded(home: Path, text: str, environment: str | None = None) -> LoadedConfig:
    path = home / "rules.yaml"
    path.write_text(text)
    return load_config(path, environment, {})


@pytest.mark.parametrize(
    ("old", "new", "summary", "line"),
    [
        ("id: b, name: B", "id: c, name: B", "-1 workflow, +1 workflow", "- workflow b|+ workflow c"),
        ("every: 30s\n", "every: 2m\n", "~1 workflow", "~ workflow a: every 30s → 2m"),
        ("http://h/1", "http://h/secret", "~1 workflow", "~ workflow a: steps.get.http.url"),
        ("token-one", "token-two", "~1 workflow", "~ workflow a: steps.get.http.headers"),
        ("id: get", "id: fetch", "~1 workflow", "~ workflow a: -steps.get, +steps.fetch"),
        ("http://x", "http://z", "~1 environment", "~ environment local: base"),
        ("max_attempts: 2", "max_attempts: 4", "~1 retry", "~ retry mine: max_attempts 2 → 4"),
        ("hunter22", "hunter33", "~1 channel", "~ channel ops: url"),
        ("concurrency: 5", "concurrency: 9", "~settings", "~ settings: concurrency 5 → 9"),
        ("concurrency: 5", "concurrency: 5, heartbeats: '127.0.0.1:1'", "~settings",
         "~ settings: heartbeats takes a restart"),
        ("concurrency: 5", "concurrency: 5, tracing: {sample: 0.5, accept: 0123456789abcdef}", "~settings",
         "~ settings: tracing.sample 1 → 0.5, tracing.accept takes a restart"),
        ("channels: [ops]}", "channels: [ops], for: 1m, severity: ERROR}", "~1 rule",
         "~ rule r: severity WARNING → ERROR, for 0ms → 1m"),
        ("version: 1", "version: 1 # a comment", "", ""),
    ],
)  # fmt: skip
def test_words(tmp_path: Path, old: str, new: str, summary: str, line: str) -> None:
    assert old in BASE
    changes = compare(loaded(tmp_path, BASE), loaded(tmp_path, BASE.replace(old, new, 1)))
    assert (changes.summary, "|".join(changes.lines)) == (summary, line)
    assert bool(changes) is bool(line)


def test_no_text_of_the_file_is_told(tmp_path: Path) -> None:
    before = loaded(tmp_path, BASE)
    words = {
        "hunter22": "hunter33",
        "token-one": "token-two",
        "http://h/1": "http://h/2",
        "http://x": "http://z",
    }
    text = BASE
    for old, new in words.items():
        text = text.replace(old, new)
    told = "\n".join(compare(before, loaded(tmp_path, text)).lines)
    assert told
    for word in (*words, *words.values(), "hunter", "token", "http:"):
        assert word not in told


def test_another_environment_is_told_by_name(tmp_path: Path) -> None:
    changes = compare(loaded(tmp_path, BASE, "local"), loaded(tmp_path, BASE, "other"))
    assert changes.lines == ("~ environment local → other",)


def test_many_differences_of_one_part_are_counted(tmp_path: Path) -> None:
    keys = {"name": "New", "description": "x", "timeout": "9s", "priority": "high", "tags": "[x]"}
    keys |= {"jitter": "1s", "catch_up": "1m", "retry": "mine"}
    more = ", ".join(f"{key}: {value}" for key, value in keys.items())
    text = BASE.replace("id: b, name: B", f"id: b, {more}")
    (line,) = compare(loaded(tmp_path, BASE), loaded(tmp_path, text)).lines
    assert line.endswith(f", and {len(keys) - DETAILS} more")


def test_what_waits_for_a_restart_stays_and_equal_parts_are_the_same(tmp_path: Path) -> None:
    storage = "storage: {ballast: 1MB, max_size: 99MB}"
    settings = f"settings: {{concurrency: 7, heartbeats: '127.0.0.1:1', canary: ['h:1'], {storage}}}"
    before = loaded(tmp_path, BASE).config
    text = BASE.replace("settings: {concurrency: 5}", settings).replace("every: 30s", "every: 9s", 1)
    after = adopted(before, loaded(tmp_path, text).config)
    told: dict[str, Any] = after.settings.model_dump()
    assert (told["concurrency"], told["storage"]["max_size"]) == (7, 99_000_000)
    assert (after.settings.heartbeats, after.settings.canary) == (before.settings.heartbeats, ())
    assert after.settings.storage.ballast == before.settings.storage.ballast
    assert [new is old for new, old in zip(after.workflows, before.workflows, strict=True)] == [False, True]
    assert [new is old for new, old in zip(after.rules, before.rules, strict=True)] == [True, True]
    assert isinstance(after, Config)
