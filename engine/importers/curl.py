"""curl: a command line becomes a workflow, with a step for each address in it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from engine.errors import TocsinError
from engine.importers.draft import ANY_STATUS, Draft, literal, step
from engine.text import plain

EVERY = 60.0
TIMEOUT = 30.0
REDIRECTS = 20

_SHORT = {
    "X": "request", "H": "header", "d": "data", "u": "user", "x": "proxy", "m": "max-time", "b": "cookie",
    "A": "user-agent", "e": "referer", "E": "cert", "F": "form", "T": "upload-file", "o": "output",
    "w": "write-out", "D": "dump-header", "c": "cookie-jar", "r": "range", "K": "config", "U": "proxy-user",
    "y": "speed-time", "Y": "speed-limit", "C": "continue-at", "z": "time-cond",
    "k": "insecure", "L": "location", "G": "get", "I": "head", "f": "fail", "s": "silent", "S": "show-error",
    "v": "verbose", "i": "include", "g": "globoff", "N": "no-buffer", "q": "disable", "#": "progress-bar",
    "O": "remote-name", "4": "ipv4", "6": "ipv6", "0": "http1.0", "Z": "parallel", "n": "netrc",
}  # fmt: skip
_VALUED = frozenset(
    {name for letter, name in _SHORT.items() if letter in "XHduxmbAeEFTowDcrKUyYCz"}
    | {"url", "data-raw", "data-ascii", "data-binary", "data-urlencode", "json", "oauth2-bearer", "cacert"}
    | {"key", "connect-timeout", "max-redirs", "retry", "retry-delay", "retry-max-time", "resolve"}
    | {"connect-to", "interface", "ciphers", "cert-type", "key-type", "pass", "form-string", "capath"}
    | {"limit-rate", "dns-servers", "noproxy", "aws-sigv4", "stderr", "trace", "trace-ascii", "unix-socket"}
    | {
        "abstract-unix-socket",
        "alt-svc",
        "create-file-mode",
        "crlfile",
        "curves",
        "delegation",
        "dns-interface",
    }
    | {"dns-ipv4-addr", "dns-ipv6-addr", "doh-url", "ech", "engine", "etag-compare", "etag-save"}
    | {
        "expect100-timeout",
        "happy-eyeballs-timeout-ms",
        "haproxy-clientip",
        "hsts",
        "ip-tos",
        "keepalive-time",
    }
    | {"keepalive-cnt", "libcurl", "local-port", "login-options", "max-filesize", "netrc-file", "output-dir"}
    | {"parallel-max", "pinnedpubkey", "preproxy", "proto", "proto-default", "proto-redir", "proxy-cacert"}
    | {"proxy-cert", "proxy-header", "proxy-key", "proxy1.0", "rate", "request-target", "service-name"}
    | {
        "socks4",
        "socks4a",
        "socks5",
        "socks5-hostname",
        "tls-max",
        "tls13-ciphers",
        "trace-config",
        "url-query",
    }
    | {"vlan-priority"}
)
_OUTPUT = frozenset(
    {"silent", "show-error", "verbose", "include", "output", "write-out", "no-buffer", "progress-bar"}
    | {
        "remote-name",
        "disable",
        "dump-header",
        "globoff",
        "compressed",
        "fail-with-body",
        "no-progress-meter",
    }
    | {"stderr", "trace", "trace-ascii", "parallel", "basic", "cookie-jar"}
)
_DATA = ("data", "data-raw", "data-ascii", "data-binary", "data-urlencode", "json")
_UNDERSTOOD = frozenset(
    {"request", "header", "user", "proxy", "max-time", "connect-timeout", "cookie", "insecure", "user-agent"}
    | {"referer", "cert", "key", "cacert", "location", "max-redirs", "get", "head", "oauth2-bearer", "fail"}
    | {"http1.1", "http2", "http2-prior-knowledge", "form", "form-string", "upload-file", *_DATA, *_OUTPUT}
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SHELL_VARIABLE = re.compile(r"\$\{?[A-Z_][A-Z0-9_]*\}?")
_PATTERN = re.compile(r"\{[^{}]*,[^{}]*\}|\[[^\[\]]+-[^\[\]]+\]")
_BOUNDARY = "tocsin-form-boundary"


@dataclass
class _Command:
    """The options of one command line."""

    urls: list[str] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)

    def last(self, name: str) -> str:
        return self.options.get(name, [""])[-1]

    def __contains__(self, name: str) -> bool:
        return name in self.options


def translate(text: str, draft: Draft, targets: tuple[str, ...]) -> None:
    """Put one curl command into `draft`. Raises TocsinError when it cannot be read."""
    commands = _read(text)
    steps = [step for command in commands for step in _steps(command, draft)]
    if not any(command.urls for command in commands):
        raise TocsinError("the command has no address", "write it whole, in quotes: curl 'https://…'")
    if not steps:
        return
    for number, made in enumerate(steps, 1):
        made["id"] = f"request-{number}"
    first = urlsplit(steps[0]["http"]["url"])
    name = f"{first.hostname or 'request'}{first.path.rstrip('/')}"
    draft.workflow(plain(name, 110), steps, every=EVERY)


def _steps(command: _Command, draft: Draft) -> Iterator[dict[str, Any]]:
    """A step for each address of a command, and notes on what is not in them."""
    for name in sorted(command.options.keys() - _UNDERSTOOD):
        draft.note("curl", f"`--{plain(name, 40)}` has no counterpart")
    timeout = float(command.last("max-time")) if _NUMBER.fullmatch(command.last("max-time")) else TIMEOUT
    if "connect-timeout" in command:
        draft.note("curl", "`--connect-timeout` has no counterpart: the timeout covers everything")
    for value in (*command.urls, *(value for values in command.options.values() for value in values)):
        for variable in _SHELL_VARIABLE.findall(value.replace("$${", "${")):
            draft.note("curl", f"`{variable}` is taken as it is written; `${{env:NAME}}` reads a variable")
    # Without --fail, curl is content with any status.
    expect = [] if {"fail", "fail-with-body"} & command.options.keys() else [ANY_STATUS]
    for url in command.urls:
        scheme = urlsplit(url).scheme.lower()
        if scheme not in ("http", "https"):
            draft.note("curl", f"{plain(url, 120)} was left out: there is no counterpart of {scheme}")
            continue
        if _PATTERN.search(url) and "globoff" not in command:
            draft.note("curl", "a pattern in an address is taken as it is, not filled in")
        if expect:
            draft.note(
                "curl", "without --fail every status is accepted: change `status > 0` to what is right"
            )
        yield step("request", "http", _spec(url, command, draft), timeout, expect=expect)


def _read(text: str) -> list[_Command]:
    """The commands that `--next` parts from each other."""
    text = re.sub(r"\\\r?\n", " ", text.strip().removeprefix("$ ")).removesuffix("\\")
    # $'…' is how browsers write texts with escapes.
    text = re.sub(r"\$'((?:[^'\\]|\\.)*)'", lambda match: shlex.quote(_unescaped(match[1])), text)
    try:
        words = shlex.split(text, comments=False)
    except ValueError as error:
        raise TocsinError(f"the command cannot be read: {error}") from None
    if words and re.split(r"[/\\]", words[0])[-1].lower() in ("curl", "curl.exe"):
        del words[0]
    elif _is_program(words):
        raise TocsinError(f"this is a command of {plain(words[0], 40)}, not of curl", "write it for curl")
    commands = [_Command()]
    for name, value in _options(words):
        if name == "next":
            commands.append(_Command())
        elif name == "url":
            commands[-1].urls.append(literal(value if "://" in value else f"http://{value}"))
        else:
            commands[-1].options.setdefault(name, []).append(literal(value))
    return commands


def _is_program(words: list[str]) -> bool:
    """Whether the first word is a bare name, before something that is plainly an address."""
    named = bool(words) and words[0].replace("-", "").isalnum() and not words[0].startswith("-")
    return named and words[0] != "localhost" and any("://" in word for word in words[1:])


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Options by their long names with their values; addresses as `url`."""
    rest = iter(words)
    for word in rest:
        if word.startswith("--") and len(word) > 2:
            name, has_value, value = word[2:].partition("=")
            yield name, value if has_value else next(rest, "") if name in _VALUED else ""
        elif word.startswith("-") and len(word) > 1:
            yield from _short(word[1:], rest)
        else:
            yield "url", word


def _short(letters: str, rest: Iterator[str]) -> Iterator[tuple[str, str]]:
    for index, letter in enumerate(letters):
        name = _SHORT.get(letter, letter)
        if name in _VALUED:
            yield name, letters[index + 1 :] or next(rest, "")
            return
        yield name, ""


def _spec(url: str, command: _Command, draft: Draft) -> dict[str, Any]:
    headers = _headers(command, draft)
    data = _form(command, headers, draft) or _data(command, headers, draft)
    method = command.last("request").upper()
    url, _, _ = url.partition("#")
    if "get" in command and data:
        url += ("&" if "?" in url else "?") + str(data.pop("body", ""))
    elif not method and data:
        method = "PUT" if "upload-file" in command else "POST"
    is_followed = bool({"location", "location-trusted"} & command.options.keys())
    spec: dict[str, Any] = {
        "method": method or ("HEAD" if "head" in command else "GET"),
        "url": url,
        "headers": headers,
        **data,
        "verify": False if "insecure" in command else None,
        "follow_redirects": True if is_followed else None,
        "proxy": _proxy(command.last("proxy")),
    }
    if is_followed:
        limit = command.last("max-redirs")
        spec["max_redirects"] = min(int(limit), REDIRECTS) if limit.isdigit() else REDIRECTS
    if user := command.last("user"):
        name, _, password = user.partition(":")
        spec["auth"] = {"user": name, "password": password}
    elif bearer := command.last("oauth2-bearer"):
        spec["auth"] = {"bearer": bearer}
    files = {"certificate": command.last("cert"), "key": command.last("key"), "ca": command.last("cacert")}
    spec["tls"] = {name: file for name, file in files.items() if file}
    if {"http2", "http2-prior-knowledge"} & command.options.keys():
        spec["http_version"] = "2" if "http2-prior-knowledge" in command else "auto"
    return spec


def _headers(command: _Command, draft: Draft) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in command.options.get("header", []):
        name, colon, value = line.partition(":")
        if name.startswith("@"):
            draft.note("curl", "headers from a file have no counterpart")
        elif colon and value.strip():
            headers[name.strip()] = value.strip()
        else:
            draft.note("curl", f"the header `{plain(name, 80)}` is not said to be anything, and was left out")
    for option, header in (("user-agent", "User-Agent"), ("referer", "Referer"), ("cookie", "Cookie")):
        if value := command.last(option):
            if option == "cookie" and "=" not in value:
                draft.note("curl", "cookies from a file have no counterpart")
            else:
                headers.setdefault(header, value)
    return headers


def _form(command: _Command, headers: dict[str, str], draft: Draft) -> dict[str, Any]:
    """A form of several parts, as its text: files cannot be parts of it."""
    fields = [(text, False) for text in command.options.get("form", [])]
    fields += [(text, True) for text in command.options.get("form-string", [])]
    if not fields:
        return {}
    parts = []
    for text, is_plain in fields:
        name, _, value = text.partition("=")
        if value[:1] in ("@", "<") and not is_plain:
            draft.note("curl", f"`{plain(name, 60)}` of the form was left out: it is a file")
            continue
        if not is_plain:
            value, _, kind = value.partition(";type=")
            parts.append(_part(name, value.strip('"'), f"\r\nContent-Type: {kind}" if kind else ""))
        else:
            parts.append(_part(name, value, ""))
    headers["Content-Type"] = f"multipart/form-data; boundary={_BOUNDARY}"
    return {"body": "".join(parts) + f"--{_BOUNDARY}--\r\n"}


def _part(name: str, value: str, kind: str) -> str:
    head = f'Content-Disposition: form-data; name="{name}"{kind}'
    return f"--{_BOUNDARY}\r\n{head}\r\n\r\n{value}\r\n"


def _data(command: _Command, headers: dict[str, str], draft: Draft) -> dict[str, Any]:
    """What is sent; `@file` is a file of its own or cannot be translated."""
    if sent := command.last("upload-file"):
        if sent in ("-", "."):
            draft.note("curl", "standard input cannot be sent")
        return {"body_file": sent}
    parts, files = [], []
    for option in _DATA:
        for value in command.options.get(option, []):
            if value.startswith("@") and option not in ("data-raw", "data-urlencode"):
                files.append(value[1:])
            elif option == "data-urlencode":
                parts.append(_encoded(value, draft))
            else:
                parts.append(value)
    if not parts and not files:
        return {}
    known = {name.lower() for name in headers}
    if "json" in command:
        headers.update({k: "application/json" for k in ("Content-Type", "Accept") if k.lower() not in known})
    elif "content-type" not in known and "get" not in command:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if files and (parts or len(files) > 1 or files[0] == "-"):
        draft.note("curl", "several parts of data with a file among them, or standard input: left out")
        return {"body": ("" if "json" in command else "&").join(parts)}
    return {"body_file": files[0]} if files else {"body": ("" if "json" in command else "&").join(parts)}


def _encoded(value: str, draft: Draft) -> str:
    name, equals, content = value.partition("=")
    if not equals:
        if "@" in value:
            draft.note("curl", "--data-urlencode of a file has no counterpart")
            return ""
        return quote(value, safe="")
    return f"{name}={quote(content, safe='')}" if name else quote(content, safe="")


def _proxy(text: str) -> str:
    return text if "://" in text or not text else f"http://{text}"


def _unescaped(text: str) -> str:
    """The escapes of `$'…'`."""
    simple = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "!": "!"}

    def replaced(match: re.Match[str]) -> str:
        escape = match[1]
        return chr(int(escape[1:], 16)) if len(escape) > 1 else simple.get(escape, "\\" + escape)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", replaced, text, flags=re.DOTALL)
