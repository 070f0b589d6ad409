"""The `icmp` step: send echo requests ("ping") and measure what comes back.

```yaml
id: gateway
icmp:
  host: gateway.example
  count: 5
expect: ["loss <= 20"]
degraded: ["rtt < 20ms", "jitter < 5ms"]
```

It needs no privilege where the system lets its users ping (`net.ipv4.ping_group_range`), and CAP_NET_RAW
elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from engine.clock import Clock
from engine.config.types import PositiveDuration, Strict
from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.text import plain
from engine.workflows.steps.base import Reply, StepContext
from engine.workflows.steps.dial import deadline, one_line, target_of, wrong
from engine.workflows.steps.probe import Probe

if TYPE_CHECKING:
    from engine.workflows.steps.resolver import Resolver

OpenSocket = Callable[[str], socket.socket]

_TOKEN = 16
_HEAD = struct.Struct("!BBHHH")
_FORBIDDEN = (
    "this user may not ping; let everybody by `sysctl net.ipv4.ping_group_range='0 2147483647'`, "
    "or give the program CAP_NET_RAW"
)


class IcmpSpec(Strict):
    """Echo requests to one host.

    Keys:
        host: a name or an address.
        count: how many are sent, `interval` apart. After the last one, `wait` is the time for answers.
        size: bytes each carries, at least 16.
        ip: whether the host is reached over IPv4 or IPv6; the first address that is found unless said.
    """

    host: Annotated[str, Field(min_length=1)]
    count: Annotated[int, Field(ge=1, le=100)] = 3
    interval: PositiveDuration = 0.2
    wait: PositiveDuration = 1.0
    size: Annotated[int, Field(ge=_TOKEN, le=1_400)] = 56
    ip: Literal[4, 6] | None = None


ICMP_FIELDS = frozenset(
    {"sent", "received", "loss", "rtt", "rtt_min", "rtt_max", "jitter", "address", "duration", "dns"}
)


class IcmpStep:
    """Serves all icmp steps; each has a socket of its own.

    Args:
        resolver: finds addresses of names.
        open_socket: gives a socket for echo requests to an address.
    """

    name = "icmp"

    def __init__(
        self, clock: Clock, resolver: Resolver | None = None, open_socket: OpenSocket | None = None
    ) -> None:
        if resolver is None:
            from engine.workflows.steps.resolver import Resolver

            resolver = Resolver()
        self._resolver = resolver
        self._open_socket = open_socket or open_echo_socket

    def target(self, spec: IcmpSpec) -> str:
        """`icmp://host`."""
        return target_of("icmp", spec.host)

    async def run(self, spec: IcmpSpec, context: StepContext) -> Reply:
        """Send all and listen. That none came back is a failure.

        Raises:
            StepError: the name does not resolve, or there is no way to the host.
            CheckError: the system does not let this user ping.
        """
        probe, started = Probe(), time.perf_counter()
        host = one_line("the host", spec.host)
        async with deadline(context.timeout, host, probe):
            addresses = await self._resolver.resolve(host, probe)
        address = _chosen(addresses, spec, probe)
        probe.phase, probe.peer = "echo", address
        left = context.timeout - (time.perf_counter() - started)
        with self._socket(address, probe) as raw:
            echoes = _Echoes(raw, spec, probe)
            await echoes.exchange(time.perf_counter() + left)
        fields = _fields(echoes)
        fields |= {"address": address, "duration": time.perf_counter() - started, **probe.seconds}
        attributes: dict[str, Scalar] = {
            "network.peer.address": address,
            "icmp.sent": fields["sent"],
            "icmp.received": fields["received"],
        }
        if fields["rtt"] is not None:
            attributes["icmp.rtt"] = round(fields["rtt"], 6)
        failure = None
        if not fields["received"]:
            message = f"no answer to {_counted(fields['sent'])} from {plain(address, 100)} (echo)"
            failure = Failure(message, ErrorType.TIMEOUT, ErrorCategory.NETWORK)
        return Reply(fields, probe.phases, attributes, failure)

    async def close(self) -> None:
        await self._resolver.close()

    def _socket(self, address: str, probe: Probe) -> socket.socket:
        from engine.workflows.steps.wire import network_fault

        try:
            raw = self._open_socket(address)
        except PermissionError:
            raise wrong(_FORBIDDEN) from None
        except OSError as error:
            raise network_fault(error, address, probe) from error
        raw.setblocking(False)
        return raw


def open_echo_socket(address: str) -> socket.socket:
    """A socket for echo requests to an address: one that needs no privilege, or else a raw one.

    Raises:
        PermissionError: the system allows neither.
        OSError: there is no way to the address.
    """
    family, protocol = socket.AF_INET, socket.IPPROTO_ICMP
    if ":" in address:
        family, protocol = socket.AF_INET6, socket.IPPROTO_ICMPV6
    try:
        raw = socket.socket(family, socket.SOCK_DGRAM, protocol)
    except PermissionError:
        raw = socket.socket(family, socket.SOCK_RAW, protocol)
    try:
        raw.connect((address, 0))
    except BaseException:
        raw.close()
        raise
    return raw


class _Echoes:
    """Requests and what came back; `rtts` are seconds by the number of the request."""

    def __init__(self, raw: socket.socket, spec: IcmpSpec, probe: Probe) -> None:
        self._raw = raw
        self._spec = spec
        self._probe = probe
        self._is_v6 = ":" in probe.peer
        # Of all sockets, only a raw one of IPv4 hands over the packet with its head.
        self._has_ip_header = raw.type == socket.SOCK_RAW and not self._is_v6
        # Others on this machine may ping the same host: the token says whose answer it is.
        self._token = os.urandom(_TOKEN)
        self._sent_at: dict[int, float] = {}
        self.rtts: dict[int, float] = {}

    @property
    def sent(self) -> int:
        return len(self._sent_at)

    async def exchange(self, end: float) -> None:
        """Send all and listen, until `end` on the performance counter at the latest."""
        from engine.workflows.steps.wire import network_fault

        loop = asyncio.get_running_loop()
        try:
            for number in range(1, self._spec.count + 1):
                self._sent_at[number] = time.perf_counter()
                await loop.sock_sendall(self._raw, self._request(number))
                pause = self._spec.wait if number == self._spec.count else self._spec.interval
                until = time.perf_counter() + pause
                await self._listen(min(until, end))
                if until > end:
                    return
        except OSError as error:
            raise network_fault(error, self._probe.peer, self._probe) from error

    async def _listen(self, until: float) -> None:
        from engine.workflows.steps.datagrams import next_datagram

        with suppress(TimeoutError):
            async with asyncio.timeout(until - time.perf_counter()):
                while len(self.rtts) < self._spec.count:
                    self._take(await next_datagram(self._raw))

    def _request(self, number: int) -> bytes:
        kind = 128 if self._is_v6 else 8
        body = self._token.ljust(self._spec.size, b"\0")
        identity = int.from_bytes(self._token[:2], "big")
        head = _HEAD.pack(kind, 0, 0, identity, number)
        return _HEAD.pack(kind, 0, _checksum(head + body), identity, number) + body

    def _take(self, packet: bytes) -> None:
        now = time.perf_counter()
        if self._has_ip_header and packet:
            packet = packet[(packet[0] & 0x0F) * 4 :]
        if len(packet) < _HEAD.size or not packet.startswith(self._token, _HEAD.size):
            return
        kind, _, _, _, number = _HEAD.unpack_from(packet)
        sent_at = self._sent_at.get(number)
        if kind == (129 if self._is_v6 else 0) and sent_at is not None:
            self.rtts.setdefault(number, now - sent_at)


def _checksum(data: bytes) -> int:
    """The internet checksum; the kernel puts in its own for IPv6 and where it keeps the socket's identity."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(word for (word,) in struct.iter_unpack("!H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _chosen(addresses: list[str], spec: IcmpSpec, probe: Probe) -> str:
    for address in addresses:
        if spec.ip is None or (":" in address) is (spec.ip == 6):
            return address
    raise probe.fault(f"{plain(spec.host, 255)} has no address of IPv{spec.ip}")


def _fields(echoes: _Echoes) -> dict[str, Any]:
    rtts = [echoes.rtts[number] for number in sorted(echoes.rtts)]
    changes = [abs(after - before) for before, after in pairwise(rtts)]
    return {
        "sent": echoes.sent,
        "received": len(rtts),
        "loss": 100.0 * (echoes.sent - len(rtts)) / echoes.sent,
        "rtt": fmean(rtts) if rtts else None,
        "rtt_min": min(rtts, default=None),
        "rtt_max": max(rtts, default=None),
        "jitter": fmean(changes) if changes else None,
    }


def _counted(requests: int) -> str:
    return "1 echo request" if requests == 1 else f"{requests} echo requests"
