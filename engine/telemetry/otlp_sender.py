"""Sends telemetry to an OpenTelemetry collector over OTLP/HTTP with JSON."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from engine.clock import Clock, SystemClock
from engine.errors import TocsinError
from engine.model import ErrorCategory, ErrorType, Failure, LogRecord, Point, Scalar, Span
from engine.resilience.classify import classify, classify_status
from engine.resilience.retry import DEFAULT, RetryPolicy, with_retry
from engine.telemetry.otlp import SERVICE, Document, logs_document, points_document, spans_document
from engine.text import plain
from engine.version import __version__

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

BATCH = 256
"""Records in one request: to write more at once would hold up the loop for more than a few milliseconds."""
ATTEMPT_TIMEOUT = 10.0
"""Seconds that one request may take, connection and answer included."""
TIMEOUT = 60.0
"""Seconds that one batch may take, retries and waits included."""
ANSWER_LIMIT = 65_536
"""Bytes of an answer that are read."""

_RETRYABLE = frozenset({429, 502, 503, 504})


class OtlpError(TocsinError):
    """The collector refused a batch; `failure` says whether it may take it later."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of records: accepted, rejected one by one by the collector, or not delivered.

    `failure` is why some were not delivered, `note` what the collector had to say.
    """

    accepted: int = 0
    rejected: int = 0
    undelivered: int = 0
    failure: Failure | None = None
    note: str = ""


class OtlpSender:
    """A connection to one collector; `close()` it.

    Args:
        endpoint: base URL, such as `http://127.0.0.1:4318`; `/v1/traces` and the like are added.
        headers: sent along, for authentication. Proxies of the environment are not used.
        resource: attributes of what the telemetry comes from.
        policy: how often and how patiently a batch is tried.
    """

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str] | None = None,
        *,
        resource: Mapping[str, Scalar] = SERVICE,
        clock: Clock | None = None,
        policy: RetryPolicy = DEFAULT,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._headers = {"user-agent": f"tocsin/{__version__}"} | dict(headers or {})
        self._resource = resource
        self._clock = clock or SystemClock()
        self._policy = policy
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Close the connection; harmless twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def send_spans(self, spans: Sequence[Span]) -> Sent:
        """Deliver spans; after a batch that could not be delivered no other is tried."""
        return await self._send("traces", "rejectedSpans", spans_document, spans)

    async def send_logs(self, records: Sequence[LogRecord]) -> Sent:
        """Deliver log records, likewise."""
        return await self._send("logs", "rejectedLogRecords", logs_document, records)

    async def send_points(self, points: Sequence[Point]) -> Sent:
        """Deliver points, likewise."""
        return await self._send("metrics", "rejectedDataPoints", points_document, points)

    async def _send(
        self,
        signal: str,
        rejected_key: str,
        document: Callable[[Sequence[T], Mapping[str, Scalar]], Document],
        records: Sequence[T],
    ) -> Sent:
        accepted = rejected = 0
        note = ""
        for batch in _batches(records):
            body = json.dumps(document(batch, self._resource), separators=(",", ":")).encode()
            post = partial(self._post, f"{self._endpoint}/v1/{signal}", body)
            result = await with_retry(post, self._policy, clock=self._clock, timeout=TIMEOUT)
            if result.error is not None:
                left = len(records) - accepted - rejected
                return Sent(accepted, rejected, left, classify(result.error), note)
            refused, said = _partial(result.value(), rejected_key, len(batch))
            accepted, rejected, note = accepted + len(batch) - refused, rejected + refused, said or note
        return Sent(accepted, rejected, note=note)

    async def _post(self, url: str, body: bytes) -> bytes:
        """The collector's answer. Raises OtlpError, TimeoutError and the errors of httpx."""
        headers = self._headers | {"content-type": "application/json"}
        answer = bytearray()
        try:
            async with (
                asyncio.timeout(ATTEMPT_TIMEOUT),
                self._opened().stream("POST", url, content=body, headers=headers) as response,
            ):
                async for piece in response.aiter_raw():
                    answer += piece[: ANSWER_LIMIT - len(answer)]
                    if len(answer) >= ANSWER_LIMIT:
                        break
        except TimeoutError:
            raise TimeoutError(f"the collector did not answer within {ATTEMPT_TIMEOUT:g} s") from None
        if not response.is_success:
            raise OtlpError(_refusal(response, bytes(answer)))
        return bytes(answer)

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            # At INFO httpx logs whole URLs, secrets included.
            logging.getLogger("httpx").setLevel(logging.WARNING)
            self._client = httpx.AsyncClient(
                timeout=None,  # noqa: S113 - every request runs under ATTEMPT_TIMEOUT as a whole
                headers={"accept-encoding": "identity"},
                trust_env=False,
            )
        return self._client


def _batches(records: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(records)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _refusal(response: httpx.Response, answer: bytes) -> Failure:
    """By the letter of OTLP only four statuses are worth another attempt."""
    status = response.status_code
    category = classify_status(status)[1] if status >= 400 else ErrorCategory.VALIDATION
    kind = ErrorType.RATE_LIMIT if status == 429 else ErrorType.TRANSIENT
    wait = response.headers.get("retry-after", "").strip()
    return Failure(
        f"the collector answered {status}: {plain(answer, 200) or response.reason_phrase}",
        kind if status in _RETRYABLE else ErrorType.PERMANENT,
        category,
        float(wait[:9]) if wait.isascii() and wait.isdigit() else None,
    )


def _partial(answer: bytes, key: str, count: int) -> tuple[int, str]:
    """How many of `count` records an answer rejects, and what it says; an unreadable one rejects none."""
    try:
        said: Any = json.loads(answer)["partialSuccess"]
        return min(max(int(said.get(key, 0)), 0), count), plain(said.get("errorMessage", ""), 300)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return 0, ""
