"""Gatus: endpoints, suites and alerts in our words, and a list of what has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import TocsinError
from engine.importers import translate
from engine.importers.conditions import expectation
from engine.model import Outcome
from tests.engine.importers.running import load, run
from tests.servers import http_target

FILE = """
alerting:
  slack: {webhook-url: "${SLACK_URL}"}
  pagerduty: {integration-key: "abc"}
remote: {instances: []}
web: {port: 8080}
defaults: &defaults {interval: 5m, group: core}
endpoints:
  - <<: *defaults
    name: front
    url: "https://shop.example/health"
    headers: {Accept: application/json}
    conditions:
      - "[STATUS] == any(200, 204)"
      - "[BODY].state == UP"
      - "[BODY].name == pat(a*.b)"
      - "len([BODY].items) > 0"
      - "has([BODY].errors) == false"
      - "[RESPONSE_TIME] < 150"
      - "[CERTIFICATE_EXPIRATION] > 48h"
      - "[DOMAIN_EXPIRATION] > 720h"
    alerts:
      - {type: slack, failure-threshold: 2, send-on-resolved: true}
      - {type: pagerduty}
  - {name: "Data base", url: "tcp://127.0.0.1:5432", conditions: ["[CONNECTED] == true"]}
  - {name: shell, url: "ssh://127.0.0.1:22", ssh: {username: x}, conditions: ["[CONNECTED] == true"]}
  - {name: idle, url: "http://127.0.0.1", enabled: false, conditions: ["[STATUS] == 200"]}
  - {name: money, url: "http://127.0.0.1/$$5", conditions: ["[STATUS] == 200"],
     client: {oauth2: {scopes: [x]}}}
"""


def test_a_file_becomes_a_configuration_that_loads(tmp_path: Path) -> None:
    imported = translate("gatus", FILE)
    loaded = load(imported, tmp_path, {"SLACK_URL": "https://hooks.slack.com/services/T/B/x"})
    front, database, money = loaded.config.workflows
    assert (front.every, front.tags, database.name, database.id) == (
        300.0,
        ("core",),
        "Data base",
        "data-base",
    )
    assert [step.kind for step in front.steps] == ["http", "tls"]
    assert front.steps[0].expect == (
        "status in [200, 204]",
        "json.state == 'UP'",
        r"json.name matches '(?s)^a.*\\.b$'",
        "len(json.items) > 0",
        "json.errors == null",
        "duration < 150ms",
    )
    assert front.steps[1].expect == ("expires_in > 48h",)
    assert money.steps[0].spec.url == "http://127.0.0.1/$5"  # type: ignore[attr-defined]
    assert (loaded.config.channels["slack"].url or "").startswith("https://hooks.slack.com")
    assert [(rule.conditions[0].value, rule.channels) for rule in loaded.config.rules] == [  # type: ignore[union-attr]
        (2.0, ("slack",)),
        (3.0, ()),
    ]


def test_what_has_no_counterpart_is_listed() -> None:
    imported = translate("gatus", FILE)
    assert imported.left == (
        "a response that is too slow is `degraded` here, not failed",
        "front: the condition `[DOMAIN_EXPIRATION] > 720h`: it has no counterpart",
        "front: the alert by `pagerduty` became a rule without a channel",
        "shell: left out: there is no counterpart of ssh",
        "idle: left out: it is not enabled",
        "money: client: `oauth2` has no counterpart",
        "`remote` has no counterpart",
        "`defaults` has no counterpart",
        "alerting: `pagerduty` has no counterpart",
    )
    assert all(f"# - {line}" in imported.yaml() for line in imported.left)


async def test_endpoints_and_suites_run(tmp_path: Path) -> None:
    async with http_target() as target:
        target.status = 503
        target.body = b'{"token": "t-1", "user": "demo"}'
        text = f"""
endpoints:
  - {{name: any status, url: "{target.url}", conditions: ["[BODY].user == demo"]}}
  - {{name: good, url: "{target.url}", conditions: ["[STATUS] == 200"]}}
suites:
  - name: order
    context: {{user: demo}}
    endpoints:
      - {{name: in, url: "{target.url}", conditions: ["[STATUS] == 503"], store: {{token: "[BODY].token"}}}}
      - name: out
        url: "{target.url}/[CONTEXT].token"
        conditions: ["[STATUS] < 600", "[BODY].user == [CONTEXT].user", "[BODY].token == [CONTEXT].token"]
        always-run: true
"""
        found = await run(translate("gatus", text), tmp_path)
    assert {name: execution.outcome for name, execution in found.items()} == {
        "any-status": Outcome.OK,
        "good": Outcome.FAILED,
        "order": Outcome.OK,
    }
    (attempt,) = found["good"].attempts
    assert [seen.shown for seen in attempt.steps[0].assertions] == ["status (503) == 200"]


@pytest.mark.parametrize(
    ("condition", "kind", "expected"),
    [
        ("200 <= [STATUS]", "http", "status >= 200"),
        ("[STATUS] != any(500, 503)", "http", "status not in [500, 503]"),
        ("[BODY] != pat(*down*)", "http", "not body matches '(?s)^.*down.*$'"),
        ("[BODY][0].id == 5", "http", "json[0].id == 5"),
        ("[BODY] == it's", "websocket", r"message == 'it\'s'"),
        ("[BODY].status == SERVING", "grpc", "status == 'SERVING'"),
        ("has([BODY].a) == true", "http", "json.a != null"),
        ("[CONNECTED] == true", "tcp", ""),
        ("[RESPONSE_TIME] < 20", "icmp", "rtt < 20ms"),
        ("[DNS_RCODE] == NOERROR", "dns", "status == 'NOERROR'"),
        ("[BODY] == 192.0.2.1", "dns", "answers contains '192.0.2.1'"),
        ("[BODY] != pat(10.*)", "dns", r"text not matches '(?m)^10\\..*$'"),
    ],
)
def test_conditions(condition: str, kind: str, expected: str) -> None:
    assert expectation(condition, kind) == (expected, "")


@pytest.mark.parametrize(
    "condition", ["[IP] == 1.2.3.4", "[BODY].a == [BODY].b", "[STATUS]", "[CONNECTED] == false", "1 == 1"]
)
def test_conditions_that_mean_nothing_here(condition: str) -> None:
    text, reason = expectation(condition, "http")
    assert (text, bool(reason)) == ("", True)


@pytest.mark.parametrize("text", ["", "endpoints: []", "endpoints: [", "[1, 2]", "endpoints: {a: 1}", "x"])
def test_files_without_an_endpoint_are_refused(text: str) -> None:
    with pytest.raises(TocsinError):
        translate("gatus", text)
