"""The `grpc` step: asks a server how it is, by gRPC's standard health service.

```yaml
id: ledger
grpc:
  address: ledger.example:443
  service: bank.Ledger                # the server as a whole when left out
  tls: true
  metadata: {authorization: "Bearer secret"}
expect: ["status == SERVING", "duration < 200ms"]
```
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

from pydantic import Field, model_validator

from engine.clock import Clock
from engine.config.types import Strict
from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.resilience.classify import classify_status
from engine.text import plain
from engine.version import __version__
from engine.workflows.steps.base import Reply, StepContext, StepError
from engine.workflows.steps.dial import conversation, host_and_port, one_line, wrong
from engine.workflows.steps.probe import Probe

if TYPE_CHECKING:
    from engine.workflows.steps.resolver import Resolver

ANSWER_LIMIT = 4_096

_PATH = b"/grpc.health.v1.Health/Check"
_PROTOCOLS = ("h2",)
_STATUSES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_METADATA = re.compile(r"[a-z0-9_.-]{1,100}")
_CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"),
    *("UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
_KINDS = {
    "DEADLINE_EXCEEDED": (ErrorType.TIMEOUT, ErrorCategory.NETWORK),
    "NOT_FOUND": (ErrorType.PERMANENT, ErrorCategory.NOT_FOUND),
    "PERMISSION_DENIED": (ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
    "UNAUTHENTICATED": (ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
    "RESOURCE_EXHAUSTED": (ErrorType.RATE_LIMIT, ErrorCategory.RATE_LIMIT),
    "UNIMPLEMENTED": (ErrorType.PERMANENT, ErrorCategory.NOT_FOUND),
    "INVALID_ARGUMENT": (ErrorType.PERMANENT, ErrorCategory.VALIDATION),
    "UNAVAILABLE": (ErrorType.TRANSIENT, ErrorCategory.NETWORK),
}


class GrpcSpec(Strict):
    """One question to a health service.

    Keys:
        address: `host:port`.
        service: whose health; the server's own when empty.
        tls: whether TLS is spoken; `verify` checks the certificate; `certificate` and `key` of the client and
            `ca` for authorities trusted instead of the system's are files in PEM.
        metadata: what the call says besides; names in lower case.
    """

    address: Annotated[str, Field(min_length=1)]
    service: Annotated[str, Field(max_length=500)] = ""
    tls: bool = False
    verify: bool = True
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _files_belong_to_tls(self) -> GrpcSpec:
        if not self.tls and (self.certificate or self.key or self.ca):
            raise ValueError("certificate, key and ca belong to tls: true")
        if self.key and not self.certificate:
            raise ValueError("key belongs to a certificate")
        return self


GRPC_FIELDS = frozenset(
    {"status", "code", "message", "duration", "dns", "connect", "tls", "first_byte", "transfer"}
)


class GrpcStep:
    """Serves all grpc steps; each call has a connection of its own."""

    name = "grpc"

    def __init__(self, clock: Clock, resolver: Resolver | None = None) -> None:
        from engine.workflows.steps.resolver import Resolver

        self._clock = clock
        self._resolver = Resolver() if resolver is None else resolver

    def target(self, spec: GrpcSpec) -> str:
        """`grpc://host:port`, whatever the service."""
        host, port = host_and_port(spec.address)
        return plain(f"grpc://{host}:{port}", 300)

    async def run(self, spec: GrpcSpec, context: StepContext) -> Reply:
        """Call `grpc.health.v1.Health/Check`. A status other than SERVING is a failure.

        Raises:
            StepError: no usable answer.
            CheckError: the check itself cannot be carried out.
        """
        from engine.workflows.steps.http2 import Http2Stream
        from engine.workflows.steps.route import context_with

        host, port = host_and_port(spec.address)
        probe = Probe(spec.verify, ANSWER_LIMIT)
        tls = None
        if spec.tls:
            tls = context_with(spec.verify, _PROTOCOLS, spec.certificate, spec.key, spec.ca)
        headers = list(_headers(spec, context))
        started = time.perf_counter()
        async with conversation(self._resolver, host, port, tls, probe, context.timeout) as wire:
            stream = Http2Stream(wire, probe)
            probe.begin("first_byte")
            await stream.send(headers, _question(spec.service))
            status, found = await stream.head()
            probe.end()
            probe.begin("transfer")
            if status != 200:
                kind = (
                    classify_status(status) if status >= 400 else (ErrorType.PERMANENT, ErrorCategory.NETWORK)
                )
                raise probe.fault(f"{probe.peer} answered a gRPC call with status {status}", *kind)
            body = await _take(stream.pieces(), probe)
            probe.end()
        code, message = _outcome({**dict(found), **dict(stream.trailers)}, probe)
        health = _health(body, probe) if code == "OK" else None
        fields: dict[str, Any] = {"status": health, "code": code, "message": message}
        fields |= {"duration": time.perf_counter() - started, **probe.seconds}
        attributes: dict[str, Scalar] = {
            "rpc.system": "grpc",
            "rpc.service": plain(spec.service, 200),
            "rpc.grpc.status": code,
            "network.peer.address": probe.peer,
        }
        return Reply(fields, probe.phases, attributes, _failure(spec, health, code, message, probe))

    async def close(self) -> None:
        await self._resolver.close()


def _headers(spec: GrpcSpec, context: StepContext) -> Iterator[tuple[bytes, bytes]]:
    yield b":method", b"POST"
    yield b":scheme", b"https" if spec.tls else b"http"
    yield b":path", _PATH
    yield b":authority", spec.address.encode("utf-8", "replace")
    yield b"te", b"trailers"
    yield b"content-type", b"application/grpc"
    yield b"user-agent", f"tocsin/{__version__}".encode()
    yield b"grpc-timeout", f"{min(max(int(context.timeout * 1000), 1), 99_999_999)}m".encode()
    yield b"traceparent", context.traceparent.encode()
    for name, value in spec.metadata.items():
        if not _METADATA.fullmatch(name) or name.startswith("grpc-"):
            raise wrong(f"{plain(name, 80)} is no name of metadata: lower case, not beginning with grpc-")
        yield name.encode(), one_line(f"the metadata {name}", value).encode()


async def _question(service: str) -> AsyncIterator[bytes]:
    """HealthCheckRequest{service}, field 1, in gRPC's frame."""
    name = service.encode("utf-8", "replace")
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    yield b"\x00" + len(message).to_bytes(4, "big") + message


async def _take(pieces: AsyncIterator[bytes], probe: Probe) -> bytes:
    body = b""
    async for piece in pieces:
        body += piece
        if len(body) > ANSWER_LIMIT:
            message = f"an answer over {ANSWER_LIMIT} bytes"
            raise probe.fault(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION)
    return body


def _outcome(said: dict[bytes, bytes], probe: Probe) -> tuple[str, str]:
    """The name of the call's status, and what the server says to it."""
    number = said.get(b"grpc-status", b"").decode("ascii", "replace")
    if not number.isdecimal():
        raise probe.fault(f"{probe.peer} does not speak gRPC: it ended the call without a status")
    code = _CODES[int(number)] if len(number) < 3 and int(number) < len(_CODES) else "UNKNOWN"
    return code, plain(unquote(said.get(b"grpc-message", b"").decode("ascii", "replace")), 300)


def _health(body: bytes, probe: Probe) -> str:
    """HealthCheckResponse{status}, field 1, from gRPC's frame."""
    message = body[5:]
    if len(body) < 5 or body[0] != 0 or int.from_bytes(body[1:5], "big") != len(message):
        raise _unreadable(probe)
    if not message:
        return _STATUSES[0]
    # The answer has one field, a small number; what a later version may add comes after it.
    if message[0] != 0x08 or len(message) < 2:
        raise _unreadable(probe)
    return _STATUSES.get(message[1], _STATUSES[0])


def _unreadable(probe: Probe) -> StepError:
    message = f"{probe.peer} sent no answer of a health service"
    return probe.fault(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION)


def _failure(spec: GrpcSpec, health: str | None, code: str, message: str, probe: Probe) -> Failure | None:
    whose = f"{plain(spec.service, 200)} at {probe.peer}" if spec.service else probe.peer
    if code != "OK":
        kind = _KINDS.get(code, (ErrorType.TRANSIENT, ErrorCategory.UNKNOWN))
        return Failure(f"{whose} answered {code}{': ' + message if message else ''}", *kind)
    if health != "SERVING":
        return Failure(f"{whose} is {health}", ErrorType.TRANSIENT, ErrorCategory.UNKNOWN)
    return None


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(data) + bytes([number])
