"""Uptime Kuma: each monitor of a backup becomes a workflow of one step, its retries a rule's threshold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from engine.errors import TocsinError
from engine.importers.draft import Draft, Section, heartbeat_token, literal, quoted, statuses, step
from engine.text import plain

EVERY = 60.0
DEFAULTS: dict[str, Any] = {
    "timeout": 48,
    "weight": 2000,
    "packetSize": 56,
    "dns_resolve_server": "1.1.1.1",
    "dns_resolve_type": "A",
    "httpBodyEncoding": "json",
    "accepted_statuscodes": ["200-299"],
    "method": "GET",
    "maxredirects": 10,
    "kafkaProducerSaslOptions": {"mechanism": "None"},
    "gamedigGivenPortOnly": True,
    "jsonPathOperator": "==",
    "mqttCheckType": "keyword",
    "oauth_auth_method": "client_secret_basic",
    "port": None,
    "expiryNotification": True,
    "url": "https://",
    "retryInterval": 60,
    "resendInterval": 0,
    "includeSensitiveData": True,
}
"""What every monitor of a backup says, whatever its type."""

_OWN = ("id", "forceInactive", "pathName", "parent", "childrenIDs", "maintenance", "screenshot", "userId")
_WEB = ("http", "keyword", "json-query")
_OF_TYPES = {
    (
        "proxyId",
        "oauth_",
        "basic_auth",
        "auth",
        "tls",
        "cacheBust",
        "httpBodyEncoding",
        "body",
        "headers",
    ): _WEB,
    ("method", "url"): (*_WEB, "websocket-upgrade", "real-browser"),
    ("keyword", "invertKeyword"): ("keyword", "grpc-keyword"),
    ("json", "expectedValue"): ("json-query",),
    ("dns_", "conditions"): ("dns",),
    ("pushToken",): ("push",),
    ("grpc",): ("grpc-keyword", "grpc"),
    ("database",): ("postgres", "mysql"),
    ("mqtt", "kafka", "radius", "docker", "game", "snmp", "rabbitmq", "remote_browser", "smtp"): (),
}
"""Keys, by how they begin, and the only types that they mean something to: every monitor has them all."""
_NAMED = ("name", "description", "active", "interval", "timeout", "maxretries", "type", "tags", "upsideDown")
_RANGE = re.compile(r"(\d{3})(?:-(\d{3}))?")
_PLAIN_PATH = re.compile(r"\$?\.?([A-Za-z0-9_][A-Za-z0-9_.\[\]-]*)")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "contains")
_BODY_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded", "xml": "text/xml"}


def translate(text: str, draft: Draft, targets: tuple[str, ...]) -> None:
    """Put the monitors of a backup into `draft`. Raises TocsinError."""
    try:
        data = literal(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise TocsinError(f"the backup is no JSON: {plain(error, 200)}") from None
    monitors = data.get("monitorList", data) if isinstance(data, dict) else data
    if isinstance(monitors, dict) and all(isinstance(one, dict) for one in monitors.values()):
        monitors = list(monitors.values())
    if not isinstance(monitors, list):
        raise TocsinError("the backup has no monitorList", "export it under Settings, Backup")
    has_more = isinstance(data, dict) and "monitorList" in data
    backup = Section(data if has_more else {}, "", draft)
    backup.ignore("version", "monitorList")
    names = {}
    for entry in backup.items("notificationList"):
        if isinstance(entry, dict):
            names[str(entry.get("id"))] = str(entry.get("name", "notification"))
    for name in names.values():
        draft.note(name, "this notification has to be written as a channel, with its apprise URL")
    backup.finish()
    groups = {one.get("id"): str(one.get("name")) for one in monitors if _is_group(one)}
    for values in monitors:
        if _is_group(values):
            draft.note(str(values.get("name")), "a group checks nothing: those in it have its name as a tag")
        else:
            _Monitor(values, draft, groups).add()


def _is_group(values: Any) -> bool:
    return isinstance(values, dict) and values.get("type") == "group"


class _Monitor:
    """One monitor."""

    def __init__(self, values: Any, draft: Draft, groups: Mapping[Any, str]) -> None:
        name = values.get("name") if isinstance(values, dict) else None
        self._draft = draft
        self._name = plain(name or "monitor", 110)
        self._section = Section(values, self._name, draft, DEFAULTS)
        self._group = groups.get(values.get("parent"), "") if isinstance(values, dict) else ""
        self._section.ignore(*_OWN, *_NAMED)
        kind = str(values.get("type")) if isinstance(values, dict) else ""
        for beginnings, kinds in _OF_TYPES.items():
            if kind not in kinds and isinstance(values, dict):
                self._section.ignore(*(key for key in values if key.startswith(beginnings)))

    def add(self) -> None:
        section, draft = self._section, self._draft
        kind = section.text("type")
        found = self._step(kind)
        if found is None:
            draft.note(self._name, f"left out: there is no counterpart of a `{kind}` monitor")
            return
        if not section.flag("active", True):
            draft.note(self._name, "left out: it is paused")
            return
        if section.flag("upsideDown"):
            found["expect"] = "failure"
            draft.note(self._name, "upside down: any failure counts as success, whatever else was expected")
        tags = [
            draft.identifier(str(tag.get("name", "tag")))
            for tag in section.items("tags")
            if isinstance(tag, dict)
        ]
        if self._group:
            tags.append(draft.identifier(self._group))
        every = section.number("interval", EVERY)
        workflow = draft.workflow(
            self._name, [found], every=every, tags=tags, description=section.text("description")
        )
        retries = int(section.number("maxretries"))
        if section.number("retryInterval", every) != every and retries:
            draft.note(self._name, "a failure is tried again at the usual interval, not at `retryInterval`")
        if workflow:
            draft.rule(retries + 1, [workflow])
        section.ignore("retryInterval", "notificationIDList")
        section.finish()

    def _step(self, kind: str) -> dict[str, Any] | None:
        timeout = self._section.number("timeout") or self._section.number("interval", EVERY) * 0.8
        if kind in ("http", "keyword", "json-query"):
            return step("check", "http", self._http(), timeout, expect=self._expected(kind))
        if kind == "port":
            address = f"{self._section.text('hostname')}:{self._section.text('port')}"
            return step("check", "tcp", {"address": address}, timeout)
        if kind == "ping":
            host, size = self._section.text("hostname"), int(self._section.number("packetSize", 56))
            return step("check", "icmp", {"host": host, "count": 1, "size": size}, timeout)
        if kind == "dns":
            return step("check", "dns", self._question(), timeout)
        if kind == "push":
            return self._push()
        if kind in ("grpc-keyword", "grpc"):
            return self._grpc(timeout)
        if kind in ("postgres", "mysql") and self._section.text("databaseConnectionString"):
            return step("check", "sql", self._query(kind), timeout)
        if kind == "websocket-upgrade":
            return step("check", "websocket", {"url": self._section.text("url")}, timeout)
        return None

    def _http(self) -> dict[str, Any]:
        section = self._section
        spec: dict[str, Any] = {"method": section.text("method", "GET").upper(), "url": section.text("url")}
        headers = self._headers()
        body = section.text("body")
        encoding = section.text("httpBodyEncoding", "json")
        if body and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = _BODY_TYPES.get(encoding, "text/plain")
        spec |= {"headers": headers, "body": body}
        method, user = section.text("authMethod"), section.text("basic_auth_user")
        password = section.text("basic_auth_pass")
        if method in ("", "null", "basic") and user:
            spec["auth"] = {"user": user, "password": password}
        elif method not in ("", "null", "none", "mtls"):
            self._draft.note(self._name, f"the authentication `{method}` has no counterpart")
        if method == "mtls":
            section.ignore("tlsCert", "tlsKey", "tlsCa")
            self._draft.note(self._name, "put its certificate into a file and name that in `tls`")
        spec["verify"] = False if section.flag("ignoreTls") else None
        redirects = int(section.number("maxredirects", 10))
        spec["follow_redirects"] = True if redirects else None
        spec["max_redirects"] = min(redirects, 20) if redirects else None
        if section.take("proxyId"):
            self._draft.note(self._name, "its proxy has to be written as `proxy`")
        return spec

    def _headers(self) -> dict[str, str]:
        written = self._section.take("headers", {})
        try:
            found = json.loads(written) if isinstance(written, str) and written.strip() else written
        except ValueError:
            found = None
        if not isinstance(found, dict):
            if found not in (None, ""):
                self._draft.note(self._name, "its headers cannot be read")
            return {}
        return {str(key): str(value) for key, value in found.items()}

    def _expected(self, kind: str) -> list[str]:
        section = self._section
        ranges = []
        for written in section.items("accepted_statuscodes") or ["200-299"]:
            if match := _RANGE.fullmatch(str(written)):
                ranges.append((int(match[1]), int(match[2] or match[1])))
            else:
                self._draft.note(self._name, f"`{written}` is no range of statuses")
        texts = statuses(ranges)
        if kind == "keyword" and (keyword := section.text("keyword")):
            negation = "not " if section.flag("invertKeyword") else ""
            texts.append(f"body {negation}contains {quoted(keyword)}")
        if kind == "json-query":
            texts += self._json_query()
        if section.flag("expiryNotification"):
            self._draft.note("", "a certificate that expires soon is no part of an http step here")
        return self._draft.expectations(self._name, texts)

    def _json_query(self) -> list[str]:
        section = self._section
        path, operator = section.text("jsonPath", "$"), section.text("jsonPathOperator", "==")
        value, match = section.text("expectedValue"), _PLAIN_PATH.fullmatch(path)
        if match is None or operator not in _COMPARISONS:
            self._draft.note(self._name, f"the query `{plain(path, 80)} {operator}` has no counterpart")
            return []
        is_bare = re.fullmatch(r"-?\d+(\.\d+)?|true|false|null", value) is not None
        return [f"json.{match[1]} {operator} {value if is_bare else quoted(value)}"]

    def _question(self) -> dict[str, Any]:
        section = self._section
        server = section.text("dns_resolve_server").partition(",")[0].strip()
        port = int(section.number("port", 53))
        return {
            "name": section.text("hostname"),
            "type": section.text("dns_resolve_type", "A"),
            "server": server if port == 53 or not server else f"{server}:{port}",
        }

    def _query(self, kind: str) -> dict[str, Any]:
        section = self._section
        url = section.text("databaseConnectionString")
        _, _, place = url.partition("://")
        scheme = "postgresql" if kind == "postgres" else "mysql"
        if "?" in place:
            self._draft.note(self._name, "what its connection string says after `?` has no counterpart")
        return {
            "url": f"{scheme}://{place.partition('?')[0]}",
            "query": section.text("databaseQuery") or "select 1",
        }

    def _push(self) -> dict[str, Any]:
        period = self._section.number("interval", EVERY)
        self._draft.note(
            self._name, "what pushes to it has to be told the new address: `settings.heartbeats`"
        )
        token = heartbeat_token(self._draft, self._name, self._section.text("pushToken"))
        spec = {"token": token, "period": f"{period:g}s"}
        return step("check", "heartbeat", spec, 10.0)

    def _grpc(self, timeout: float) -> dict[str, Any]:
        section = self._section
        tls = True if section.flag("grpcEnableTls") else None
        section.ignore("grpcProtobuf", "grpcBody", "grpcMethod", "grpcServiceName", "grpcMetadata", "keyword")
        self._draft.note(self._name, "only the health service is asked, not the method that is named there")
        return step("check", "grpc", {"address": section.text("grpcUrl"), "tls": tls}, timeout)
