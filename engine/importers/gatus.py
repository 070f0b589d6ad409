"""Gatus: endpoints become workflows of one step, suites workflows of several; alerts become rules.

An endpoint without a condition on the status accepts every status there, and here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from engine.importers.conditions import Names, expectation, field_path
from engine.importers.draft import ANY_STATUS, Draft, Section, heartbeat_token, step

EVERY = 60.0
SUITE_EVERY = 600.0
TIMEOUT = 10.0
FAILURES = 3
"""What Gatus does when a configuration does not say."""

_VARIABLE = re.compile(r"\$\$(\{?)|\$\{(\w+)\}|\$([A-Za-z_]\w*)")
_CERTIFICATE = "[CERTIFICATE_EXPIRATION]"
_CONTEXT = re.compile(r"\[CONTEXT\]\.([A-Za-z0-9_-]+)")
_SELF = {"[ENDPOINT_NAME]": "name", "[ENDPOINT_GROUP]": "group", "[ENDPOINT_URL]": "url"}
_INVENTED = re.compile(r"\[(?:LOCAL_ADDRESS|RANDOM_STRING_\d+)\]")
_WEBHOOKS = ("slack", "discord")
_SHOWN_ONLY = ("ui", "extra-labels")
_OWN = ("web", "ui", "metrics", "storage", "debug", "disable-monitoring-lock", "concurrency", "announcements")
_ADDRESSED = ("http", "https", "ws", "wss", "grpc", "grpcs", "tcp", "udp", "tls", "starttls", "icmp", "dns")
_LATE = "a response that is too slow is `degraded` here, not failed"


def translate(text: str, draft: Draft, targets: tuple[str, ...]) -> None:
    """Put the endpoints and suites of a Gatus configuration into `draft`. Raises TocsinError."""
    root = Section(_with_variables(draft.read(text)), "", draft)
    root.ignore(*_OWN)
    alerting = _Alerting(root.part("alerting"), draft)
    for endpoint in [*root.items("endpoints"), *root.items("services")]:
        _Endpoint(endpoint, draft).as_workflow(alerting)
    for suite in root.items("suites"):
        _suite(suite, draft, alerting)
    for external in root.items("external-endpoints"):
        _external(external, draft, alerting)
    root.finish()


class _Alerting:
    """Which providers become channels, and the rules that endpoints ask for."""

    def __init__(self, section: Section, draft: Draft) -> None:
        self._draft = draft
        self._thresholds: dict[str, int] = {}
        self._disabled: set[str] = set()
        for provider in _WEBHOOKS:
            if provider in section:
                part = section.part(provider)
                if url := part.text("webhook-url"):
                    draft.channels[provider] = {"url": url}
                usual = part.part("default-alert")
                self._thresholds[provider] = int(usual.number("failure-threshold", FAILURES))
                if not usual.flag("enabled", True):
                    self._disabled.add(provider)
                _leave_resolving(usual, draft)

    def rules(self, workflow: str, alerts: list[Any], where: str) -> None:
        for alert in alerts:
            section = Section(alert, f"{where}: an alert", self._draft)
            provider = section.text("type")
            _leave_resolving(section, self._draft)
            threshold = int(section.number("failure-threshold", self._thresholds.get(provider, FAILURES)))
            if section.flag("enabled", provider not in self._disabled):
                channels = [provider] if provider in self._draft.channels else []
                if not channels:
                    self._draft.note(where, f"the alert by `{provider}` became a rule without a channel")
                self._draft.rule(threshold, [workflow], channels)
            section.finish()


def _leave_resolving(section: Section, draft: Draft) -> None:
    """What an alert says of itself, and when it ends: here that is so in any case, or is no choice."""
    section.ignore("description", "send-on-resolved")
    if section.take("success-threshold") is not None:
        draft.note("", "`success-threshold` has no counterpart: the first success resolves an alert")


@dataclass
class _Endpoint:
    """One endpoint as a step; `names` are the values that a suite's context has."""

    values: Any
    draft: Draft
    names: Names = field(default_factory=dict)
    is_in_suite: bool = False

    def __post_init__(self) -> None:
        self.name = str(self.values.get("name", "endpoint")) if isinstance(self.values, dict) else "endpoint"
        self.section = Section(self.values, self.name, self.draft)
        self.section.ignore(*_SHOWN_ONLY, "name")

    def as_workflow(self, alerting: _Alerting) -> None:
        section = self.section
        every = self.draft.duration(self.name, section.take("interval", EVERY), EVERY)
        group = section.text("group")
        alerts, is_enabled = section.items("alerts"), section.flag("enabled", True)
        found, certificate = self.as_step("check"), self.certificate()
        section.finish()
        if found is None:
            return
        if not is_enabled:
            self.draft.note(self.name, "left out: it is not enabled")
            return
        tags = [self.draft.identifier(group)] if group else []
        steps = [found, certificate] if certificate else [found]
        if workflow := self.draft.workflow(self.name, steps, every=every, tags=tags):
            alerting.rules(workflow, alerts, self.name)

    def as_step(self, identifier: str) -> dict[str, Any] | None:
        """The step, or None, noted, when there is none of its kind."""
        section = self.section
        url = self._filled(section.text("url"))
        client = section.part("client")
        timeout = self.draft.duration(self.name, client.take("timeout", TIMEOUT), TIMEOUT)
        scheme = "dns" if "dns" in section else url.partition("://")[0] if "://" in url else ""
        scheme = "grpc" if not scheme and "grpc" in section else scheme
        conditions = [str(condition) for condition in section.items("conditions")]
        if scheme not in _ADDRESSED:
            kind = scheme or "such an address"
            section.ignore("dns", "ssh", "client", "store", "body")
            self.draft.note(self.name, f"left out: there is no counterpart of {kind}")
            return None
        if scheme in ("http", "https"):
            kind, spec = "http", self._http(url, client)
        elif scheme in ("ws", "wss"):
            kind, spec = "websocket", self._websocket(url, client)
        elif scheme == "icmp":
            kind, spec = "icmp", {"host": url.partition("://")[2], "count": 1}
        elif scheme == "dns":
            question = section.part("dns")
            name, asked = question.text("query-name"), question.text("query-type", "A")
            kind, spec = "dns", {"name": name, "type": asked, "server": url.rpartition("://")[2]}
        elif scheme in ("grpc", "grpcs"):
            kind, spec = "grpc", self._grpc(url, client)
        else:
            kind, spec = "tls" if scheme == "starttls" else scheme, self._connection(url, client)
        expected = self._expected(conditions, kind)
        extract = self._extract(kind)
        return step(identifier, kind, spec, timeout, expect=expected, extract=extract)

    def certificate(self) -> dict[str, Any] | None:
        """A step of its own for what an http step does not see: until when the certificate is valid."""
        conditions = [str(c) for c in self.section.items("conditions") if _CERTIFICATE in str(c)]
        address = urlsplit(self._filled(self.section.text("url")))
        if not conditions or address.scheme not in ("https", "wss"):
            return None
        host = f"[{address.hostname}]" if ":" in (address.hostname or "") else address.hostname
        spec = {"address": f"{host}:{address.port or 443}"}
        expected = self._expected(conditions, "tls")
        if self.section.part("client").flag("insecure"):
            expected.append("status matches '.'")
        return step("certificate", "tls", spec, TIMEOUT, expect=expected)

    def _expected(self, conditions: list[str], kind: str) -> list[str]:
        texts = []
        for condition in conditions:
            if _CERTIFICATE in condition and kind in ("http", "websocket") and not self.is_in_suite:
                continue
            text, reason = expectation(self._filled(condition), kind)
            if reason:
                self.draft.note(self.name, f"the condition `{condition}`: {reason}")
            elif text:
                texts.append(text)
            if text.startswith("duration"):
                self.draft.note("", _LATE)
        if kind == "http" and not any(text.removeprefix("not ").startswith("status") for text in texts):
            texts.append(ANY_STATUS)
        return self.draft.expectations(self.name, texts)

    def _extract(self, kind: str) -> dict[str, str]:
        found = {}
        store = self.section.take("store", {})
        for name, source in store.items() if isinstance(store, dict) else ():
            path = field_path(str(source), kind)
            if path:
                found[name] = path
            else:
                self.draft.note(self.name, f"`{source}` cannot be stored")
        return found

    def _http(self, url: str, client: Section) -> dict[str, Any]:
        section = self.section
        body = self._body()
        spec: dict[str, Any] = {"method": section.text("method", "GET").upper(), "url": url}
        spec["headers"] = {key: self._filled(value) for key, value in section.texts("headers").items()}
        if section.flag("graphql"):
            spec["json"] = {"query": body}
        else:
            spec["body"] = body
        spec["verify"] = False if client.flag("insecure") else None
        spec["follow_redirects"] = None if client.flag("ignore-redirect") else True
        spec["max_redirects"] = None if spec["follow_redirects"] is None else 10
        spec["proxy"] = client.text("proxy-url")
        tls = client.part("tls")
        files = {"certificate": tls.text("certificate-file"), "key": tls.text("private-key-file")}
        tls.ignore("renegotiation")
        spec["tls"] = {key: value for key, value in files.items() if value}
        return spec

    def _connection(self, url: str, client: Section) -> dict[str, Any]:
        """Of a tcp, udp or tls step."""
        scheme, _, address = url.partition("://")
        if scheme == "starttls":
            return {"address": address, "starttls": "smtp"}
        body = self._body()
        if client.flag("insecure"):
            self.draft.note(self.name, "`insecure` has no counterpart for this kind of address")
        return {"address": address, "talk": [{"send": body}, {"expect": ""}] if body else []}

    def _websocket(self, url: str, client: Section) -> dict[str, Any]:
        body = self._body()
        talk = [{"send": body}, {"expect": ""}] if body else []
        verify = False if client.flag("insecure") else None
        return {"url": url, "headers": self.section.texts("headers"), "talk": talk, "verify": verify}

    def _grpc(self, url: str, client: Section) -> dict[str, Any]:
        scheme, _, address = url.rpartition("://")
        call = self.section.part("grpc")
        if call.text("method", "Check") != "Check" or "health" not in call.text("service", "health").lower():
            self.draft.note(self.name, "only the health service is asked, whatever `grpc` says")
        sought = re.search(r'"service"\s*:\s*"([^"]*)"', call.text("body"))
        is_plain = scheme == "grpc" and not address.endswith(":443")
        verify = False if client.flag("insecure") and not is_plain else None
        return {
            "address": address,
            "service": sought[1] if sought else "",
            "tls": not is_plain or None,
            "verify": verify,
        }

    def _body(self) -> str:
        """The body with the words for the endpoint itself filled in."""
        body = self._filled(self.section.text("body"))
        for word, key in _SELF.items():
            body = body.replace(word, self.section.text(key) if word in body else "")
        for word in _INVENTED.findall(body):
            self.draft.note(self.name, f"`{word}` in the body is sent as it is")
        return body

    def _filled(self, text: str) -> str:
        """`[CONTEXT].x` as the placeholder of the value it names."""
        return _CONTEXT.sub(lambda match: self.names.get(match[1], match[0]), text)


def _suite(values: Any, draft: Draft, alerting: _Alerting) -> None:
    section = Section(values, str(_get(values, "name", "suite")), draft)
    name = section.text("name", "suite")
    context = section.take("context", {})
    names = {key: f"{{{{ vars.{key} }}}}" for key in context} if isinstance(context, dict) else {}
    steps: dict[str, list[dict[str, Any]]] = {"steps": [], "finally": []}
    taken: set[str] = set()
    alerts: list[Any] = []
    for number, values_of_step in enumerate(section.items("endpoints"), 1):
        identifier = re.sub(r"[^A-Za-z0-9_-]+", "-", str(_get(values_of_step, "name", "")))
        identifier = identifier.strip("-")[:50] or f"step-{number}"
        identifier = identifier if identifier not in taken else f"{identifier}-{number}"
        endpoint = _Endpoint(values_of_step, draft, names, is_in_suite=True)
        found = endpoint.as_step(identifier)
        closing = endpoint.section.flag("always-run")
        alerts += endpoint.section.items("alerts")
        endpoint.section.ignore("group", "interval")
        endpoint.section.finish()
        if found is None:
            draft.note(name, "left out: one of its endpoints cannot be translated")
            return
        taken.add(identifier)
        names |= {key: f"{{{{ {identifier}.{key} }}}}" for key in found.get("extract", ())}
        steps["finally" if closing else "steps"].append(found)
    every = draft.duration(name, section.take("interval", SUITE_EVERY), SUITE_EVERY)
    draft.duration(name, section.take("timeout", EVERY), EVERY)
    tags = [draft.identifier(section.text("group"))] if "group" in section else []
    variables = dict(context) if isinstance(context, dict) else {}
    if section.flag("enabled", True):
        more = {"tags": tags, "variables": variables, "finally": steps["finally"]}
        workflow = draft.workflow(name, steps["steps"], every=every, **more)
        if workflow and alerts:
            draft.note(name, "alerts of its endpoints became alerts of the whole suite")
            alerting.rules(workflow, alerts, name)
    else:
        draft.note(name, "left out: it is not enabled")
    section.finish()


def _external(values: Any, draft: Draft, alerting: _Alerting) -> None:
    section = Section(values, str(_get(values, "name", "external endpoint")), draft)
    name, beat = section.text("name", "external"), section.part("heartbeat")
    period = draft.duration(name, beat.take("interval", 86_400.0), 86_400.0)
    spec = {"token": heartbeat_token(draft, name, section.text("token")), "period": f"{period:g}s"}
    draft.note(name, "jobs report to another address now: see `settings.heartbeats`")
    tags = [draft.identifier(section.text("group"))] if "group" in section else []
    found = draft.workflow(name, [step("job", "heartbeat", spec, TIMEOUT)], every=EVERY, tags=tags)
    alerts = section.items("alerts")
    if found:
        alerting.rules(found, alerts, name)
    section.ignore("enabled")
    section.finish()


def _get(values: Any, key: str, default: str) -> Any:
    return values.get(key, default) if isinstance(values, Mapping) else default


def _with_variables(value: Any) -> Any:
    """Gatus' `${NAME}`, `$NAME` and `$$` as they are written here."""
    if isinstance(value, str):
        return _VARIABLE.sub(_variable, value)
    if isinstance(value, dict):
        return {key: _with_variables(inner) for key, inner in value.items()}
    return list(map(_with_variables, value)) if isinstance(value, list) else value


def _variable(match: re.Match[str]) -> str:
    if name := match[2] or match[3]:
        return f"${{env:{name}}}"
    return "$${" if match[1] else "$"
