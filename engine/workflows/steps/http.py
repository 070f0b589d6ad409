"""The `http` step: one request, answered within its time, told apart by phase."""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from engine.clock import Clock
from engine.config.types import format_duration
from engine.model import Assertion, ErrorCategory, ErrorType, Failure, Scalar
from engine.resilience.classify import classify_status
from engine.text import clean, plain
from engine.version import __version__
from engine.workflows.steps.base import CheckError, Reply, StepContext
from engine.workflows.steps.decoding import Body, body_fault, parse_json, read_body
from engine.workflows.steps.http_spec import HTTP_FIELDS, HttpSpec, parse_proxy
from engine.workflows.steps.json_schema import fits
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.route import DIRECT, Proxy, Route, basic

if TYPE_CHECKING:
    import httpx

    from engine.workflows.steps.resolver import Resolver

URL_SHOWN = 500

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HEADERS = {"user-agent": f"tocsin/{__version__}", "accept": "*/*", "accept-encoding": "gzip"}


class HttpStep:
    """Serves all http steps with one client; each request has its own connection, and no cookies.

    Making one imports httpx, which takes a quarter of a second.

    Args:
        clock: only to read an HTTP date in Retry-After.
        resolver: names to addresses; the system's unless given.
    """

    name = "http"

    def __init__(self, clock: Clock, resolver: Resolver | None = None) -> None:
        import httpx

        from engine.workflows.steps.resolver import Resolver
        from engine.workflows.steps.transport import ProbeTransport

        # At INFO httpx logs whole URLs, secrets included.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._clock = clock
        self._client = httpx.AsyncClient(
            transport=ProbeTransport(resolver or Resolver()),
            headers=_HEADERS,
            cookies=_NoCookies(),
            timeout=None,  # noqa: S113 - every request runs under its step's own deadline
            trust_env=False,
        )

    def target(self, spec: HttpSpec) -> str:
        """`scheme://host:port`."""
        try:
            parts = urlsplit(spec.url)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
            return plain(f"{parts.scheme}://{parts.hostname or ''}:{port}", 300)
        except ValueError:
            # The library's own words quote parts of the address, which may be parts of a secret.
            raise _wrong(f"the address {_shown(spec.url)} is not one: host or port cannot be read") from None

    async def run(self, spec: HttpSpec, context: StepContext) -> Reply:
        """Send the request, follow redirects if told to, and take the body.

        Raises:
            StepError: no usable answer, with the phase it stopped at.
            CheckError: the request itself cannot be sent.
        """
        probe = Probe(spec.verify, spec.max_body)
        request = self._request(spec, context, probe)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(context.timeout):
                response, body, redirects = await self._exchange(request, spec, probe)
        except TimeoutError:
            seconds, peer = format_duration(round(context.timeout, 3)), probe.peer or plain(request.url.host)
            raise probe.fault(f"no answer within {seconds} from {peer}", ErrorType.TIMEOUT) from None
        fields = _Fields(
            response, body, probe, time.perf_counter() - started, _public_url(response.url), redirects
        )
        return self._reply(response, fields, probe, spec)

    async def close(self) -> None:
        await self._client.aclose()

    def _request(self, spec: HttpSpec, context: StepContext, probe: Probe) -> httpx.Request:
        for name, value in (("the address", spec.url), *_header_texts(spec.headers)):
            if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
                raise _wrong(f"{name} has a line break or control character in it")
        body = read_body(spec.body_file) if spec.body_file is not None else spec.body
        try:
            request = self._client.build_request(
                spec.method,
                spec.url,
                params=spec.params or None,
                headers={"traceparent": context.traceparent, **spec.headers, **_authorization(spec)},
                json=spec.json_,
                data=spec.form,
                content=body,
                extensions={"probe": probe},
            )
            request.extensions["route"] = _route(spec, request.url)
        except Exception as error:  # border: httpx, idna and codecs each have errors of their own
            raise _wrong(f"the request cannot be made: {plain(error, 200)}") from error
        if request.url.scheme not in _DEFAULT_PORTS or not request.url.host:
            raise _wrong(f"the address {_shown(spec.url)} does not begin with http:// or https:// and a host")
        if (request.url.port or 1) > 65535:
            raise _wrong(f"the address {_shown(spec.url)} has no such port")
        return request

    async def _exchange(
        self, request: httpx.Request, spec: HttpSpec, probe: Probe
    ) -> tuple[httpx.Response, bytes, int]:
        for redirects in range(spec.max_redirects + 1):
            response = await self._client.send(request, stream=True)
            async with aclosing(response):
                following = response.next_request if spec.follow_redirects else None
                if following is None:
                    return response, await _take(response, probe), redirects
                _check_redirect(request.url, following.url, spec, probe)
                request = following
        message = f"over {spec.max_redirects} redirects"
        raise probe.fault(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION)

    def _reply(self, response: httpx.Response, fields: _Fields, probe: Probe, spec: HttpSpec) -> Reply:
        status = response.status_code
        failure = None
        if status >= 400:
            kind, category = classify_status(status)
            reason = f" {plain(response.reason_phrase, 80)}" if response.reason_phrase else ""
            message = f"status {status}{reason} from {probe.peer}"
            failure = Failure(message, kind, category, self._retry_after(response))
        attributes: dict[str, Scalar] = {
            "http.request.method": response.request.method,
            "url.full": fields["url"],
            "http.response.status_code": status,
            "http.response.body.size": fields["size"],
            "network.peer.address": probe.peer,
            "network.protocol.version": response.http_version.removeprefix("HTTP/"),
        }
        if not spec.verify:
            attributes["tls.verify"] = False
        assertions: tuple[Assertion, ...] = ()
        if spec.schema_ is not None:
            is_json = fields["json"] is not None or fields["body"].strip() == "null"
            assertions = (fits(spec.schema_, fields["json"], is_json),)
        return Reply(fields, probe.phases, attributes, failure, assertions)

    def _retry_after(self, response: httpx.Response) -> float | None:
        value = response.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(value[:9])
        try:
            return max(parsedate_to_datetime(value).timestamp() - self._clock.now(), 0.0) if value else None
        except (ValueError, OverflowError):
            return None


class _NoCookies(CookieJar):
    """Keeps none: probes share a client, and must not share what servers remember of them."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Take nothing."""


class _Headers(dict[str, str]):
    """Names in lower case, found in any."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.lower(), default)


class _Fields(Mapping[str, Any]):
    """What expectations see of a response; text and JSON are read when first asked for."""

    def __init__(
        self,
        response: httpx.Response,
        body: bytes,
        probe: Probe,
        duration: float,
        url: str,
        redirects: int,
    ) -> None:
        self._response = response
        self._body = body
        self._known: dict[str, Any] = {
            "status": response.status_code,
            "size": len(body),
            "duration": duration,
            "url": url,
            "redirects": redirects,
            **probe.seconds,
        }

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            if name not in HTTP_FIELDS:
                raise KeyError(name)
            self._known[name] = self._read(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(HTTP_FIELDS)

    def __len__(self) -> int:
        return len(HTTP_FIELDS)

    def _read(self, name: str) -> Any:
        match name:
            case "body":
                return _decoded(self._body, self._response.charset_encoding)
            case "json":
                return parse_json(self["body"])
            case "headers":
                return _Headers((key.lower(), value) for key, value in self._response.headers.items())
            case "cookies":
                return _cookies(self._response.headers.get_list("set-cookie"))
            case "reason":
                return self._response.reason_phrase
            case "http_version":
                return self._response.http_version
        raise KeyError(name)


async def _take(response: httpx.Response, probe: Probe) -> bytes:
    body = Body(response.headers.get("content-encoding", ""), probe.max_body)
    try:
        async for chunk in response.aiter_raw():
            body.feed(chunk)
        return body.finish()
    except (ValueError, zlib.error) as error:
        raise body_fault(error, probe) from error


def _decoded(body: bytes, charset: str | None) -> str:
    try:
        return body.decode(charset or "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _authorization(spec: HttpSpec) -> dict[str, str]:
    auth = spec.auth
    if auth is None:
        return {}
    if "bearer" in auth:
        return {"authorization": f"Bearer {auth['bearer']}"}
    return {"authorization": basic(f"{auth['user']}:{auth.get('password', '')}")}


def _route(spec: HttpSpec, url: httpx.URL) -> Route:
    if spec.proxy is None and spec.tls is None and spec.http_version == "1.1":
        return DIRECT
    proxy = Proxy(*parse_proxy(spec.proxy)) if spec.proxy is not None else None
    origin = (url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme, 0))
    return Route(spec.http_version, proxy, spec.tls, origin)


def _check_redirect(start: httpx.URL, end: httpx.URL, spec: HttpSpec, probe: Probe) -> None:
    refused = ""
    if start.scheme == "https" and end.scheme == "http":
        refused = f"redirect from https to http://{plain(end.host, 255)} is refused"
    elif spec.follow_redirects == "same-host" and end.host != start.host:
        refused = f"redirect to another host, {plain(end.host, 255)}, is refused"
    if refused:
        raise probe.fault(refused, ErrorType.PERMANENT, ErrorCategory.VALIDATION)


def _cookies(lines: list[str]) -> dict[str, str]:
    """Values of Set-Cookie by name; of two with one name the later one counts."""
    pairs = (line.split(";", 1)[0].partition("=") for line in lines)
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs if name.strip()}


def _header_texts(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        yield f"the header {plain(name, 80)}", f"{name}{value}"


def _public_url(url: httpx.URL) -> str:
    """Without user, password, fragment and the values of the query: they may be secrets."""
    names = "&".join(dict.fromkeys(url.params.keys())) if url.query else ""
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = f":{url.port}" if url.port else ""
    return clean(f"{url.scheme}://{host}{port}{url.path}{'?' + names if names else ''}", URL_SHOWN)


def _shown(url: str) -> str:
    """As much of a wrong address as holds no secrets."""
    return plain(url.split("?")[0].rsplit("@", 1)[-1], 100)


def _wrong(message: str) -> CheckError:
    return CheckError(Failure(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION))
