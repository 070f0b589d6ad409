"""Whether the addresses of steps can be ones, as far as the file says them: placeholders come later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from engine.config.messages import did_you_mean
from engine.config.report import Path, Report
from engine.errors import TocsinError
from engine.workflows.placeholders import PLACEHOLDER

_SCHEMES = {"http": ("http", "https"), "websocket": ("ws", "wss")}
_HOSTS: Mapping[str, tuple[str, int | None]] = {
    "tcp": ("address", None),
    "udp": ("address", None),
    "grpc": ("address", None),
    "tls": ("address", 443),
    "dns": ("server", 53),
}
"""The keys that say `host:port`, and which port is meant when none is said."""


def check_address(kind: str, spec: Any, path: Path, report: Report) -> None:
    """Report the address of a step of `kind`, at `path`, that no connection can be made to."""
    if kind in _SCHEMES:
        _check_url(spec.url, _SCHEMES[kind], (*path, "url"), report)
    elif kind in _HOSTS:
        key, port = _HOSTS[kind]
        _check_host(getattr(spec, key), port, (*path, key), report)


def check_variables(environments: Mapping[str, Any], report: Report) -> None:
    """Report variables of environments that hold placeholders: nothing fills them in."""
    for environment, variables in environments.items():
        for name in variables if isinstance(variables, dict) else ():
            path = ("environments", environment, name)
            written = report.scalar(path)
            if isinstance(written, str) and PLACEHOLDER.search(written):
                hint = "write the value itself; ${env:NAME} takes one from outside"
                report.at(path, f"`{name}` holds a placeholder, which is filled in in steps only", hint)


def _check_url(url: str, schemes: tuple[str, ...], path: Path, report: Report) -> None:
    if "{{" in url:
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        report.at(path, f"the host or port of `{_shown(url)}` cannot be read")
        return
    if parts.scheme not in schemes or not host:
        first, second = schemes
        hint = did_you_mean(parts.scheme, schemes) if "://" in url else f"such as {second}://example.org"
        message = f"`url` begins with {first}:// or {second}:// and a host, found `{_shown(url)}`"
        report.at(path, message, hint)


def _shown(url: str) -> str:
    from engine.workflows.steps.request import shown

    return shown(url)


def _check_host(address: str | None, port: int | None, path: Path, report: Report) -> None:
    from engine.workflows.steps.dial import host_and_port

    if address is None or "{{" in address:
        return
    try:
        host_and_port(address, port)
    except TocsinError as error:
        report.at(path, error.message, "such as example.org:443")
