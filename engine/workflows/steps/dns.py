"""The `dns` step: ask one name server one question.

```yaml
id: mail-routing
dns:
  name: shop.example
  type: MX
  server: 192.0.2.53                  # the system's first one when left out
expect: ["answers contains '10 mail.shop.example.'", "ttl >= 300", "duration < 100ms"]
```

Another response than NOERROR is a failure, and so is one without a record of the type, unless `expect` looks
at `status`: `status == NXDOMAIN`.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from engine.clock import Clock
from engine.config.types import Strict
from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.text import own_words, plain
from engine.workflows.steps.base import Reply, StepContext
from engine.workflows.steps.dial import conversation, deadline, host_and_port, one_line, target_of, wrong
from engine.workflows.steps.probe import Probe

if TYPE_CHECKING:
    from dns.message import Message, QueryMessage
    from dns.name import Name
    from dns.rdatatype import RdataType

    from engine.workflows.steps.resolver import Resolver
    from engine.workflows.steps.wire import Wire

ANSWER_LIMIT = 1_000
STRAY_LIMIT = 100
"""Datagrams that answer another question and are passed over."""

_PORT = 53
_HEAD = 12
_TRUNCATED = 0x02
_PAYLOAD = 1_232
"""Bytes of an answer that fit into a datagram on every path."""

_KINDS = {
    "NXDOMAIN": (ErrorType.PERMANENT, ErrorCategory.NOT_FOUND),
    "REFUSED": (ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
    "FORMERR": (ErrorType.PERMANENT, ErrorCategory.VALIDATION),
    "NOTIMP": (ErrorType.PERMANENT, ErrorCategory.VALIDATION),
}


class DnsSpec(Strict):
    """One question.

    Keys:
        name: taken as complete, with or without a dot at its end; of PTR it may be an address.
        type: of the records, such as A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, CAA, DS, HTTPS.
        server: whom to ask, `host` or `host:port`.
        protocol: `udp`, which turns to TCP when the answer does not fit, or `tcp`.
        recursion: whether the server is to ask others; without, it tells only what it knows itself.
        dnssec: whether signatures are asked for; `authenticated` says whether the server found them good.
    """

    name: Annotated[str, Field(min_length=1)]
    type: str = "A"
    server: Annotated[str, Field(min_length=1)] | None = None
    protocol: Literal["udp", "tcp"] = "udp"
    recursion: bool = True
    dnssec: bool = False

    @field_validator("type")
    @classmethod
    def _is_type(cls, value: str) -> str:
        if "{{" not in value:
            _type_of(value)
        return value


DNS_FIELDS = frozenset(
    {"status", "answers", "text", "aliases", "ttl", "authoritative", "authenticated", "truncated", "size"}
    | {"server", "duration", "dns", "connect", "first_byte"}
)


class DnsStep:
    """Serves all dns steps; each has a socket of its own, so that one dead server holds up nobody else."""

    name = "dns"

    def __init__(self, clock: Clock, resolver: Resolver | None = None) -> None:
        from engine.workflows.steps.resolver import Resolver

        self._resolver = Resolver() if resolver is None else resolver

    def target(self, spec: DnsSpec) -> str:
        """`dns://host:port`, or `dns://system`."""
        if spec.server is None:
            return "dns://system"
        return target_of("dns", *host_and_port(spec.server, _PORT))

    async def run(self, spec: DnsSpec, context: StepContext) -> Reply:
        """Ask once.

        Raises:
            StepError: no usable answer.
            CheckError: the question cannot be asked.
        """
        query = _query(spec)
        host, port = host_and_port(spec.server or _system_server(), _PORT)
        probe, started = Probe(), time.perf_counter()
        end = started + context.timeout
        data = b""
        if spec.protocol == "udp":
            async with deadline(context.timeout, host, probe):
                data = await self._ask_udp(query, host, port, probe)
        is_truncated = bool(data and data[2] & _TRUNCATED)
        if not data or is_truncated:
            left = max(end - time.perf_counter(), 0.0)
            # The server that cut its answer short has the whole of it, wherever its name leads by now.
            where = host_and_port(probe.peer)[0] if probe.peer else host
            async with conversation(self._resolver, where, port, None, probe, left) as wire:
                data = await _ask_tcp(query, wire, probe)
        fields = _fields(spec, _read(data, query, probe))
        fields |= {"size": len(data), "truncated": is_truncated, "server": probe.peer, **probe.seconds}
        fields["duration"] = time.perf_counter() - started
        attributes: dict[str, Scalar] = {
            "network.peer.address": probe.peer,
            "dns.question.name": plain(spec.name, 255),
            "dns.question.type": spec.type.upper(),
            "dns.response.code": fields["status"],
            "dns.answers": len(fields["answers"]),
        }
        return Reply(fields, probe.phases, attributes, _failure(spec, fields, probe))

    async def close(self) -> None:
        await self._resolver.close()

    async def _ask_udp(self, query: QueryMessage, host: str, port: int, probe: Probe) -> bytes:
        from engine.workflows.steps.datagrams import datagrams

        addresses = await self._resolver.resolve(host, probe)
        async with datagrams(addresses[0], port, probe) as peer:
            probe.begin("first_byte")
            await peer.send(query.to_wire())
            for _ in range(STRAY_LIMIT):
                data = await peer.receive()
                # What carries another number answers another question, or was made up by somebody.
                if data[:2] == query.id.to_bytes(2, "big") and len(data) >= _HEAD:
                    probe.end()
                    return data
        raise probe.fault(f"{probe.peer} sent {STRAY_LIMIT} answers to other questions")


async def _ask_tcp(query: QueryMessage, wire: Wire, probe: Probe) -> bytes:
    from engine.workflows.steps.wire import network_fault

    probe.begin("first_byte")
    question = query.to_wire()
    wire.write(len(question).to_bytes(2, "big") + question)
    data = b""
    try:
        while len(data) < 2 or len(data) - 2 < int.from_bytes(data[:2], "big"):
            if not (more := await wire.read()):
                raise probe.fault(f"{probe.peer} closed the connection before the answer was complete")
            data += more
    except OSError as error:
        raise network_fault(error, probe.peer, probe) from error
    probe.end()
    return data[2 : 2 + int.from_bytes(data[:2], "big")]


def _query(spec: DnsSpec) -> QueryMessage:
    import dns.flags
    import dns.message

    try:
        kind = _type_of(spec.type)
    except ValueError as error:
        raise wrong(str(error)) from None
    query = dns.message.make_query(
        _name(spec), kind, use_edns=0, payload=_PAYLOAD, want_dnssec=spec.dnssec, flags=dns.flags.AD
    )
    if spec.recursion:
        query.flags |= dns.flags.RD
    return query


def _name(spec: DnsSpec) -> Name:
    import dns.exception
    import dns.name
    import dns.reversename

    one_line("the name", spec.name)
    with suppress(dns.exception.DNSException, ValueError):
        if spec.type.upper() == "PTR":
            return dns.reversename.from_address(spec.name)
    try:
        return dns.name.from_text(spec.name, dns.name.root)
    except (dns.exception.DNSException, ValueError) as error:
        raise wrong(f"{plain(spec.name, 255)} is not a name: {own_words(error, 120)}") from None


def _type_of(text: str) -> RdataType:
    import dns.exception
    import dns.rdatatype

    try:
        kind = dns.rdatatype.from_text(text.upper())
    except (dns.exception.DNSException, ValueError):
        kind = dns.rdatatype.TYPE0
    if kind == dns.rdatatype.TYPE0 or dns.rdatatype.is_metatype(kind):
        raise ValueError(f"{plain(text, 40)} is not a type of records, such as A, AAAA, MX or TXT")
    return kind


def _system_server() -> str:
    """The first name server of /etc/resolv.conf, this machine when there is none."""
    import dns.exception
    import dns.resolver

    try:
        known = dns.resolver.Resolver().nameservers
    except (dns.exception.DNSException, OSError):
        known = []
    return next((str(server) for server in known), "127.0.0.1")


def _read(data: bytes, query: QueryMessage, probe: Probe) -> Message:
    import dns.exception
    import dns.message

    try:
        answer = dns.message.from_wire(data, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError) as error:
        words = f"{probe.peer} does not speak DNS as it should: {own_words(error, 120)}"
        raise probe.fault(words, ErrorType.PERMANENT, ErrorCategory.VALIDATION) from error
    if not query.is_response(answer):
        message = f"{probe.peer} answered another question"
        raise probe.fault(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION)
    return answer


def _fields(spec: DnsSpec, answer: Message) -> dict[str, Any]:
    import dns.flags
    import dns.rcode
    import dns.rdatatype

    kind = _type_of(spec.type)
    found = [(record, group.ttl) for group in answer.answer if group.rdtype == kind for record in group]
    found = found[:ANSWER_LIMIT]
    texts = [_text(record) for record, _ in found]
    aliases = [
        record.to_text()
        for group in answer.answer
        if group.rdtype == dns.rdatatype.CNAME != kind
        for record in group
    ]
    return {
        "status": dns.rcode.to_text(answer.rcode()),
        "answers": texts,
        "text": "\n".join(texts),
        "aliases": aliases[:ANSWER_LIMIT],
        "ttl": min((ttl for _, ttl in found), default=None),
        "authoritative": bool(answer.flags & dns.flags.AA),
        "authenticated": bool(answer.flags & dns.flags.AD),
    }


def _text(record: Any) -> str:
    """A record as zone files write it; text records without their quotes, their pieces joined."""
    strings = getattr(record, "strings", None)
    return str(record.to_text()) if strings is None else b"".join(strings).decode("utf-8", "replace")


def _failure(spec: DnsSpec, fields: dict[str, Any], probe: Probe) -> Failure | None:
    status, name = fields["status"], plain(spec.name, 255)
    if status != "NOERROR":
        kind = _KINDS.get(status, (ErrorType.TRANSIENT, ErrorCategory.NETWORK))
        return Failure(f"{probe.peer} answered {status} for {name} {spec.type.upper()}", *kind)
    if not fields["answers"]:
        message = f"{name} has no {spec.type.upper()} record at {probe.peer}"
        return Failure(message, ErrorType.PERMANENT, ErrorCategory.NOT_FOUND)
    return None
