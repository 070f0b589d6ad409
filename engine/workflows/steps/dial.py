"""What step types on top of one connection share: their deadline, and the way to their host."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.lines import spelled
from engine.model import ErrorCategory, ErrorType, Failure
from engine.text import plain
from engine.workflows.steps.base import CheckError
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.wire import Prepare, Wire, connect

if TYPE_CHECKING:
    from engine.workflows.steps.resolver import Resolver


@asynccontextmanager
async def conversation(
    resolver: Resolver,
    host: str,
    port: int,
    context: ssl.SSLContext | None,
    probe: Probe,
    timeout: float,
    *,
    prepare: Prepare | None = None,
    server_name: str | None = None,
) -> AsyncIterator[Wire]:
    """A connection for at most `timeout` seconds, resolving and shaking hands included; closed at the end.

    `prepare` talks on the connection before TLS; `server_name` is whom TLS asks for, `host` unless given.

    Raises:
        StepError: it cannot be made, or the time is over; the message says with whom and where.
    """
    async with deadline(timeout, host, probe):
        addresses = await resolver.resolve(host, probe)
        wire = await connect(addresses, port, server_name or host, context, probe, prepare)
        try:
            yield wire
        finally:
            wire.close()


@asynccontextmanager
async def deadline(timeout: float, host: str, probe: Probe) -> AsyncIterator[None]:
    """At most `timeout` seconds for what is done with `host`.

    Raises:
        StepError: the time is over; the message says what was waited for, and where.
    """
    try:
        async with asyncio.timeout(timeout):
            yield
    except TimeoutError:
        seconds, peer = spelled(round(timeout, 3)), probe.peer or plain(host, 255)
        raise probe.fault(f"{probe.awaited} within {seconds} from {peer}", ErrorType.TIMEOUT) from None


def host_and_port(text: str, default: int | None = None) -> tuple[str, int]:
    """What `host:port` or `[::1]:port` says; with a `default`, the port may be left out.

    Raises:
        CheckError: it is written otherwise.
    """
    if default is not None and _is_ip(text):
        return text, default
    try:
        parts = urlsplit(f"//{one_line('the address', text)}")
        host = parts.hostname or ""
        name = host if _is_ip(host) else host.encode("idna").decode("ascii")
        port = default if parts.port is None else parts.port
    except ValueError:
        name, port = "", None
    if not name or not port or parts.netloc != text or parts.username is not None:
        wanted = "host:port" if default is None else "host or host:port"
        raise wrong(f"the address {plain(text, 100)} is not written {wanted}")
    return name, port


def target_of(scheme: str, host: str, port: int | None = None) -> str:
    """The key of a target's breaker: `scheme://host:port`, with an address of IPv6 in brackets."""
    written = f"[{host}]" if ":" in host else host
    return plain(f"{scheme}://{written}" + ("" if port is None else f":{port}"), 300)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def wrong(message: str) -> CheckError:
    """The error of a check that cannot be carried out as it is written."""
    return CheckError(Failure(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION))


def one_line(name: str, value: str) -> str:
    """`value`, which goes into a head.

    Raises:
        CheckError: it has a control character or something that is no text in it.
    """
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
        raise wrong(f"{name} has a line break or control character in it")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise wrong(f"{name} has a character that is no valid text") from None
    return value
