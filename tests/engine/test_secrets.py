"""A secret that a server gives back reaches neither the file of records nor anybody who is told."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.clock import SystemClock, settle
from engine.config.loader import load_config
from engine.engine import Engine
from engine.model import Outcome
from engine.store.care import Caretaker
from engine.store.provenance import text_of
from engine.store.store import Store
from tests.servers import http_target

CANARY = "S3CR3T/canary+0815"
FORMS = (CANARY, "S3CR3T", "canary", base64.b64encode(CANARY.encode()).decode()[:16])

CONFIG = """
version: 1
environments: {{e: {{base: "{url}", key: "${{env:KEY}}"}}}}
channels: {{ops: {{url: "json://127.0.0.1:1/?token=${{env:KEY}}"}}}}
workflows:
  - id: shop
    name: Shop
    every: 1h
    retry: {{max_attempts: 1}}
    steps:
      - id: front
        http:
          url: "{{{{ env.base }}}}/{{{{ env.key }}}}?k={{{{ env.key }}}}"
          headers: {{X-Key: "{{{{ env.key }}}}"}}
        expect: ["body == 'x ${{env:KEY}}'", "headers.x-echo == 1", "reason == fine", "json != null"]
  - id: wrong
    name: "Wrong ${{env:KEY}}"
    every: 1h
    steps: [{{id: one, http: {{url: "ftp://u:{{{{ env.key }}}}@h/{{{{ env.key }}}}"}}}}]
rules:
  - id: down
    name: Down
    channels: [ops]
    conditions: [{{type: THRESHOLD, metric: workflow.status, operator: "!=", value: ok}}]
"""


def list_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("t.db*"))


async def test_no_secret_is_kept_or_told(tmp_path: Path) -> None:
    async with http_target() as target:
        target.body, target.reason = CANARY.encode(), f"no {CANARY}"
        target.headers = {"X-Echo": base64.b64encode(f"me:{CANARY}".encode()).decode()}
        path = tmp_path / "rules.yaml"
        path.write_text(CONFIG.format(url=target.url))
        engine = Engine(load_config(path, env={"KEY": CANARY}), tmp_path / "t.db", SystemClock())
        told: list[Any] = []
        await engine.start(scheduled=False)
        engine.on_rows(told.extend)
        executions = await engine.run_once()
        alerts = engine.alerts.open_alerts()
        await engine.stop()
    assert [execution.outcome for execution in executions] == [Outcome.FAILED, Outcome.ERROR]
    assert "***" in executions[0].error
    assert len(alerts) == 2
    seen = repr([executions, alerts, told])
    kept = b"".join(file.read_bytes() for file in list_files(tmp_path))
    assert b"***" in kept
    for form in FORMS:
        assert form not in seen
        assert form.encode() not in kept


LITERALS = (
    "literal-password-1",
    "literal-bearer-2",
    "literal-heartbeat-token-3",
    "LITERAL-VALUE-4",
    "s3cr3t-p&w/5%22",
)
PLAIN = """
version: 1
settings: {{heartbeats: "127.0.0.1:0"}}
environments: {{e: {{base: "{url}"}}}}
workflows:
  - id: shop
    name: Shop
    every: 1h
    retry: {{max_attempts: 1}}
    steps:
      - id: front
        http: {{url: "{{{{ env.base }}}}", auth: {{user: demo, password: literal-password-1}}}}
        expect: ["body contains nothing-of-it"]
        continue_on_error: true
      - id: back
        http: {{url: "{{{{ env.base }}}}/literal-bearer-2", auth: {{bearer: literal-bearer-2}}}}
        expect: ["status == 201"]
        continue_on_error: true
      - id: job
        shell: {{command: [sh, -c, "echo $API_KEY; exit 1"], env: {{API_KEY: LITERAL-VALUE-4}}}}
        continue_on_error: true
      - id: last
        http:
          url: "{{{{ env.base }}}}/a/s3cr3t-p&w/5%22?q=s3cr3t-p&w/5%22"
          headers: {{X-Api-Key: s3cr3t-p&w/5%22}}
        expect: ["status == 201"]
  - id: beat
    name: Beat
    every: 1h
    steps: [{{id: one, heartbeat: {{token: literal-heartbeat-token-3, period: 1h}}}}]
"""


async def test_a_secret_in_plain_words_is_hidden_as_well(tmp_path: Path) -> None:
    async with http_target() as target:
        target.body = " ".join(LITERALS).encode()
        path = tmp_path / "rules.yaml"
        path.write_text(PLAIN.format(url=target.url))
        loaded = load_config(path, env={})
        engine = Engine(loaded, tmp_path / "t.db", SystemClock())
        told: list[Any] = []
        await engine.start(scheduled=False)
        engine.on_rows(told.extend)
        executions = await engine.run_once()
        await engine.stop()
    store = await Store.open(tmp_path / "t.db", SystemClock())
    try:
        kept = await text_of(store.reader.pool, loaded.digest)
    finally:
        await store.close()
    before, after = yaml.safe_load(path.read_text()), yaml.safe_load(kept)
    assert [each["id"] for each in after["workflows"]] == [each["id"] for each in before["workflows"]]
    seen = repr([executions, told]) + kept
    stored = b"".join(file.read_bytes() for file in list_files(tmp_path))
    assert "***" in kept
    for literal in LITERALS:
        assert literal not in seen
        assert literal.encode() not in stored


async def test_what_health_says_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(_: Caretaker) -> None:
        raise ValueError(f"cannot reach {CANARY}")

    monkeypatch.setattr(Caretaker, "look", look)
    async with http_target() as target:
        path = tmp_path / "rules.yaml"
        path.write_text(CONFIG.format(url=target.url))
        engine = Engine(load_config(path, env={"KEY": CANARY}), tmp_path / "t.db", SystemClock())
        await engine.start(scheduled=False)
        try:
            async with asyncio.timeout(20):
                while "cannot reach" not in (told := repr(await engine.current_health())):
                    await settle()
        finally:
            await engine.stop()
    assert "cannot reach ***" in told
    assert CANARY not in told
