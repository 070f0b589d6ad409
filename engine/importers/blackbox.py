"""blackbox_exporter: each module becomes a workflow for each target; without one the file asks for TARGET."""

from __future__ import annotations

import re
from typing import Any

from engine.errors import TocsinError
from engine.importers.draft import Draft, Section, literal, quoted, statuses, step

EVERY = 15.0
TIMEOUT = 120.0
"""The seconds of a module that does not say; a scrape interval of Prometheus is usually shorter."""
TARGET = "{{ env.target }}"

_PROTOCOLS = ("preferred_ip_protocol", "ip_protocol_fallback", "source_ip_address")
_VERSIONS = {"HTTP/2.0": "HTTP/2", "HTTP/1.0": "HTTP/1.0", "HTTP/1.1": "HTTP/1.1", "HTTP/2": "HTTP/2"}


def translate(text: str, draft: Draft, targets: tuple[str, ...]) -> None:
    """Put the modules of a blackbox configuration into `draft`. Raises TocsinError."""
    root = Section(literal(draft.read(text)), "", draft)
    modules = root.take("modules", {})
    if not isinstance(modules, dict) or not modules:
        raise TocsinError("there are no modules", "a configuration of blackbox_exporter has `modules:`")
    if not targets:
        draft.environment["target"] = "${env:TARGET}"
        draft.note("", "modules name no target: set the variable TARGET, or import with --target")
    root.finish()
    for name, values in modules.items():
        for number, target in enumerate(targets or (TARGET,)):
            _Module(name, values, draft, is_first=number == 0).add(target, len(targets) > 1)


class _Module:
    """One module; only the first target's notes are kept, since all targets have the same."""

    def __init__(self, name: str, values: Any, draft: Draft, *, is_first: bool) -> None:
        self._name = name
        self._draft = draft if is_first else Draft(draft.source)
        self._into = draft
        self._section = Section(values, name, self._draft)
        self._expect: list[str] = []

    def add(self, target: str, is_one_of_many: bool) -> None:
        section = self._section
        prober = section.text("prober")
        timeout = self._draft.duration(self._name, section.take("timeout", TIMEOUT), TIMEOUT)
        options = section.part(prober or "http")
        for key in _PROTOCOLS:
            if options.take(key) is not None:
                self._draft.note(self._name, f"`{key}` has no counterpart")
        makers = {
            "http": self._http,
            "grpc": self._grpc,
            "websocket": self._websocket,
            "tcp": self._tcp,
            "icmp": self._icmp,
            "dns": self._dns,
        }
        make = makers.get(prober)
        if make is None:
            self._draft.note(self._name, f"left out: there is no counterpart of the prober `{prober}`")
            return
        spec = make(options, target)
        section.finish()
        kind = prober
        expected = self._draft.expectations(self._name, self._expect)
        name = f"{self._name} {target}" if is_one_of_many else self._name
        self._into.workflow(name, [step("probe", kind, spec, timeout, expect=expected)], every=EVERY)

    def _http(self, options: Section, target: str) -> dict[str, Any]:
        url = target if "://" in target or target == TARGET else f"http://{target}"
        spec: dict[str, Any] = {
            "method": options.text("method", "GET").upper(),
            "url": url,
            "headers": options.texts("headers"),
            "body": options.text("body"),
            "body_file": options.text("body_file"),
            "proxy": options.text("proxy_url"),
            "follow_redirects": True if options.flag("follow_redirects", True) else None,
            "max_redirects": 10 if options.flag("follow_redirects", True) else None,
        }
        options.ignore("compression", "skip_resolve_phase_with_proxy", "enable_http2")
        if basic := options.take("basic_auth"):
            account = Section(basic, f"{self._name}: basic_auth", self._draft)
            spec["auth"] = {"user": account.text("username"), "password": account.text("password")}
            account.finish()
        if token := options.text("bearer_token"):
            spec["auth"] = {"bearer": token}
        if limit := options.take("body_size_limit"):
            spec["max_body"] = _bytes(str(limit))
        spec |= self._tls(options)
        self._expect_http(options)
        spec["http_version"] = "auto" if options.flag("enable_http2", True) else None
        return spec

    def _expect_http(self, options: Section) -> None:
        codes = [int(code) for code in options.items("valid_status_codes")]
        if options.flag("accept_any_response"):
            self._expect += statuses([])
        else:
            self._expect += statuses([(code, code) for code in codes] or [(200, 299)])
        if versions := [_VERSIONS.get(str(v), str(v)) for v in options.items("valid_http_versions")]:
            self._expect.append(f"http_version in [{', '.join(map(quoted, versions))}]")
        if options.flag("fail_if_ssl"):
            self._expect.append("not url matches '^https:'")
        if options.flag("fail_if_not_ssl"):
            self._expect.append("url matches '^https:'")
        for pattern in options.items("fail_if_body_matches_regexp"):
            self._expect.append(f"body not matches {quoted(str(pattern))}")
        for pattern in options.items("fail_if_body_not_matches_regexp"):
            self._expect.append(f"body matches {quoted(str(pattern))}")
        for rule in options.items("fail_if_header_matches"):
            self._expect_header(rule, "not matches")
        for rule in options.items("fail_if_header_not_matches"):
            self._expect_header(rule, "matches")

    def _expect_header(self, rule: Any, operator: str) -> None:
        section = Section(rule, f"{self._name}: a header", self._draft)
        name, pattern = section.text("header").lower(), section.text("regexp")
        may_be_missing = section.flag("allow_missing")
        section.finish()
        if may_be_missing and operator == "not matches" and pattern in (".*", "", ".+"):
            self._expect.append(f"headers[{quoted(name)}] == null")
        elif may_be_missing:
            self._draft.note(self._name, f"the header {name} may be missing: that has no counterpart")
        else:
            self._expect.append(f"headers[{quoted(name)}] {operator} {quoted(pattern)}")

    def _tls(self, options: Section) -> dict[str, Any]:
        tls = options.part("tls_config")
        named = {"ca": "ca_file", "certificate": "cert_file", "key": "key_file"}
        files = {key: tls.text(written) for key, written in named.items() if written in tls}
        return {"verify": False if tls.flag("insecure_skip_verify") else None, "tls": files}

    def _tcp(self, options: Section, target: str) -> dict[str, Any]:
        files, is_tls = self._tls(options), options.flag("tls")
        talk: list[dict[str, str]] = []
        starttls = None
        for line in options.items("query_response"):
            section = Section(line, f"{self._name}: query_response", self._draft)
            if section.flag("starttls"):
                said = " ".join(text for spoken in talk for text in spoken.values())
                starttls = "smtp" if "EHLO" in said.upper() else "imap"
                talk = []
            for key in ("expect", "send"):
                if (text := section.text(key)) and re.search(r"\$\$?\{\d", text):
                    self._draft.note(self._name, "what an answer brought cannot be sent back: `${1}`")
                elif text:
                    # Lines that are sent end with a line feed there.
                    talk.append({key: text + "\n" if key == "send" else text})
            section.finish()
        spec = {"address": target.rpartition("://")[2], "tls": is_tls or None, "starttls": starttls}
        is_secured = is_tls or starttls
        return {**spec, "talk": talk, **({"verify": files["verify"], **files["tls"]} if is_secured else {})}

    def _icmp(self, options: Section, target: str) -> dict[str, Any]:
        size = options.take("payload_size")
        return {"host": target.rpartition("://")[2], "count": 1, "size": size}

    def _dns(self, options: Section, target: str) -> dict[str, Any]:
        codes = [str(code) for code in options.items("valid_rcodes")] or ["NOERROR"]
        self._expect.append(f"status in [{', '.join(codes)}]")
        kind = options.text("query_type", "ANY").upper()
        if kind == "ANY":
            self._draft.note(self._name, "servers refuse questions for ANY: it asks for A")
            kind = "A"
        return {
            "name": options.text("query_name"),
            "type": kind,
            "server": target.rpartition("://")[2],
            "protocol": options.text("transport_protocol"),
            "recursion": None if options.flag("recursion_desired", True) else False,
        }

    def _grpc(self, options: Section, target: str) -> dict[str, Any]:
        files = self._tls(options)
        is_tls = options.flag("tls")
        spec = {"address": target.rpartition("://")[2], "service": options.text("service")}
        if not is_tls:
            return spec
        return {**spec, "tls": True, "verify": files["verify"], **files["tls"]}

    def _websocket(self, options: Section, target: str) -> dict[str, Any]:
        url = target if "://" in target or target == TARGET else f"ws://{target}"
        talk: list[dict[str, str]] = []
        for line in options.items("query_response"):
            section = Section(line, f"{self._name}: query_response", self._draft)
            # A line that has both waits first, then answers.
            talk += [{key: section.text(key)} for key in ("expect", "send") if key in section]
            section.finish()
        return {
            "url": re.sub(r"^http", "ws", url),
            "headers": options.texts("headers"),
            "talk": talk,
            **self._tls(options),
        }


def _bytes(text: str) -> int | str:
    """`10MB` as bytes, in the units of Prometheus, which are powers of 1,024; any other text as it is."""
    match = re.fullmatch(r"(\d+)\s*([KMG]?)i?B?", text.strip(), re.IGNORECASE)
    return text if match is None else int(match[1]) * 1024 ** " KMG".index(match[2].upper() or " ")
