"""A way through a SOCKS5 proxy, on a connection that begins with it: RFC 1928, passwords by RFC 1929."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from engine.model import ErrorCategory, ErrorType
from engine.text import plain
from engine.workflows.steps.base import StepError
from engine.workflows.steps.dial import wrong
from engine.workflows.steps.probe import Probe

_VERSION, _CONNECT, _OPEN, _PASSWORD, _NAME = 5, 1, 0, 2, 3
_ADDRESS_SIZES = {1: 4, 4: 16}
_REASONS = {
    1: "it failed",
    2: "its rules do not allow it",
    3: "the network cannot be reached",
    4: "the host cannot be reached",
    5: "the connection was refused",
    6: "no answer in time",
    7: "it does not know the command",
    8: "it does not know the kind of address",
}
_RULES = 2
_NAME_LIMIT = 255


async def ask(raw: socket.socket, host: str, port: int, credentials: str | None, probe: Probe) -> None:
    """Have the proxy at the other end of `raw` connect to `host`, whose name it resolves itself.

    Raises:
        StepError: it refuses, or does not speak SOCKS5. CheckError: the name is too long for it.
        OSError: the connection broke.
    """
    loop = asyncio.get_running_loop()
    methods = bytes([_OPEN] if credentials is None else [_OPEN, _PASSWORD])
    await loop.sock_sendall(raw, bytes([_VERSION, len(methods)]) + methods)
    version, method = await _read(raw, 2, probe)
    if version != _VERSION:
        raise _nonsense(probe)
    if method == _PASSWORD and credentials is not None:
        await _sign_in(raw, credentials, probe)
    elif method != _OPEN:
        raise _stranger(probe)
    await loop.sock_sendall(raw, bytes([_VERSION, _CONNECT, 0]) + _address(host) + port.to_bytes(2, "big"))
    version, said, _, kind = await _read(raw, 4, probe)
    if version != _VERSION:
        raise _nonsense(probe)
    if said != 0:
        reason = _REASONS.get(said, f"code {said}")
        words = f"the proxy {probe.peer} opened no way to {plain(host, 255)}:{port}: {reason}"
        raise probe.fault(words, ErrorType.PERMANENT if said == _RULES else ErrorType.NETWORK)
    # Where the proxy connects from is of no use; what follows it is the host's own.
    size = (await _read(raw, 1, probe))[0] if kind == _NAME else _ADDRESS_SIZES.get(kind)
    if size is None:
        raise _nonsense(probe)
    await _read(raw, size + 2, probe)


async def _sign_in(raw: socket.socket, credentials: str, probe: Probe) -> None:
    user, _, password = credentials.partition(":")
    message = b"\x01"
    for part in (user.encode("utf-8"), password.encode("utf-8")):
        message += bytes([len(part)]) + part
    await asyncio.get_running_loop().sock_sendall(raw, message)
    _, refused = await _read(raw, 2, probe)
    if refused:
        raise _stranger(probe)


def _address(host: str) -> bytes:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        if len(name) > _NAME_LIMIT:
            raise wrong(f"a SOCKS5 proxy takes names of at most {_NAME_LIMIT} bytes") from None
        return bytes([_NAME, len(name)]) + name
    return bytes([1 if ip.version == 4 else 4]) + ip.packed


async def _read(raw: socket.socket, size: int, probe: Probe) -> bytes:
    """Exactly so many bytes, and none of those behind them."""
    data = b""
    while len(data) < size:
        more = await asyncio.get_running_loop().sock_recv(raw, size - len(data))
        if not more:
            raise probe.fault(f"the proxy {probe.peer} closed the connection without an answer")
        data += more
    return data


def _nonsense(probe: Probe) -> StepError:
    return probe.fault(f"the proxy {probe.peer} does not speak SOCKS5 as it should")


def _stranger(probe: Probe) -> StepError:
    words = f"the proxy {probe.peer} does not let in who asks"
    return probe.fault(words, ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION)
