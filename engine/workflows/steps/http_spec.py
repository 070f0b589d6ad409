"""What an `http:` step may say.

```yaml
id: orders
http:
  method: POST
  url: https://shop.example/orders
  http_version: auto                  # HTTP/2 where the server offers it
  auth: {user: demo, password: secret}        # or {bearer: token}
  tls: {certificate: /etc/tocsin/client.pem, key: /etc/tocsin/client.key}
  json: {item: 7}
  follow_redirects: same-host
  schema: {type: object, required: [id]}
expect: ["status == 201", "json.id > 0", "cookies.session != null", "headers.location matches '^/orders/'"]
extract: {order: json.id}
```
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from engine.config.types import Strict

ProxyScheme = Literal["http", "socks5"]
_SOCKS_LIMIT = 255
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


class HttpSpec(Strict):
    """One HTTP request. Paths of files are relative to the directory the engine was started in.

    Keys:
        method, url, params, headers: the request line and head; `params` are added to the query.
        json, form, body, body_file: at most one of them is sent; `body_file` is the path of a file of at
            most 16 MiB, read at each run.
        auth: `{user, password}` for Basic or `{bearer}` for a token.
        tls: files in PEM: `certificate` and `key` of the client (the key may be in the certificate's file),
            `ca` for authorities that are trusted instead of the system's.
        verify: whether the server's certificate is checked.
        http_version: `1.1`; `2` and nothing else (over plain http by prior knowledge); `auto`, what TLS
            agrees on.
        follow_redirects: false, true, or `same-host` (to another host is a failure); from https to http is
            never followed. `max_redirects` is the longest chain.
        proxy: `http://[user:password@]host:port`, where https goes through by CONNECT, or
            `socks5://[user:password@]host:port`. The proxy resolves the host's name.
        schema: a JSON Schema that the body must fit; patterns are of linear time, references stay inside.
        max_body: bytes kept after decompression; a longer body is a failure.
    """

    url: Annotated[str, Field(min_length=1)]
    method: Method = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    json_: Annotated[Any, Field(alias="json")] = None
    form: dict[str, str] | None = None
    body: str | None = None
    body_file: Annotated[str, Field(min_length=1)] | None = None
    auth: dict[Literal["user", "password", "bearer"], str] | None = None
    tls: dict[Literal["certificate", "key", "ca"], str] | None = None
    verify: bool = True
    http_version: Literal["1.1", "2", "auto"] = "1.1"
    follow_redirects: bool | Literal["same-host"] = False
    max_redirects: Annotated[int, Field(ge=0, le=20)] = 5
    proxy: Annotated[str, Field(min_length=1)] | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    max_body: Annotated[int, Field(ge=0, le=64 * 1024 * 1024)] = 1024 * 1024

    @model_validator(mode="after")
    def _fits_together(self) -> HttpSpec:
        if sum(part is not None for part in (self.json_, self.form, self.body, self.body_file)) > 1:
            raise ValueError("a request has at most one of json, form, body, body_file")
        if self.auth is not None and self.auth.keys() not in ({"user"}, {"user", "password"}, {"bearer"}):
            raise ValueError("auth is {user, password} or {bearer}")
        if self.auth is not None and any(name.lower() == "authorization" for name in self.headers):
            raise ValueError("who asks is said by auth or by a header Authorization, not by both")
        if self.tls is not None and "key" in self.tls and "certificate" not in self.tls:
            raise ValueError("tls.key belongs to a tls.certificate")
        return self

    @field_validator("proxy")
    @classmethod
    def _is_proxy(cls, value: str | None) -> str | None:
        if value is not None and "{{" not in value:
            parse_proxy(value)
        return value

    @field_validator("schema_")
    @classmethod
    def _is_schema(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            from engine.workflows.steps.json_schema import compile_schema

            compile_schema(value)
        return value


def parse_proxy(text: str) -> tuple[str, int, str | None, ProxyScheme]:
    """Host, port, `user:password` (percent-decoded) and scheme of a proxy's address.

    Raises:
        ValueError: with a sentence.
    """
    from urllib.parse import unquote

    wanted = "a proxy is written http://host:port or socks5://host:port, with user:password@ before the host"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(wanted) from None
    if parts.scheme not in ("http", "socks5") or not host or not port or parts.path.strip("/") or parts.query:
        raise ValueError(wanted)
    scheme: ProxyScheme = "http" if parts.scheme == "http" else "socks5"
    if parts.username is None:
        return host, port, None, scheme
    user, password = unquote(parts.username), unquote(parts.password or "")
    if scheme == "socks5" and max(len(user.encode()), len(password.encode())) > _SOCKS_LIMIT:
        raise ValueError(f"user and password for a SOCKS5 proxy have at most {_SOCKS_LIMIT} bytes each")
    return host, port, f"{user}:{password}", scheme


HTTP_FIELDS = frozenset(
    {"status", "reason", "headers", "cookies", "body", "json", "size", "duration", "url", "http_version"}
    | {"redirects", "dns", "connect", "tls", "first_byte", "transfer"}
)
"""What `expect` and `extract` of an http step may begin with."""
