"""What published files have in them: each loads again, and what is not in it is listed by name."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from engine.config.loader import LoadedConfig
from engine.errors import TocsinError
from engine.importers import Imported, translate
from tests.engine.importers.running import load

ENV = {
    "TARGET": "shop.example",
    "API_TOKEN": "t0ken",
    "BASE_URL": "http://shop.example",
    "NIGHTLY_JOB_TOKEN": "0123456789abcdef",
    "DB_PASSWORD": "x",
}


def loaded(source: str, text: str, directory: Path, *targets: str) -> tuple[Imported, LoadedConfig]:
    imported = translate(source, textwrap.dedent(text), targets)
    return imported, load(imported, directory, ENV)


def specs(config: LoadedConfig) -> dict[str, dict[str, Any]]:
    """What each workflow's first step says, by workflow."""
    return {
        workflow.id: workflow.steps[0].spec.model_dump(exclude_defaults=True, by_alias=True)
        for workflow in config.config.workflows
    }


def test_gatus_with_anchors_defaults_and_what_it_has_alone(tmp_path: Path) -> None:
    text = """
        metrics: true
        storage: {type: postgres, path: "postgres://u:${DB_PASSWORD}@db/x"}
        usual: &usual {group: shop, interval: 2m, conditions: ["[STATUS] == 200"]}
        alerting:
          slack:
            webhook-url: "https://hooks.slack.com/services/T0/B0/zzz"
            default-alert: {enabled: false, failure-threshold: 4, success-threshold: 3}
          pagerduty: {integration-key: "0123"}
        endpoints:
          - {name: one, <<: *usual, url: "https://one.example", alerts: [{type: slack}]}
          - {name: two, <<: *usual, url: "https://two.example", alerts: [{type: slack, enabled: true}]}
          - name: signed
            <<: *usual
            url: "https://three.example/hook"
            method: POST
            body: '{"who": "[ENDPOINT_NAME] of [ENDPOINT_GROUP]", "nonce": "[RANDOM_STRING_8]"}'
            client: {kerberos: {principal: x}, dns-resolver: "tcp://9.9.9.9:53"}
            maintenance-windows: [{start: "01:00", duration: 1h}]
          - {name: shell, url: "ssh://four.example:22", ssh: {username: u, password: p}, body: "{}",
             conditions: ["[CONNECTED] == true"]}
          - {name: registrar, url: "https://five.example", conditions: ["[DOMAIN_EXPIRATION] > 720h"]}
        external-endpoints:
          - {name: nightly job, token: short, heartbeat: {interval: 1h}}
        suites:
          - name: round
            endpoints:
              - {name: a, url: "http://six.example", alerts: [{type: slack, enabled: true}]}
              - {name: b, url: "http://six.example", always-run: true, alerts: [{type: slack, enabled: true}]}
        connectivity: {checker: {target: "1.1.1.1:53"}}
    """
    imported, config = loaded("gatus", text, tmp_path)
    assert set(specs(config)) == {"one", "two", "signed", "registrar", "round", "nightly-job"}
    body = json.loads(specs(config)["signed"]["body"])
    assert body == {"who": "signed of shop", "nonce": "[RANDOM_STRING_8]"}
    (rule,) = config.config.rules
    assert set(rule.workflows) == {"two", "round"}
    assert sorted(imported.left) == [
        "`connectivity` has no counterpart",
        "`success-threshold` has no counterpart: the first success resolves an alert",
        "`usual` has no counterpart",
        "alerting: `pagerduty` has no counterpart",
        "nightly job: its token is too short here: set a new one, of 16 characters, as NIGHTLY_JOB_TOKEN",
        "nightly job: jobs report to another address now: see `settings.heartbeats`",
        "registrar: the condition `[DOMAIN_EXPIRATION] > 720h`: it has no counterpart",
        "round: alerts of its endpoints became alerts of the whole suite",
        "shell: left out: there is no counterpart of ssh",
        "signed: `[RANDOM_STRING_8]` in the body is sent as it is",
        "signed: `maintenance-windows` has no counterpart",
        "signed: client: `dns-resolver` has no counterpart",
        "signed: client: `kerberos` has no counterpart",
    ]


def test_blackbox_modules_of_every_kind(tmp_path: Path) -> None:
    text = r"""
        modules:
          web: {prober: http, http: }
          proxied: {prober: http, http: {proxy_url: "http://p:3128", no_proxy: a, proxy_connect_header: {A: [b]}}}
          cel: {prober: http, http: {fail_if_body_json_not_matches_cel: "body.ok"}}
          quic: {prober: http, http: {enable_http3: true, enable_http2: false}}
          zipped: {prober: http, http: {compression: gzip, headers: {Accept-Encoding: gzip}}}
          banner: {prober: tcp, tcp: {query_response: [{expect: "^HI-([0-9]+)$", labels: [{name: v, value: "${1}"}]}]}}
          chat: {prober: tcp, tcp: {query_response: [{send: "NICK x"}, {expect: "PING :(.+)", send: "PONG ${1}"}]}}
          mail: {prober: tcp, tcp: {query_response: [{expect: "^220"}, {send: "EHLO x\r"}, {starttls: true}]}}
          far: {prober: icmp, icmp: {ttl: 5}}
          zone: {prober: dns, dns: {query_name: a.example, query_type: SOA, validate_answer_rrs: {fail_if_matches_regexp: [x]}}}
          rpc: {prober: grpc, grpc: {tls: true, preferred_ip_protocol: ip4}}
          socket: {prober: unix}
    """  # noqa: E501 - as people write it
    imported, config = loaded("blackbox", text, tmp_path)
    assert len(specs(config)) == 11
    assert specs(config)["mail"]["starttls"] == "smtp"
    assert list(imported.left)[1:] == [
        "proxied: http: `no_proxy` has no counterpart",
        "proxied: http: `proxy_connect_header` has no counterpart",
        "cel: http: `fail_if_body_json_not_matches_cel` has no counterpart",
        "quic: http: `enable_http3` has no counterpart",
        "banner: query_response: `labels` has no counterpart",
        "chat: what an answer brought cannot be sent back: `${1}`",
        "far: icmp: `ttl` has no counterpart",
        "zone: dns: `validate_answer_rrs` has no counterpart",
        "rpc: `preferred_ip_protocol` has no counterpart",
        "socket: left out: there is no counterpart of the prober `unix`",
    ]
    _, twice = loaded("blackbox", text, tmp_path, "a.example:25", "b.example:25")
    assert len(twice.config.workflows) == 22


def kuma(**values: Any) -> dict[str, Any]:
    """A monitor with the keys that every one has, whatever its type."""
    everywhere: dict[str, Any] = {
        "url": "https://", "method": "GET", "interval": 60, "maxretries": 0, "timeout": 48, "parent": 9,
        "accepted_statuscodes": ["200-299"],
        "proxyId": 1, "oauth_auth_method": "client_secret_basic", "mqttUsername": "m", "pushToken": "abc",
        "databaseConnectionString": "redis://h", "kafkaProducerSaslOptions": {"mechanism": "plain"},
        "expiryNotification": False, "dns_resolve_server": "9.9.9.9",
    }  # fmt: skip
    return everywhere | values


@pytest.mark.parametrize("shape", ["list", "backup", "by number"])
def test_monitors_say_only_what_their_type_means(shape: str, tmp_path: Path) -> None:
    monitors = [
        kuma(type="group", name="Shop floor", id=9),
        kuma(type="port", name="Till", hostname="till.example", port=90),
        kuma(
            type="postgres", name="Stock", databaseConnectionString="postgres://u:p@db.example:5432/x?ssl=1",
            databaseQuery="select count(*) from items",
        ),
        kuma(type="mysql", name="Old stock", databaseConnectionString="mysql://u:p@db.example:3306/x"),
        kuma(type="push", name="Nightly job", pushToken="0a1B2c"),
        kuma(type="keyword", name="Word", url="https://a.example", keyword="it's", cacheBust=1, proxyId=0),
        kuma(type="steam", name="Game", hostname="g.example", port=1),
    ]  # fmt: skip
    data: Any = monitors
    if shape == "backup":
        data = {"version": "1.23.0", "monitorList": monitors, "notificationList": []}
    elif shape == "by number":
        data = {str(number): one for number, one in enumerate(monitors)}
    imported, config = loaded("uptime-kuma", json.dumps(data), tmp_path)
    found = specs(config)
    assert found["till"] == {"address": "till.example:90"}
    assert found["stock"]["query"] == "select count(*) from items"
    assert found["stock"]["url"] == "postgresql://u:p@db.example:5432/x"
    assert found["old-stock"]["query"] == "select 1"
    assert {workflow.tags for workflow in config.config.workflows} == {("shop-floor",)}
    assert list(imported.left) == [
        "Shop floor: a group checks nothing: those in it have its name as a tag",
        "Stock: what its connection string says after `?` has no counterpart",
        "Nightly job: what pushes to it has to be told the new address: `settings.heartbeats`",
        "Nightly job: its token is too short here: set a new one, of 16 characters, as NIGHTLY_JOB_TOKEN",
        "Word: `cacheBust` has no counterpart",
        "Game: left out: there is no counterpart of a `steam` monitor",
    ]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("$ /usr/bin/curl 'http://h/a' \\", {"url": "http://h/a"}),
        ("curl.exe http://h -XPUT", {"url": "http://h", "method": "PUT"}),
        ("curl -G -d q=1 -d r=2 'http://h/s?a=b#top'", {"url": "http://h/s?a=b&q=1&r=2"}),
        ("curl -T f.bin http://h/up", {"url": "http://h/up", "method": "PUT", "body_file": "f.bin"}),
        (
            "curl -ksSo/dev/null --url=http://h -Hx:y",
            {"url": "http://h", "headers": {"x": "y"}, "verify": False},
        ),
        ("curl -u 'a:b:c' http://h", {"url": "http://h", "auth": {"user": "a", "password": "b:c"}}),
        ("curl -x p:3128 http://h", {"url": "http://h", "proxy": "http://p:3128"}),
        (
            "curl --data-raw $'{\"it\\'s\": 1}' -H 'content-type: a/b' http://h",
            {"url": "http://h", "method": "POST", "headers": {"content-type": "a/b"}, "body": '{"it\'s": 1}'},
        ),
        (
            "curl --location-trusted --max-redirs 2 http://h",
            {"url": "http://h", "follow_redirects": True, "max_redirects": 2},
        ),
    ],
)
def test_curl_lines(command: str, expected: dict[str, Any], tmp_path: Path) -> None:
    _, config = loaded("curl", command, tmp_path)
    (found,) = specs(config).values()
    assert found == expected


def test_a_curl_form_is_sent_without_its_files(tmp_path: Path) -> None:
    fields = "-F 'pic=@x.png;type=image/png' -F a=1 -F 'j={};type=application/json' --form-string b=@c"
    command = f"curl -f {fields} http://h"
    imported, config = loaded("curl", command, tmp_path)
    (found,) = specs(config).values()
    boundary = found["headers"]["Content-Type"].partition("boundary=")[2]
    parts = [part.strip() for part in found["body"].split(f"--{boundary}")]
    assert found["method"] == "POST"
    assert parts[-1] == "--"
    assert [part.rpartition("\r\n")[2] for part in parts[1:-1]] == ["1", "{}", "@c"]
    assert "Content-Type: application/json" in parts[2]
    assert imported.left == ("curl: `pic` of the form was left out: it is a file",)


def test_commands_after_next_are_their_own(tmp_path: Path) -> None:
    imported, config = loaded("curl", "curl -f http://a --next -f -d x=1 http://b ftp://c", tmp_path)
    first, second = (step.spec.model_dump() for step in config.config.workflows[0].steps)
    assert (first["method"], first["body"]) == ("GET", None)
    assert (second["method"], second["body"]) == ("POST", "x=1")
    assert imported.left == ("curl: ftp://c was left out: there is no counterpart of ftp",)


def test_options_of_curl_that_take_a_value_are_no_addresses(tmp_path: Path) -> None:
    command = "curl -f --proto '=https' --resolve h:80:127.0.0.1 -H @f -H 'X: $TOKEN' 'http://h/[1-3]'"
    imported, config = loaded("curl", command, tmp_path)
    assert len(config.config.workflows[0].steps) == 1
    assert imported.left == (
        "curl: `--proto` has no counterpart",
        "curl: `--resolve` has no counterpart",
        "curl: `$TOKEN` is taken as it is written; `${env:NAME}` reads a variable",
        "curl: a pattern in an address is taken as it is, not filled in",
        "curl: headers from a file have no counterpart",
    )
    with pytest.raises(TocsinError, match="no counterpart of ftp"):
        translate("curl", "curl ftp://h/x")


def test_openapi_3_1_with_all_that_it_may_say(tmp_path: Path) -> None:
    text = """
        openapi: 3.1.0
        info: {title: x, version: "1"}
        servers: [{url: /api/v1}]
        security: [{key: []}]
        paths:
          /items:
            get:
              parameters:
                - {name: ids, in: query, required: true, schema: {type: array, items: {type: integer, examples: [7]}}}
                - {name: sid, in: cookie, required: true, schema: {type: string, default: z}}
              responses:
                "200": {description: x, content: {application/vnd.api+json: {schema: {type: array}}}}
          /others:
            get:
              servers: [{url: "https://{zone}.example", variables: {zone: {default: eu}}}]
              security: [{session: []}]
              responses:
                "200": {description: x, content: {application/json: {schema: {type: object}}}}
                "204": {description: nothing}
          /elsewhere: {$ref: "other.yaml#/x"}
          /page: {get: {security: [], responses: {"200": {description: x, content: {text/html: {schema: {type: string}}}}}}}
        components:
          securitySchemes:
            key: {type: apiKey, in: query, name: k}
            session: {type: apiKey, in: cookie, name: s}
    """  # noqa: E501 - as people write it
    imported, config = loaded("openapi", text, tmp_path)
    found = specs(config)
    assert found["get-items"] == {
        "url": "{{ env.base_url }}/items",
        "params": {"ids": 7, "k": "t0ken"},
        "headers": {"Cookie": "sid=z"},
        "schema": {"type": "array"},
    }
    assert found["get-others"] == {"url": "https://eu.example/others", "headers": {"Cookie": "s=t0ken"}}
    assert "schema" not in found["get-page"]
    assert config.variables["base_url"] == "http://shop.example/api/v1"
    assert list(imported.left) == [
        "the description names no host: set the variable BASE_URL, or import with --target",
        "API keys are read from the variable API_TOKEN",
        "GET /others: the schema of its answer is not checked: there are several good answers",
        "/elsewhere: left out: other.yaml#/x is not in the description",
    ]


def test_swagger_2_arrays_have_their_items_examples(tmp_path: Path) -> None:
    status = {
        "name": "status",
        "in": "query",
        "required": True,
        "type": "array",
        "items": {"enum": ["sold", "new"]},
    }
    answer = {"200": {"description": "x", "schema": {"type": "file"}}}
    data = {
        "swagger": "2.0", "basePath": "/v2", "schemes": ["http"],
        "paths": {"/pets": {"get": {"operationId": "pets", "parameters": [status], "responses": answer}}},
    }  # fmt: skip
    _, config = loaded("openapi", json.dumps(data), tmp_path)
    assert specs(config)["pets"]["params"] == {"status": "sold"}
    assert config.variables["base_url"] == "http://shop.example/v2"
