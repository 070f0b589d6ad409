"""Names to addresses without the default thread pool, whose few threads one dead name server can hold."""

from __future__ import annotations

import functools
import ipaddress
import socket
from collections.abc import Sequence

import aiodns
import aiodns.error

from engine.model import ErrorCategory, ErrorType
from engine.text import plain
from engine.workflows.steps.probe import Probe

ADDRESS_LIMIT = 8
QUERY_TIMEOUT = 2.0
QUERY_TRIES = 3
CACHED = 4_096

_UNKNOWN_NAME = (aiodns.error.ARES_ENOTFOUND, aiodns.error.ARES_ENODATA)
_SILENT = (aiodns.error.ARES_ETIMEOUT, aiodns.error.ARES_ECONNREFUSED)


class Resolver:
    """Addresses of a name from /etc/hosts and the system's name servers, asked afresh each time.

    Args:
        nameservers: `address:port` to ask instead of the system's.
    """

    def __init__(self, nameservers: Sequence[str] | None = None) -> None:
        self._nameservers = nameservers
        self._ares: aiodns.DNSResolver | None = None

    async def resolve(self, host: str, probe: Probe) -> list[str]:
        """At most 8 addresses in the order to try them; an address is its own.

        Raises:
            StepError: the name does not resolve.
        """
        if literal := _literal(host):
            return [literal]
        probe.begin("dns")
        try:
            result = await self._channel().getaddrinfo(host, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            raise _refusal(host, error, probe) from None
        probe.end()
        addresses = [node.addr[0].decode("ascii") for node in result.nodes[:ADDRESS_LIMIT]]
        if not addresses:
            raise probe.fault(f"name {plain(host, 255)} does not resolve")
        return addresses

    async def close(self) -> None:
        if self._ares is not None:
            await self._ares.close()
            self._ares = None

    def _channel(self) -> aiodns.DNSResolver:
        if self._ares is None:
            self._ares = aiodns.DNSResolver(self._nameservers, timeout=QUERY_TIMEOUT, tries=QUERY_TRIES)
        return self._ares


@functools.lru_cache(CACHED)
def is_inside(address: str) -> bool:
    """Whether an address is this machine or its link: nothing that a server outside may redirect to."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_loopback or ip.is_link_local or ip.is_unspecified


def is_written_inside(host: str) -> bool:
    """Whether a host is inside by its spelling alone: an address that is, or `localhost`."""
    literal = _literal(host)
    name = host.rstrip(".").lower()
    return is_inside(literal) if literal else name == "localhost" or name.endswith(".localhost")


@functools.lru_cache(CACHED)
def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _refusal(host: str, error: aiodns.error.DNSError, probe: Probe) -> Exception:
    code, name = error.args[0], plain(host, 255)
    if code in _UNKNOWN_NAME:
        return probe.fault(f"name {name} does not resolve")
    if code in _SILENT:
        return probe.fault(f"no name server answered for {name}", ErrorType.TIMEOUT)
    if code == aiodns.error.ARES_EBADNAME:
        return probe.fault(f"{name} is not a name", ErrorType.PERMANENT, ErrorCategory.VALIDATION)
    return probe.fault(f"name {name} does not resolve: {plain(error.args[-1], 100).lower()}")
