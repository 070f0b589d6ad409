"""What an `http` step sends, made of its specification; and where an answer sends it on to."""

from __future__ import annotations

import functools
import json
import logging
import re
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from engine.text import clean, plain
from engine.version import __version__
from engine.workflows.steps.decoding import read_body
from engine.workflows.steps.dial import one_line, wrong
from engine.workflows.steps.http_spec import HttpSpec
from engine.workflows.steps.route import basic

if TYPE_CHECKING:
    import httpx

    from engine.workflows.steps.answer import Answer

Headers = tuple[tuple[bytes, bytes], ...]
Texts = tuple[tuple[str, str], ...]

PORTS = {"http": 80, "https": 443}
URL_SHOWN = 500
_CACHED = 4_096
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_DEFAULTS = {
    "accept": "*/*",
    "accept-encoding": "gzip",
    "connection": "keep-alive",
    "user-agent": f"tocsin/{__version__}",
}


@dataclass(frozen=True, slots=True)
class Place:
    """An address taken apart: `target` is asked for at `authority`; only `shown` holds no secrets.

    `authorization` is the value of a header for the user and password in the address.
    """

    url: httpx.URL
    scheme: str
    host: str
    port: int
    authority: bytes
    target: bytes
    authorization: str | None
    shown: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request; a body that is chunked goes out in one chunk, without a length."""

    method: str
    place: Place
    headers: Headers
    body: bytes
    is_chunked: bool = False


@dataclass(frozen=True, slots=True)
class _Head:
    """Headers that are the same in every run, and their names in lower case."""

    headers: Headers
    names: frozenset[str]


def build_request(spec: HttpSpec, traceparent: str) -> Request:
    """The request of a specification.

    Raises:
        CheckError: it cannot be sent as it is written.
    """
    params = tuple((name, _written(value)) for name, value in spec.params.items())
    try:
        place = _place(spec.url, params)
        body, kind = _content(spec)
        head = _head(tuple(spec.headers.items()), place.authorization or _authorization(spec))
    except (ValueError, TypeError, RecursionError) as error:
        raise wrong(f"the request cannot be made: {plain(error, 200)}") from error
    names = head.names
    added = []
    if "host" not in names:
        added.append((b"Host", place.authority))
    if "traceparent" not in names:
        added.append((b"traceparent", traceparent.encode("ascii")))
    if kind is not None and "content-type" not in names:
        added.append((b"content-type", kind))
    is_chunked = "transfer-encoding" in names
    if "content-length" in names:
        _check_length(head, body)
    elif not is_chunked and (body or spec.method in _WITH_LENGTH):
        added.append((b"content-length", b"%d" % len(body)))
    return Request(spec.method, place, (*added, *head.headers), body, is_chunked)


class Redirects:
    """Where answers send requests on to, by httpx's rules: which method, which headers, which address.

    Making one imports httpx, which takes a quarter of a second.
    """

    def __init__(self) -> None:
        import httpx

        # At INFO httpx logs whole URLs, secrets included.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        known = httpx.MockTransport(lambda request: request.extensions["answer"])
        self._client = httpx.Client(transport=known, cookies=_NoCookies(), trust_env=False)

    def following(self, request: Request, answer: Answer) -> Request:
        """The request that a redirect asks for.

        Raises:
            ValueError: it leads to no address; the words hold none of it.
        """
        import httpx

        sent = httpx.Request(
            request.method,
            request.place.url,
            headers=list(request.headers),
            stream=httpx.ByteStream(request.body),
            extensions={"answer": httpx.Response(answer.status, headers=answer.headers)},
        )
        try:
            found = self._client.send(sent).next_request
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ValueError("a redirect to no address") from error
        if found is None:
            raise ValueError("a redirect to no address")
        place = place_of(found.url)
        if place.authorization is not None:
            found.headers["Authorization"] = place.authorization
        headers = tuple(found.headers.raw)
        return Request(found.method, place, headers, found.read(), "transfer-encoding" in found.headers)

    def close(self) -> None:
        self._client.close()


class _NoCookies(CookieJar):
    """Keeps none: probes must not share what servers remember of them."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Take nothing."""


def place_of(url: httpx.URL) -> Place:
    """An address taken apart.

    Raises:
        ValueError: it has no host, or a port that is none.
    """
    port = url.port or PORTS.get(url.scheme, 0)
    if not url.host:
        raise ValueError("the address has no host")
    if port > 65535:
        raise ValueError("the address has no such port")
    named = url.username or url.password
    authorization = basic(f"{url.username}:{url.password}") if named else None
    return Place(url, url.scheme, url.host, port, url.netloc, url.raw_path, authorization, _public_url(url))


@functools.lru_cache(_CACHED)
def _place(text: str, params: Texts) -> Place:
    import httpx

    one_line("the address", text)
    try:
        url = httpx.URL(text)
        if params:
            url = url.copy_merge_params(params)
    except httpx.InvalidURL as error:
        raise ValueError(plain(error, 200)) from error
    if url.scheme not in PORTS or not url.host:
        raise wrong(f"the address {shown(text)} does not begin with http:// or https:// and a host")
    if (url.port or 1) > 65535:
        raise wrong(f"the address {shown(text)} has no such port")
    return place_of(url)


@functools.lru_cache(_CACHED)
def _head(said: Texts, authorization: str | None) -> _Head:
    texts = {name: (name, value) for name, value in _DEFAULTS.items()}
    for name, value in said:
        one_line(f"the header {plain(name, 80)}", f"{name}{value}")
        if not _NAME.fullmatch(name):
            raise wrong(f"{plain(name, 80)} is no name of a header")
        if value != value.strip():
            raise wrong(f"the header {name} begins or ends with a space")
        texts[name.lower()] = (name, value)
    if authorization is not None:
        texts["authorization"] = ("authorization", authorization)
    if texts.get("transfer-encoding", ("", "chunked"))[1].lower() != "chunked":
        raise wrong("the header transfer-encoding can only say chunked")
    if "transfer-encoding" in texts and "content-length" in texts:
        raise wrong("a request has a content-length or a transfer-encoding, not both")
    headers = tuple((name.encode("ascii"), value.encode("ascii")) for name, value in texts.values())
    return _Head(headers, frozenset(texts))


def _check_length(head: _Head, body: bytes) -> None:
    said = next(value for name, value in head.headers if name.lower() == b"content-length")
    if said != b"%d" % len(body):
        raise wrong(f"the header content-length says {plain(said, 20)}, the body has {len(body)} bytes")


def _content(spec: HttpSpec) -> tuple[bytes, bytes | None]:
    """The body, and of which type it is when its key tells."""
    if spec.body_file is not None:
        return read_body(spec.body_file), None
    if spec.body is not None:
        return spec.body.encode("utf-8"), None
    if spec.form:
        return urlencode(spec.form).encode("ascii"), b"application/x-www-form-urlencoded"
    if spec.json_ is not None:
        text = json.dumps(spec.json_, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-8"), b"application/json"
    return b"", None


def _written(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _authorization(spec: HttpSpec) -> str | None:
    auth = spec.auth
    if auth is None:
        return None
    if "bearer" in auth:
        return f"Bearer {auth['bearer']}"
    return basic(f"{auth['user']}:{auth.get('password', '')}")


def _public_url(url: httpx.URL) -> str:
    """Without user, password, fragment and the values of the query: they may be secrets."""
    names = "&".join(dict.fromkeys(url.params.keys())) if url.query else ""
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = f":{url.port}" if url.port else ""
    return clean(f"{url.scheme}://{host}{port}{url.path}{'?' + names if names else ''}", URL_SHOWN)


def shown(url: str) -> str:
    """As much of a wrong address as holds no secrets."""
    return plain(url.split("?")[0].rsplit("@", 1)[-1], 100)
