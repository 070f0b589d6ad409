"""What is said of a wrong value: once, in the unit it was written in, and with what may stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.errors import ConfigError

FLOW = "version: 1\nworkflows:\n- {id: a, name: A, every: 30s, %s, steps: [{id: s, wait: {for: 1s}}]}\n"
STEP = "version: 1\nworkflows:\n- {id: a, name: A, on_call: true, steps: [{id: s, %s}]}\n"
RULE = (
    "version: 1\nrules:\n"
    "- {id: r, name: R, conditions: [{type: THRESHOLD, metric: workflow.duration, operator: '>', %s}]}\n"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULE % "levels: {}", "`levels` needs at least 1 entry"),
        (RULE % "levels: 5", "`levels` wants a mapping, found the number 5"),
        (RULE % "levels: {warning: high}", "`warning` wants a number, found `high`"),
        (RULE % "levels: null", "`value` is missing"),
        (RULE % "value: 1, window: 2d", "`window` is at most 1d, found `2d`"),
        (RULE % "value: 1, window: 90000", "`window` is at most 86,400, found the number 90000"),
        (FLOW % "retry: {max_attempts: 99}", "`max_attempts` is at most 20, found the number 99"),
        (
            FLOW % "overlap: sometimes",
            "`overlap`: one of skip, queue, replace or allow:n is wanted, n from 1 to 999, found `sometimes`",
        ),
        (
            STEP % "heartbeat: {token: a b, period: 1h}",
            "`token`: a token is 16 to 128 letters, digits, `-` and `_`, found `a b`",
        ),
        (
            STEP % "shell: {command: [x], env: {a-b: c}}",
            "this name: the name of a variable is letters, digits and `_`, at most 128, "
            "and begins with no digit, found `a-b`",
        ),
        (
            STEP % "python: {call: nowhere}",
            "`call`: a call is `package.module:function` or `path/file.py:function`, found `nowhere`",
        ),
    ],
)
def test_one_sentence_says_what_may_stand_there(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, env={})
    assert [problem.message for problem in caught.value.problems] == [said]
