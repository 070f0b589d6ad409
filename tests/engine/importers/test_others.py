"""Uptime Kuma, blackbox_exporter, curl and OpenAPI, translated, loaded and run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import TocsinError
from engine.importers import translate
from engine.importers.draft import statuses
from engine.model import Outcome
from engine.workflows.assertions import parse_expectation
from tests.engine.importers.running import load, run
from tests.servers import http_target


def monitor(**values: Any) -> dict[str, Any]:
    """One monitor as a backup has it, with some of the keys that every monitor has."""
    usual: dict[str, Any] = {
        "weight": 2000,
        "packetSize": 56,
        "active": True,
        "interval": 60,
        "maxretries": 0,
    }
    return usual | {"accepted_statuscodes": ["200-299"], "parent": None, "expiryNotification": False} | values


@pytest.mark.parametrize("value", [-5, float("inf"), "soon"])
def test_a_number_that_is_none_costs_the_number_and_not_the_backup(value: Any) -> None:
    monitors = [monitor(name="A", type="http", url="http://127.0.0.1", interval=value)]
    imported = translate("uptime-kuma", json.dumps({"monitorList": monitors}))
    assert [workflow["every"] for workflow in imported.config["workflows"]] == ["1m"]
    assert "A: `interval` is no number from 0 up: 60 is in its place" in imported.left


async def test_monitors_of_uptime_kuma(tmp_path: Path) -> None:
    async with http_target() as target:
        target.body = b'{"a": {"b": 5}, "note": "all is well ${x}"}'
        monitors = [
            monitor(name="Plain", type="http", url=target.url, maxretries=2, tags=[{"name": "Prod"}]),
            monitor(name="Word", type="keyword", url=target.url, keyword="well ${x}"),
            monitor(name="No word", type="keyword", url=target.url, keyword="well", invertKeyword=True),
            monitor(name="Json", type="json-query", url=target.url, jsonPath="$.a.b", expectedValue="5"),
            monitor(name="Gone", type="http", url=target.url, accepted_statuscodes=["404", "500-599"]),
            monitor(name="Down", type="http", url="http://127.0.0.1:1", upsideDown=True),
            monitor(name="Port", type="port", hostname="127.0.0.1", port=target.port),
            monitor(name="Ping", type="ping", hostname="127.0.0.1"),
            monitor(name="Name", type="dns", hostname="a.example", dns_resolve_server="127.0.0.1", port=5353),
            monitor(name="Job", type="push", pushToken="a" * 32, interval=600),
        ]
        imported = translate("uptime-kuma", json.dumps({"version": "1.23", "monitorList": monitors}))
        loaded = load(imported, tmp_path)
        found = await run(imported, tmp_path)
    outcomes = {name: execution.outcome for name, execution in found.items() if name not in ("ping", "name")}
    assert outcomes.pop("job") is Outcome.ERROR  # nobody listens for it here
    failed = {name for name, outcome in outcomes.items() if outcome is not Outcome.OK}
    assert failed == {"no-word", "gone"}
    assert loaded.config.workflows[0].tags == ("prod",)
    thresholds = {rule.conditions[0].value: rule.workflows for rule in loaded.config.rules}  # type: ignore[union-attr]
    assert thresholds[3.0] == ("plain",)
    assert len(thresholds[1.0]) == 9
    specs = {workflow.id: workflow.steps[0].spec.model_dump() for workflow in loaded.config.workflows}
    assert (specs["ping"]["host"], specs["name"]["server"]) == ("127.0.0.1", "127.0.0.1:5353")


def test_what_uptime_kuma_has_alone_is_listed() -> None:
    monitors = [
        monitor(name="Good", type="http", url="http://127.0.0.1", oauth_scopes="x", authMethod="ntlm"),
        monitor(name="Box", type="docker", docker_container="x"),
        monitor(name="Off", type="http", url="http://127.0.0.1", active=False),
        monitor(
            name="Query", type="json-query", url="http://127.0.0.1", jsonPath="$count(x)", expectedValue="1"
        ),
        monitor(name="Broken", type="http", url="http://127.0.0.1/{{ x }}"),
        "no monitor",
    ]
    notifications = [{"id": 1, "name": "Chat", "config": "{}"}]
    imported = translate(
        "uptime-kuma",
        json.dumps({"monitorList": monitors, "notificationList": notifications, "proxyList": [1]}),
    )
    assert [line.partition(":")[0] for line in imported.left] == [
        "Chat", "`proxyList` has no counterpart", "Good", "Good", "Box", "Off", "Query", "Broken", "monitor",
        "monitor",
    ]  # fmt: skip
    assert imported.workflows == 2


MODULES = """
modules:
  up:
    prober: http
    timeout: 5s
    http:
      valid_status_codes: [200, 201]
      valid_http_versions: ["HTTP/1.1", "HTTP/2.0"]
      fail_if_body_not_matches_regexp: ['"ok":\\s*true']
      fail_if_header_matches: [{header: Set-Cookie, allow_missing: true, regexp: ".*"}]
      fail_if_ssl: true
      preferred_ip_protocol: ip4
  encrypted:
    prober: http
    http: {fail_if_not_ssl: true, fail_if_header_not_matches: [{header: X, allow_missing: true, regexp: a}]}
  connect: {prober: tcp, timeout: 5s}
  mail:
    prober: tcp
    tcp:
      query_response: [{send: "EHLO x"}, {expect: "^250"}, {starttls: true}, {send: "EHLO x"}]
  echo: {prober: icmp, icmp: {ttl: 3, payload_size: 100}}
  name: {prober: dns, dns: {query_name: a.example, transport_protocol: tcp, valid_rcodes: [REFUSED]}}
  unix: {prober: unix}
"""


async def test_modules_of_blackbox(tmp_path: Path) -> None:
    async with http_target() as target:
        imported = translate("blackbox", MODULES, [f"127.0.0.1:{target.port}"])
        loaded = load(imported, tmp_path)
        mail = next(workflow for workflow in loaded.config.workflows if workflow.id == "mail")
        skipped = ("mail", "echo", "name")
        one = {
            **imported.config,
            "workflows": [w for w in imported.config["workflows"] if w["id"] not in skipped],
        }
        found = await run(type(imported)("blackbox", one, ()), tmp_path)
    outcomes = {name: execution.outcome for name, execution in found.items()}
    assert {name: outcomes[name] for name in ("up", "encrypted", "connect")} == {
        "up": Outcome.OK,
        "encrypted": Outcome.FAILED,
        "connect": Outcome.OK,
    }
    assert mail.steps[0].spec.model_dump()["starttls"] == "smtp"
    assert mail.steps[0].spec.model_dump()["talk"] == ({"send": "EHLO x\n"},)
    name = next(workflow for workflow in loaded.config.workflows if workflow.id == "name")
    assert (name.steps[0].kind, name.steps[0].expect) == ("dns", ("status in [REFUSED]",))
    assert "echo: icmp: `ttl` has no counterpart" in imported.left
    assert "up: `preferred_ip_protocol` has no counterpart" in imported.left
    assert "encrypted: the header x may be missing: that has no counterpart" in imported.left
    assert "unix: left out: there is no counterpart of the prober `unix`" in imported.left


def test_modules_ask_for_their_target(tmp_path: Path) -> None:
    imported = translate("blackbox", MODULES)
    loaded = load(imported, tmp_path, {"TARGET": "http://127.0.0.1:1"})
    assert loaded.variables == {"target": "http://127.0.0.1:1"}
    several = translate("blackbox", "modules: {up: {prober: http}}", ["http://a", "http://b"])
    assert [workflow["id"] for workflow in several.config["workflows"]] == ["up-http-a", "up-http-b"]


async def test_a_curl_command(tmp_path: Path) -> None:
    async with http_target() as target:
        command = f"""curl -sSf -XPUT '{target.url}/x?a=1' \\
            -H 'Accept: text/html' -u me:secret --data-raw $'it\\'s' --data-urlencode 'b=c d' -m 2.5 \\
            --retry 3"""
        imported = translate("curl", command)
        found = await run(imported, tmp_path)
    (workflow,) = imported.config["workflows"]
    assert workflow["steps"][0]["http"] == {
        "method": "PUT",
        "url": f"{target.url}/x?a=1",
        "headers": {"Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded"},
        "body": "it's&b=c%20d",
        "auth": {"user": "me", "password": "secret"},
    }
    assert workflow["steps"][0]["timeout"] == "2.5s"
    assert imported.left == ("curl: `--retry` has no counterpart",)
    assert [execution.outcome for execution in found.values()] == [Outcome.OK]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("curl a.example", {"method": "GET", "url": "http://a.example"}),
        ("-I a.example", {"method": "HEAD", "url": "http://a.example"}),
        ("curl -G -d q=1 http://a", {"method": "GET", "url": "http://a?q=1"}),
        ("curl -kL http://a", {"method": "GET", "url": "http://a", "verify": False, "follow_redirects": True,
                               "max_redirects": 20}),
        ("curl -d @file http://a -H 'content-type: a/b'",
         {"method": "POST", "url": "http://a", "headers": {"content-type": "a/b"}, "body_file": "file"}),
        ("curl --json '{}' http://a",
         {"method": "POST", "url": "http://a", "body": "{}",
          "headers": {"Content-Type": "application/json", "Accept": "application/json"}}),
        ("curl --http2 -x p:1 http://a",
         {"method": "GET", "url": "http://a", "proxy": "http://p:1", "http_version": "auto"}),
    ],
)  # fmt: skip
def test_options_of_curl(command: str, expected: dict[str, Any]) -> None:
    (workflow,) = translate("curl", command).config["workflows"]
    assert workflow["steps"][0]["http"] == expected


@pytest.mark.parametrize("command", ["wget http://a", "$ http GET http://a", "wget -q 'https://a/b'"])
def test_a_command_of_another_program_is_refused(command: str) -> None:
    with pytest.raises(TocsinError, match="not of curl"):
        translate("curl", command)


@pytest.mark.parametrize("command", ["http://a", "-k localhost", "localhost http://b", "a.example http://b"])
def test_the_name_of_curl_may_be_left_out(command: str) -> None:
    assert translate("curl", command).config["workflows"]


@pytest.mark.parametrize("command", ["", "curl", "curl 'http://a", "curl -X"])
def test_commands_without_an_address_are_refused(command: str) -> None:
    with pytest.raises(TocsinError):
        translate("curl", command)


NODE = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}
IN_PATH = {"name": "id", "in": "path", "required": True}
API = {
    "openapi": "3.0.3",
    "servers": [{"url": "https://{h}.example/v1", "variables": {"h": {"default": "api"}}}],
    "security": [{"key": []}],
    "components": {
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        "schemas": {
            "Pet": {
                "type": "object",
                "required": ["ok"],
                "properties": {"ok": {"type": "boolean", "nullable": True}, "type": {"type": "string"}},
            },
            "Node": {"properties": {"next": {"$ref": "#/components/schemas/Node"}}},
        },
    },
    "paths": {
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"example": "7/8"}}],
            "get": {
                "operationId": "readPet",
                "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"default": 1}}],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}
                },
            },
            "delete": {"responses": {"204": {}}},
        },
        "/nodes": {"get": {"responses": {"2XX": NODE}}},
        "/users/{id}": {"get": {"parameters": [IN_PATH], "responses": {}}},
    },
}


async def test_operations_of_a_description(tmp_path: Path) -> None:
    imported = translate("openapi", json.dumps(API))
    loaded = load(imported, tmp_path, {"API_TOKEN": "secret"})
    pet, nodes = loaded.config.workflows
    assert loaded.variables["base_url"] == "https://api.example/v1"
    assert pet.steps[0].spec.model_dump(exclude_defaults=True) == {
        "url": "{{ env.base_url }}/pets/7%2F8",
        "params": {"q": 1},
        "headers": {"X-Key": "secret"},
        "schema_": {
            "type": "object",
            "required": ["ok"],
            "properties": {"ok": {"type": ["boolean", "null"]}, "type": {"type": "string"}},
        },
    }
    assert nodes.steps[0].expect == ("status >= 200", "status <= 299")
    assert [line.partition(": ")[0] for line in imported.left] == [
        "API keys are read from the variable API_TOKEN",
        "DELETE /pets/{id}",
        "GET /nodes",
        "GET /users/{id}",
    ]


ODD = [
    '{"openapi": 3, "paths": {"/": {"get": {"parameters": 5}}}}',
    '{"openapi": 3, "paths": {"/": {"get": {"responses": [1]}}}, "servers": 7}',
    '{"modules": {"x": {"prober": "http", "http": {"valid_status_codes": "two"}}}}',
    '{"modules": {"x": 5, "y": {"prober": ["http"]}}}',
    '{"monitorList": [1, {"type": {}}, {"type": "http", "maxretries": "many", "url": [1]}]}',
]


async def test_a_description_runs_against_another_address(tmp_path: Path) -> None:
    async with http_target() as target:
        description = {key: value for key, value in API.items() if key != "security"}
        found = await run(translate("openapi", json.dumps(description), [target.url]), tmp_path)
        assert [execution.outcome for execution in found.values()] == [Outcome.OK, Outcome.OK]
        target.body = b'{"ok": "yes"}'
        found = await run(translate("openapi", json.dumps(description), [target.url]), tmp_path)
    assert [execution.outcome for execution in found.values()] == [Outcome.FAILED, Outcome.OK]


@pytest.mark.parametrize("source", ["uptime-kuma", "blackbox", "openapi"])
@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "null", '"x"', "{a: [1}", '{"paths": {}, "openapi": 3}']
)
def test_what_is_of_another_kind_is_refused_in_a_sentence(source: str, text: str) -> None:
    with pytest.raises(TocsinError) as caught:
        translate(source, text)
    assert caught.value.message


@pytest.mark.parametrize(
    ("ranges", "good", "bad"),
    [
        ([(200, 299)], (200, 299), (199, 300)),
        ([(404, 404)], (404,), (403, 405)),
        (
            [(200, 226), (301, 301), (400, 499)],
            (200, 219, 226, 301, 400, 499),
            (199, 227, 300, 302, 399, 500),
        ),
        ([], (200, 503), ()),
    ],
)
def test_ranges_of_statuses(
    ranges: list[tuple[int, int]], good: tuple[int, ...], bad: tuple[int, ...]
) -> None:
    expectations = [parse_expectation(text) for text in statuses(ranges)]

    def accepts(status: int) -> bool:
        return all(expectation.check({"status": status}).passed for expectation in expectations)

    assert [status for status in (*good, *bad) if accepts(status)] == list(good)
