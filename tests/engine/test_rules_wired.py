"""Rules about points and log lines see what the running engine records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.clock import SystemClock
from engine.config.loader import load_config
from engine.engine import Engine
from engine.model import Alert
from tests.engine.test_engine import Watch
from tests.servers import http_target

CONFIG = """
version: 1
settings: {{evaluation_interval: 100ms}}
workflows:
  - id: shop
    name: Shop
    every: 100ms
    timeout: 2s
    retry: {{max_attempts: 1}}
    breaker: false
    steps: [{{id: front, http: {{url: "{url}/front"}}, expect: ["status == 200"]}}]
rules:
  - id: points
    name: The step takes time
    conditions:
      - {{type: THRESHOLD, metric: series.step.duration, operator: ">", value: 0, labels: {{step: front}}}}
  - id: lines
    name: It says so
    conditions: [{{type: PATTERN, search: "level:error 503"}}]
  - id: both
    name: The two of them
    conditions: [{{type: COMPOSITE, rules: points and lines, subject: any}}]
"""


def fired_by(rule_id: str) -> Callable[[Any], bool]:
    return lambda row: isinstance(row, Alert) and row.rule_id == rule_id and row.fired_at is not None


async def test_points_lines_and_other_rules(tmp_path: Path) -> None:
    async with http_target() as target:
        target.status = 503
        path = tmp_path / "rules.yaml"
        path.write_text(CONFIG.format(url=target.url))
        engine = Engine(load_config(path), tmp_path / "t.db", SystemClock())
        watch = Watch(engine)
        await engine.start()
        try:
            fired: dict[str, str] = {}
            for rule in ("points", "lines", "both"):
                alert = await watch.for_row(fired_by(rule))
                fired[rule] = alert.subject
        finally:
            await engine.stop()
    assert fired == {"points": "workflow=shop", "lines": "shop", "both": "system"}
