"""A program that runs steps in a network of its own, and prints what they said as JSON.

It is started by `unshare --net`, as root; the network has nothing but a loopback device with two addresses.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import socket
import struct
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from engine.clock import SystemClock
from engine.workflows.steps.base import StepContext, StepError
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http_spec import HttpSpec
from engine.workflows.steps.icmp import IcmpSpec, IcmpStep, open_echo_socket
from engine.workflows.steps.resolver import Resolver
from tests.engine.workflows.name_server import name_server
from tests.faults.steps.cases_names import NAME, at, by_turns

OUTSIDE = "192.0.2.1"
NOBODY = 65_534
_RANGES = {"open": "0 2147483647", "closed": "1 0"}
_SET_FLAGS, _SET_ADDRESS, _UP = 0x8914, 0x8916, 0x1


def wire_up() -> None:
    """Bring loopback up, with an address of the world outside."""
    address = struct.pack("!16sHH4s8x", b"lo:1", 0, 0, socket.inet_aton(OUTSIDE))
    address = address[:16] + struct.pack("=H", socket.AF_INET) + address[18:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        fcntl.ioctl(raw, _SET_FLAGS, struct.pack("=16sH14x", b"lo", _UP))
        fcntl.ioctl(raw, _SET_ADDRESS, address.ljust(40, b"\0"))


def let_ping(who: str) -> None:
    """Say to the system whose groups may ping without a privilege."""
    Path("/proc/sys/net/ipv4/ping_group_range").write_text(_RANGES[who])


async def ping(who: str) -> dict[str, Any]:
    """As nobody, where the system lets everybody ping, or nobody."""
    let_ping(who)
    step, said = IcmpStep(SystemClock()), dict[str, Any]()

    async def one(host: str) -> None:
        spec = IcmpSpec.model_validate({"host": host, "count": 2, "interval": "5ms", "wait": "500ms"})
        try:
            reply = await step.run(spec, StepContext("", 2.0))
        except StepError as error:
            said[host] = f"{type(error).__name__}: {error.message}"
        else:
            said[host] = reply.fields["received"]

    # As root everything is loaded that nobody may not read.
    await one("127.0.0.1")
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    for host in ("127.0.0.1", "::1", OUTSIDE, "198.51.100.1"):
        await one(host)
    with contextlib.suppress(PermissionError), open_echo_socket("127.0.0.1") as raw:
        said["kind"] = raw.type.name
    return said


async def redirect(location: str, *answers: str) -> dict[str, Any]:
    """A server outside that sends to `location`; its name leads to these addresses by turns."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        writer.write(head.encode())
        writer.close()

    port = 8080
    servers = [await asyncio.start_server(serve, host, port) for host in (OUTSIDE, "127.0.0.1")]
    async with name_server(by_turns(*map(at, answers))) as names:
        step = HttpStep(SystemClock(), Resolver([names]))
        spec = HttpSpec(url=f"http://{NAME}:{port}/", follow_redirects=True)
        try:
            reply = await step.run(spec, StepContext("", 2.0))
        except StepError as error:
            said: dict[str, Any] = {"error": error.message}
        else:
            said = {"status": reply.fields["status"]}
        await step.close()
    for server in servers:
        server.close()
    return said


PROGRAMS: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {"ping": ping, "redirect": redirect}

if __name__ == "__main__":
    wire_up()
    what, *rest = sys.argv[1:]
    print(json.dumps(asyncio.run(PROGRAMS[what](*rest))))
