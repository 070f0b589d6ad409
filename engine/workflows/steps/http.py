"""The `http` step: one request, answered within its time, told apart by phase."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Iterator, Mapping
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from engine.clock import Clock
from engine.lines import spelled
from engine.model import Assertion, ErrorCategory, ErrorType, Failure, Scalar
from engine.resilience.classify import classify_status
from engine.text import clean, plain
from engine.workflows.steps.base import Reply, StepContext
from engine.workflows.steps.decoding import parse_json
from engine.workflows.steps.dial import target_of, wrong
from engine.workflows.steps.http_spec import HTTP_FIELDS, HttpSpec, parse_proxy
from engine.workflows.steps.json_schema import fits
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.request import PORTS, Place, Redirects, Request, build_request, shown
from engine.workflows.steps.route import DIRECT, Proxy, Route

if TYPE_CHECKING:
    from engine.workflows.steps.answer import Answer
    from engine.workflows.steps.resolver import Resolver

_CACHED = 4_096
_REFUSED = (ErrorType.PERMANENT, ErrorCategory.VALIDATION)


class HttpStep:
    """Serves all http steps; each request has its own connection, and no cookies.

    Making one imports httpx, which takes a quarter of a second.

    Args:
        clock: only to read an HTTP date in Retry-After.
        resolver: names to addresses; the system's unless given.
    """

    name = "http"

    def __init__(self, clock: Clock, resolver: Resolver | None = None) -> None:
        from engine.workflows.steps.resolver import Resolver
        from engine.workflows.steps.transport import Transport

        self._clock = clock
        self._transport = Transport(resolver or Resolver())
        self._redirects = Redirects()

    def target(self, spec: HttpSpec) -> str:
        """`scheme://host:port`."""
        return _target(spec.url)

    async def run(self, spec: HttpSpec, context: StepContext) -> Reply:
        """Send the request, follow redirects if told to, and take the body.

        Raises:
            StepError: no usable answer, with the phase it stopped at.
            CheckError: the request itself cannot be sent.
        """
        probe = Probe(spec.verify, spec.max_body)
        request = build_request(spec, context.traceparent)
        route = _route(spec, request.place)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(context.timeout):
                answer, request, redirects = await self._exchange(request, route, spec, probe)
        except TimeoutError:
            seconds, peer = (
                spelled(round(context.timeout, 3)),
                probe.peer or plain(request.place.host),
            )
            raise probe.fault(f"no answer within {seconds} from {peer}", ErrorType.TIMEOUT) from None
        fields = _Fields(answer, probe, time.perf_counter() - started, request.place.shown, redirects)
        return self._reply(answer, request, fields, probe, spec)

    async def close(self) -> None:
        self._redirects.close()
        await self._transport.close()

    async def _exchange(
        self, request: Request, route: Route, spec: HttpSpec, probe: Probe
    ) -> tuple[Answer, Request, int]:
        follows = spec.follow_redirects is not False
        for redirects in range(spec.max_redirects + 1):
            answer = await self._transport.fetch(request, route, probe, follows=follows)
            if not (follows and answer.is_redirect):
                return answer, request, redirects
            try:
                following = self._redirects.following(request, answer)
            except ValueError as error:
                raise probe.fault(f"a redirect leads nowhere: {plain(error, 120)}", *_REFUSED) from error
            _check_redirect(request.place, following.place, spec, probe)
            request = following
        raise probe.fault(f"over {spec.max_redirects} redirects", *_REFUSED)

    def _reply(
        self, answer: Answer, request: Request, fields: _Fields, probe: Probe, spec: HttpSpec
    ) -> Reply:
        status = answer.status
        failure = None
        if status >= 400:
            kind, category = classify_status(status)
            reason = f" {plain(answer.reason, 80)}" if answer.reason else ""
            message = f"status {status}{reason} from {probe.peer}"
            failure = Failure(
                message, kind, category, self._retry_after(answer.value(b"retry-after").strip())
            )
        attributes: dict[str, Scalar] = {
            "http.request.method": request.method,
            "url.full": request.place.shown,
            "http.response.status_code": status,
            "http.response.body.size": len(answer.body),
            "network.peer.address": probe.peer,
            "network.protocol.version": answer.version,
        }
        if not spec.verify:
            attributes["tls.verify"] = False
        assertions: tuple[Assertion, ...] = ()
        if spec.schema_ is not None:
            is_json = fields["json"] is not None or fields["body"].strip() == "null"
            assertions = (fits(spec.schema_, fields["json"], is_json),)
        return Reply(fields, probe.phases, attributes, failure, assertions)

    def _retry_after(self, value: str) -> float | None:
        if value.isascii() and value.isdigit():
            return float(value[:9])
        try:
            return max(parsedate_to_datetime(value).timestamp() - self._clock.now(), 0.0) if value else None
        except (ValueError, OverflowError):
            return None


class _Headers(dict[str, str]):
    """Names in lower case, found in any."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.lower(), default)


class _Fields(Mapping[str, Any]):
    """What expectations see of an answer; text and JSON are read when first asked for."""

    def __init__(self, answer: Answer, probe: Probe, duration: float, url: str, redirects: int) -> None:
        self._answer = answer
        self._known: dict[str, Any] = {
            "status": answer.status,
            "size": len(answer.body),
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
        answer = self._answer
        match name:
            case "body":
                return _decoded(answer.body, answer.value(b"content-type"))
            case "json":
                return parse_json(self["body"])
            case "headers":
                names = dict.fromkeys(key.lower() for key, _ in answer.headers)
                return _Headers((key.decode("latin-1"), answer.value(key)) for key in names)
            case "cookies":
                return _cookies(answer.values(b"set-cookie"))
            case "reason":
                return clean(answer.reason)
            case "http_version":
                return f"HTTP/{answer.version}"
        raise KeyError(name)


def _decoded(body: bytes, content_type: str) -> str:
    message = Message()
    message["content-type"] = content_type
    try:
        return body.decode(message.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        return body.decode("utf-8", "replace")


@functools.lru_cache(_CACHED)
def _target(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
        return target_of(parts.scheme, parts.hostname or "", port)
    except ValueError:
        # The library's own words quote parts of the address, which may be parts of a secret.
        raise wrong(f"the address {shown(url)} is not one: host or port cannot be read") from None


def _route(spec: HttpSpec, place: Place) -> Route:
    if spec.proxy is None and spec.tls is None and spec.http_version == "1.1":
        return DIRECT
    try:
        proxy = Proxy(*parse_proxy(spec.proxy)) if spec.proxy is not None else None
    except ValueError as error:
        raise wrong(str(error)) from error
    return Route(spec.http_version, proxy, spec.tls, (place.scheme, place.host, place.port))


def _check_redirect(start: Place, end: Place, spec: HttpSpec, probe: Probe) -> None:
    refused = ""
    if start.scheme == "https" and end.scheme == "http":
        refused = f"redirect from https to http://{plain(end.host, 255)} is refused"
    elif spec.follow_redirects == "same-host" and end.host != start.host:
        refused = f"redirect to another host, {plain(end.host, 255)}, is refused"
    if refused:
        raise probe.fault(refused, *_REFUSED)


def _cookies(lines: list[str]) -> dict[str, str]:
    """Values of Set-Cookie by name; of two with one name the later one counts."""
    pairs = (line.split(";", 1)[0].partition("=") for line in lines)
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs if name.strip()}
