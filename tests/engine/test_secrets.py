"""A secret that a server gives back reaches neither the file of records nor anybody who is told."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from engine.clock import SystemClock
from engine.config.loader import load_config
from engine.engine import Engine
from engine.model import Outcome
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
