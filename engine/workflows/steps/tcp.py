r"""The `tcp` step: connect, with TLS or without; say and hear what the check is about.

```yaml
id: mail
tcp:
  address: mail.example:25
  starttls: smtp
  talk:
    - send: "EHLO monitor.example\r\n"
    - expect: "^250[ -]SIZE"
expect: ["received contains AUTH", "connect < 100ms"]
```
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from engine.clock import Clock
from engine.model import Scalar
from engine.workflows.steps.base import Reply, StepContext
from engine.workflows.steps.dial import conversation, host_and_port, target_of
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.secured import Secured
from engine.workflows.steps.talk import Conversation, Talk

if TYPE_CHECKING:
    from engine.workflows.steps.resolver import Resolver


class TcpSpec(Secured):
    """One connection.

    Keys:
        address, starttls, server_name, certificate, key, ca: as of every secured connection.
        tls: whether TLS is spoken from the first byte. `verify`: whether the certificate is checked.
        talk: what is said and heard; without it, connecting is all.
        max_size: bytes that may come; more is a failure.
    """

    tls: bool = False
    verify: bool = True
    talk: Talk = ()
    max_size: Annotated[int, Field(ge=1, le=1024 * 1024)] = 65_536

    @model_validator(mode="after")
    def _tls_is_asked_for(self) -> TcpSpec:
        if self.tls and self.starttls:
            raise ValueError("TLS begins either with the connection (tls) or later (starttls), not both")
        if not self.is_secured and (self.certificate or self.ca or self.server_name):
            raise ValueError("certificate, ca and server_name belong to tls: true or to starttls")
        return self

    @property
    def is_secured(self) -> bool:
        return self.tls or self.starttls is not None


TCP_FIELDS = frozenset(
    {"received", "hex", "size", "address", "duration", "dns", "connect", "tls", "first_byte", "transfer"}
)


class TcpStep:
    """Serves all tcp steps; each has a connection of its own."""

    name = "tcp"

    def __init__(self, clock: Clock, resolver: Resolver | None = None) -> None:
        from engine.workflows.steps.resolver import Resolver

        self._resolver = Resolver() if resolver is None else resolver

    def target(self, spec: TcpSpec) -> str:
        """`tcp://host:port`."""
        return target_of("tcp", *host_and_port(spec.address))

    async def run(self, spec: TcpSpec, context: StepContext) -> Reply:
        """Connect, talk, and hang up.

        Raises:
            StepError: no connection, a broken one, or an expected answer that did not come.
            CheckError: the check itself cannot be carried out.
        """
        from engine.workflows.steps.starttls import upgrade
        from engine.workflows.steps.wire import network_fault

        host, port = host_and_port(spec.address)
        probe = Probe(spec.verify)
        tls = spec.context(spec.verify) if spec.is_secured else None
        prepare = upgrade(spec.starttls, probe) if spec.starttls else None
        started = time.perf_counter()
        async with conversation(
            self._resolver,
            host,
            port,
            tls,
            probe,
            context.timeout,
            prepare=prepare,
            server_name=spec.server_name,
        ) as wire:

            async def read() -> bytes | None:
                return await wire.read() or None

            async def write(data: bytes) -> None:
                wire.write(data)

            talk = Conversation(read, write, probe, spec.max_size)
            try:
                await talk.hold(spec.talk)
            except OSError as error:
                raise network_fault(error, probe.peer, probe) from error
        fields: dict[str, Any] = {
            "received": talk.text,
            "hex": talk.heard.hex(),
            "size": len(talk.heard),
            "address": probe.peer,
            "duration": time.perf_counter() - started,
            **probe.seconds,
        }
        attributes: dict[str, Scalar] = {"network.peer.address": probe.peer, "tcp.received": len(talk.heard)}
        if spec.is_secured and not spec.verify:
            attributes["tls.verify"] = False
        return Reply(fields, probe.phases, attributes)

    async def close(self) -> None:
        await self._resolver.close()
