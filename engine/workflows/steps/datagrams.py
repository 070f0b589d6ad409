"""A socket for datagrams to and from one address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.workflows.steps.probe import Probe
from engine.workflows.steps.wire import network_fault

SIZE_LIMIT = 65_535


async def next_datagram(raw: socket.socket) -> bytes:
    """What comes next. Under a flood there is always one, and the loop would have no turn of its own."""
    await asyncio.sleep(0)
    return await asyncio.get_running_loop().sock_recv(raw, SIZE_LIMIT)


class Datagrams:
    """Sends and receives whole datagrams; raises StepError when the network says that nobody is there."""

    def __init__(self, raw: socket.socket, probe: Probe) -> None:
        self._raw = raw
        self._probe = probe

    async def send(self, data: bytes) -> None:
        try:
            await asyncio.get_running_loop().sock_sendall(self._raw, data)
        except OSError as error:
            raise network_fault(error, self._probe.peer, self._probe) from error

    async def receive(self) -> bytes:
        """The next datagram from the other side; what comes from elsewhere the kernel throws away."""
        try:
            return await next_datagram(self._raw)
        except OSError as error:
            raise network_fault(error, self._probe.peer, self._probe) from error


@asynccontextmanager
async def datagrams(address: str, port: int, probe: Probe) -> AsyncIterator[Datagrams]:
    """Datagrams exchanged with one address; closed at the end.

    Raises:
        StepError: the network cannot be reached.
    """
    probe.peer = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as raw:
        try:
            raw.connect((address, port))
        except OSError as error:
            raise network_fault(error, probe.peer, probe) from error
        yield Datagrams(raw, probe)
