"""How much of the traces is kept, where they are sent, and who may add to them."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from engine.config.types import PositiveDuration, Strict, Token, Written
from engine.redaction import is_secret_name

Signal = Literal["traces", "logs", "metrics"]


def _share(value: object) -> object:
    """`10%` is 0.1."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return float(value.strip()[:-1]) / 100
        except ValueError:
            return value
    return value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("an endpoint is the base URL of a collector, such as http://127.0.0.1:4318")
    return value


Share = Annotated[
    float,
    BeforeValidator(_share),
    Field(ge=0, le=1, strict=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": r"^\s*[\d.]+\s*%\s*$"},
            ]
        }
    ),
]


_HeaderName = Annotated[
    str,
    Written(
        r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$",
        "the name of a header is letters, digits and signs such as `-`, at most 100",
    ),
]


class ExportSpec(Strict):
    """An OpenTelemetry collector that gets what is recorded, over OTLP/HTTP with JSON.

    Keys:
        url: its base URL; `/v1/traces` and the like are added.
        headers: sent along, such as `{Authorization: "Bearer ${env:OTLP_TOKEN}"}`; the values of
            `${env:…}`, and of names that say they hold a credential, are hidden wherever they turn up.
        signals: what it gets: `traces`, `logs`, `metrics`.
    """

    url: Annotated[str, AfterValidator(_base_url)]
    headers: dict[_HeaderName, str] = Field(default_factory=dict)
    signals: Annotated[tuple[Signal, ...], BeforeValidator(_tuple), Field(min_length=1)] = ("traces",)


class TracingSpec(Strict):
    """Keys about traces.

    Keys:
        sample: the share of executions whose spans are kept, such as 0.1; decided by the trace identifier,
            and passed on in `traceparent`. Those that did not simply succeed at once keep theirs always:
            failed, degraded, tried again, or slow. Executions, points and log lines are all kept.
        slow: an execution that takes this long keeps its spans.
        accept: 16 to 128 letters, digits, `-` and `_`: programs that know this token may add spans to traces
            that began here, as OTLP/JSON at `http://HEARTBEATS/TOKEN/v1/traces`.
        export: where what is recorded is sent, too.
    """

    sample: Share = 1.0
    slow: PositiveDuration | None = None
    accept: Token | None = None
    export: ExportSpec | None = None

    @property
    def secrets(self) -> frozenset[str]:
        """What is not to be seen anywhere, also when the file says it in plain words."""
        headers = self.export.headers.items() if self.export is not None else ()
        credentials = {value for name, value in headers if is_secret_name(name.lower())}
        return frozenset(credentials | ({self.accept} if self.accept else set()))
