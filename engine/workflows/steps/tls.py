"""The `tls` step: shake hands, and look at the certificates: whose, by whom, until when.

```yaml
id: shop-certificate
tls:
  address: shop.example:443           # or smtp.example:25 with starttls: smtp
expect: ["expires_in > 7d", "protocol in [TLSv1.2, TLSv1.3]"]
degraded: ["expires_in > 21d", "chain_expires_in > 21d"]
```

A certificate that is not trusted is a failure, and `status` says why in one word: `expired`, `chain_expired`,
`not_yet_valid`, `wrong_host`, `self_signed`, `untrusted`, `weak` or `invalid`. The other fields are there all
the same: `expect: ["status == self_signed", "expires_in > 30d"]` watches one that is to be self-signed.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from engine.clock import Clock
from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.text import plain
from engine.workflows.steps.base import Reply, StepContext, StepError
from engine.workflows.steps.dial import conversation, host_and_port, target_of, wrong
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.secured import Secured

if TYPE_CHECKING:
    from engine.workflows.steps.certificates import Certificate, Judgement
    from engine.workflows.steps.resolver import Resolver

_PORT = 443


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class TlsSpec(Secured):
    """One handshake, and a second one without checking when the certificate is not trusted, to see it.

    Keys:
        address: `host:port`, port 443 unless said.
        starttls, server_name, certificate, key, ca: as of every secured connection.
        alpn: protocols to offer, such as `h2`; the field `alpn` is the one that was agreed on.
    """

    alpn: Annotated[tuple[str, ...], BeforeValidator(_tuple), Field(max_length=10)] = ()


TLS_FIELDS = frozenset(
    {"status", "expires_in", "chain_expires_in", "not_before", "not_after", "subject", "issuer", "names"}
    | {"serial", "fingerprint", "key", "chain", "protocol", "cipher", "alpn"}
    | {"address", "duration", "dns", "connect", "tls"}
)


class _Hands:
    """What a handshake brought to light."""

    def __init__(self, tls: ssl.SSLObject, probe: Probe, *, is_verified: bool) -> None:
        from engine.workflows.steps.certificates import chain_of, read_certificate

        self.protocol = tls.version()
        self.cipher = (tls.cipher() or ("",))[0]
        self.alpn = tls.selected_alpn_protocol()
        self.probe = probe
        try:
            self.chain = [read_certificate(data) for data in chain_of(tls, is_verified=is_verified)]
        except ValueError as error:
            message = f"a certificate of {probe.peer} cannot be read: {plain(error, 120)}"
            raise probe.fault(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION) from error


class TlsStep:
    """Serves all tls steps; each has connections of its own."""

    name = "tls"

    def __init__(self, clock: Clock, resolver: Resolver | None = None) -> None:
        from engine.workflows.steps.resolver import Resolver

        self._clock = clock
        self._resolver = Resolver() if resolver is None else resolver

    def target(self, spec: TlsSpec) -> str:
        """`tls://host:port`."""
        return target_of("tls", *host_and_port(spec.address, _PORT))

    async def run(self, spec: TlsSpec, context: StepContext) -> Reply:
        """Shake hands and hang up.

        Raises:
            StepError: no handshake came about, whoever is trusted.
            CheckError: the check itself cannot be carried out.
        """
        from engine.workflows.steps.certificates import GOOD, judge

        started = time.perf_counter()
        end = started + context.timeout
        host, port = host_and_port(spec.address, _PORT)
        probe = Probe()
        try:
            hands, judgement = await self._shake(spec, host, port, probe, context.timeout), GOOD
        except StepError as error:
            cause = error.__cause__
            if not isinstance(cause, ssl.SSLCertVerificationError):
                raise
            # The same address again: its name may lead to another server by now.
            address, left = host_and_port(probe.peer)[0], max(end - time.perf_counter(), 0.0)
            hands = await self._shake(spec, address, port, Probe(verify=False), left)
            judgement = judge(cause.verify_code, cause.verify_message, hands.chain, self._clock.now())
        fields = self._fields(hands, judgement, time.perf_counter() - started)
        return Reply(fields, hands.probe.phases, _attributes(hands), _failure(spec, hands, judgement))

    async def close(self) -> None:
        await self._resolver.close()

    async def _shake(self, spec: TlsSpec, host: str, port: int, probe: Probe, timeout: float) -> _Hands:
        from engine.workflows.steps.starttls import upgrade

        try:
            context = spec.context(probe.verify, spec.alpn)
        except ssl.SSLError as error:
            raise wrong(f"alpn cannot be offered: {plain(error, 120)}") from error
        prepare = upgrade(spec.starttls, probe) if spec.starttls else None
        async with conversation(
            self._resolver,
            host,
            port,
            context,
            probe,
            timeout,
            prepare=prepare,
            server_name=spec.server_name or host_and_port(spec.address, _PORT)[0],
        ) as wire:
            assert wire.tls is not None
            return _Hands(wire.tls, probe, is_verified=probe.verify)

    def _fields(self, hands: _Hands, judgement: Judgement, duration: float) -> dict[str, Any]:
        from engine.workflows.steps.certificates import day

        leaf, now = hands.chain[0], self._clock.now()
        return {
            "status": judgement.status,
            "expires_in": leaf.not_after - now,
            "chain_expires_in": _first_to_expire(hands.chain).not_after - now,
            "not_before": day(leaf.not_before),
            "not_after": day(leaf.not_after),
            "subject": leaf.subject,
            "issuer": leaf.issuer,
            "names": list(leaf.names),
            "serial": leaf.serial,
            "fingerprint": leaf.fingerprint,
            "key": leaf.key,
            "chain": [certificate.subject for certificate in hands.chain],
            "protocol": hands.protocol,
            "cipher": hands.cipher,
            "alpn": hands.alpn,
            "address": hands.probe.peer,
            "duration": duration,
            **hands.probe.seconds,
        }


def _first_to_expire(chain: Sequence[Certificate]) -> Certificate:
    return min(chain, key=lambda certificate: certificate.not_after)


def _attributes(hands: _Hands) -> dict[str, Scalar]:
    from engine.workflows.steps.certificates import day

    leaf = hands.chain[0]
    return {
        "network.peer.address": hands.probe.peer,
        "tls.protocol.version": hands.protocol,
        "tls.cipher": hands.cipher,
        "tls.server.subject": leaf.subject,
        "tls.server.issuer": leaf.issuer,
        "tls.server.not_after": day(leaf.not_after),
        "tls.server.chain_not_after": day(_first_to_expire(hands.chain).not_after),
    }


def _failure(spec: TlsSpec, hands: _Hands, judgement: Judgement) -> Failure | None:
    if not judgement.why:
        return None
    host = spec.server_name or host_and_port(spec.address, _PORT)[0]
    message = f"TLS certificate of {plain(host, 255)} {judgement.why} ({hands.probe.place})"
    return Failure(message, ErrorType.PERMANENT, ErrorCategory.NETWORK)
