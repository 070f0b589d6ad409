"""What docs/channels.md promises: its examples load, its words are known, its receiver knows a signature."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine.config.loader import load_config
from engine.config.routing import KINDS
from engine.model import AlertEventKind
from engine.notify.delivery import Message
from engine.notify.kinds.webhook import signature
from engine.notify.payload import payload
from engine.notify.templates import context, samples
from tests.engine.notify.test_kinds import ROW

TEXT = (Path(__file__).parents[3] / "docs" / "channels.md").read_text()
WORKFLOW = (
    "workflows:\n  - {id: w, name: W, every: 1m, tags: [database], steps: [{id: s, wait: {for: 1s}}]}\n"
)


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.S)


def test_the_examples_make_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("version: 1\nenvironments: {local: {x: 1}}\n" + "".join(_blocks("yaml")) + WORKFLOW)
    env = {
        "MAIL_PASSWORD": "p4ssword",
        "HOOK_SECRET": "s3cret-of-hook",
        "SENTRY_DSN": "https://key@sentry.example/1",
        "PAGERDUTY_KEY": "k" * 32,
    }
    config = load_config(path, env=env).config
    assert {channel.kind for channel in config.channels.values()} == set(KINDS)
    assert len(config.routes) == 3


def test_the_example_message_has_the_keys_of_a_real_one() -> None:
    documented: dict[str, Any] = json.loads(_blocks("json")[0])
    sample = next(occasion for occasion in samples() if occasion.kind is AlertEventKind.FIRED)
    real = payload("hook", Message.of(ROW))
    assert documented.keys() == real.keys()
    known = context(sample, "", "").keys() | real["alerts"][0].keys()
    assert documented["alerts"][0].keys() <= known


def test_the_example_receiver_knows_a_genuine_message(monkeypatch: pytest.MonkeyPatch) -> None:
    scope: dict[str, Any] = {}
    exec(_blocks("python")[0], scope)
    monkeypatch.setattr(scope["time"], "time", lambda: 1_700_000_010.0)
    header = signature("s3cret-of-hook", 1_700_000_000, b'{"version":1}')
    assert scope["is_genuine"]("s3cret-of-hook", header, b'{"version":1}')
    assert not scope["is_genuine"]("s3cret-of-hook", header, b'{"version":2}')
    assert not scope["is_genuine"]("another-secret", header, b'{"version":1}')
    old = signature("s3cret-of-hook", 1_699_990_000, b"{}")
    assert not scope["is_genuine"]("s3cret-of-hook", old, b"{}")
