"""What an `http:` step may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from engine.config.types import Strict

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class HttpSpec(Strict):
    """One HTTP request. `max_body` caps the bytes kept after decompression; more is a failure."""

    url: Annotated[str, Field(min_length=1)]
    method: Method = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    json_: Annotated[Any, Field(alias="json")] = None
    form: dict[str, str] | None = None
    body: str | None = None
    follow_redirects: bool = False
    verify: bool = True
    max_body: Annotated[int, Field(ge=0, le=64 * 1024 * 1024)] = 1024 * 1024

    @model_validator(mode="after")
    def _one_body(self) -> HttpSpec:
        if sum(part is not None for part in (self.json_, self.form, self.body)) > 1:
            raise ValueError("a request has at most one of json, form, body")
        return self


HTTP_FIELDS = frozenset(
    {"status", "reason", "headers", "body", "json", "size", "duration", "url", "http_version"}
    | {"dns", "connect", "tls", "first_byte", "transfer"}
)
"""What `expect` and `extract` of an http step may begin with."""
