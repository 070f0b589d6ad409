"""The `udp` step: send datagrams and wait for their answers.

```yaml
id: game-server
udp:
  address: play.example:27015
  talk:
    - hex: "ffffffff 54 536f7572636520456e67696e6520517565727900"
    - expect: "^.{4}[IA]"
expect: ["size > 5", "first_byte < 150ms"]
```
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from engine.clock import Clock
from engine.config.types import Strict
from engine.model import Scalar
from engine.workflows.steps.base import Reply, StepContext
from engine.workflows.steps.dial import deadline, host_and_port, target_of
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.talk import Conversation, Talk

if TYPE_CHECKING:
    from engine.workflows.steps.resolver import Resolver


class UdpSpec(Strict):
    """One exchange of datagrams, of which none is sent twice.

    Keys:
        address: `host:port`.
        talk: what is said and heard, each `send` and `hex` in a datagram of its own. It has at least one
            `send` or `hex` and one `expect`: without an answer, nothing is known; `expect: ""` takes any.
        max_size: bytes that may come; more is a failure.
    """

    address: Annotated[str, Field(min_length=1)]
    talk: Talk
    max_size: Annotated[int, Field(ge=1, le=1024 * 1024)] = 65_536

    @model_validator(mode="after")
    def _asks_and_hears(self) -> UdpSpec:
        kinds = {kind for line in self.talk for kind in line}
        if "expect" not in kinds or kinds == {"expect"}:
            raise ValueError("talk sends something and expects an answer: without one, nothing is known")
        return self


UDP_FIELDS = frozenset({"received", "hex", "size", "address", "duration", "dns", "first_byte", "transfer"})


class UdpStep:
    """Serves all udp steps; each has a socket of its own."""

    name = "udp"

    def __init__(self, clock: Clock, resolver: Resolver | None = None) -> None:
        from engine.workflows.steps.resolver import Resolver

        self._resolver = Resolver() if resolver is None else resolver

    def target(self, spec: UdpSpec) -> str:
        """`udp://host:port`."""
        return target_of("udp", *host_and_port(spec.address))

    async def run(self, spec: UdpSpec, context: StepContext) -> Reply:
        """Ask and hear.

        Raises:
            StepError: nobody is there, or an expected answer did not come.
            CheckError: the check itself cannot be carried out.
        """
        from engine.workflows.steps.datagrams import datagrams

        host, port = host_and_port(spec.address)
        probe = Probe()
        started = time.perf_counter()
        async with deadline(context.timeout, host, probe):
            addresses = await self._resolver.resolve(host, probe)
            async with datagrams(addresses[0], port, probe) as peer:
                talk = Conversation(peer.receive, peer.send, probe, spec.max_size)
                await talk.hold(spec.talk)
        fields: dict[str, Any] = {
            "received": talk.text,
            "hex": talk.heard.hex(),
            "size": len(talk.heard),
            "address": probe.peer,
            "duration": time.perf_counter() - started,
            **probe.seconds,
        }
        attributes: dict[str, Scalar] = {"network.peer.address": probe.peer, "udp.received": len(talk.heard)}
        return Reply(fields, probe.phases, attributes)

    async def close(self) -> None:
        await self._resolver.close()
