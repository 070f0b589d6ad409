"""Channels, routes, templates and the dead-man's switch: what leads nowhere is refused at reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.loader import LoadedConfig, load_config
from engine.errors import ConfigError
from engine.wiring import hidden

FILE = """\
version: 1
environments: {local: {x: 1}}
%s
workflows:
  - {id: web, name: Web shop, every: 30s, tags: [front], steps: [{id: a, wait: {for: 1s}}]}
rules:
  - {id: slow, name: Slow, conditions: [{type: THRESHOLD, metric: health.score, operator: "<", value: 50}]}
"""
OPS = "channels: {ops: {log: {}}}\n"
ONE_KIND = "`ops`: a channel has exactly one of url, console, log, webhook"
HOOK = "webhook: {url: 'https://hooks.example/SECRET-PATH', secret: SECRET-KEY, headers: {A: SECRET-HEAD}}"


def _loaded(tmp_path: Path, text: str) -> LoadedConfig:
    path = tmp_path / "rules.yaml"
    path.write_text(FILE % text)
    return load_config(path, env={})


def _problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        _loaded(tmp_path, text)
    return [f"{problem.message} ({problem.hint})" for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("channels: {ops: {log: {}, fallback: osp}}", "there is no channel `osp` (did you mean `ops`?)"),
        ("channels: {ops: {log: {}, fallback: ops}}", "a channel is no fallback for itself"),
        ("channels: {ops: {log: {}, template: brief}}", "there is no template `brief` ()"),
        ("routes: [{channels: [ops]}]", "there is no channel `ops` ()"),
        (OPS + "routes: [{channels: [ops], rules: [slwo]}]", "there is no rule `slwo`"),
        (OPS + "routes: [{channels: [ops], workflows: [shop*]}]", "no workflow fits `shop*`"),
        ("deadman: {channel: ops}", "there is no channel `ops` ()"),
        ("templates: {brief: {title: '{{ subjet }}'}}", "'subjet' is undefined (did you mean subject?)"),
        ("channels: {ops: {log: {}, template: {body: '{{ x'}}}", "the template cannot be read"),
        ("channels: {ops: {log: {}, console: {}}}", ONE_KIND),
        ("channels: {ops: {min_severity: INFO}}", ONE_KIND),
        ("channels: {ops: {webhook: {url: 'ftp://x.example/'}}}", "a web address is wanted"),
        ("channels: {ops: {sentry: {dsn: 'https://sentry.example/1'}}}", "a DSN is wanted"),
        ("channels: {ops: {command: {run: []}}}", "`run`"),
        ("channels: {ops: {pagerduty: {}}}", "`routing_key` is missing"),
        (
            "channels: {ops: {pagerduty: {routing_key: 'k2345678'}}}\ndeadman: {channel: ops}",
            "a channel of the kind pagerduty tells of alerts alone",
        ),
        ("deadman: {every: 1m}", "a dead-man's switch has either a url: or a channel:"),
        ("channels: {ops: {webhok: {}}}", "unknown key `webhok` (did you mean `webhook`?)"),
    ],
)  # fmt: skip
def test_what_leads_nowhere_is_told(tmp_path: Path, text: str, problem: str) -> None:
    found = _problems(tmp_path, text)
    assert any(problem in each for each in found), found


def test_routes_may_name_rules_of_the_monitor_itself(tmp_path: Path) -> None:
    text = "channels: {ops: {log: {}}}\nroutes: [{channels: [ops], rules: [monitor-store, 'S*w']}]"
    assert _loaded(tmp_path, text).config.routes[0].rules == ("monitor-store", "S*w")


def test_what_opens_doors_is_hidden(tmp_path: Path) -> None:
    text = f"""channels:
  ops: {{{HOOK}}}
  pd: {{pagerduty: {{routing_key: SECRET-ROUTE}}}}
  sentry: {{sentry: {{dsn: 'https://SECRET-PUBLIC@sentry.example/1'}}}}
  run: {{command: {{run: [x], env: {{TOKEN: SECRET-ENV}}}}}}
deadman: {{url: 'https://ping.example/SECRET-PING'}}"""
    found = hidden(_loaded(tmp_path, text))
    for secret in ("SECRET-KEY", "SECRET-HEAD", "SECRET-ROUTE", "SECRET-PUBLIC", "SECRET-ENV"):
        assert secret in found
    assert {"https://hooks.example/SECRET-PATH", "https://ping.example/SECRET-PING"} <= found
