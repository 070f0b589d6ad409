"""One POST within a deadline: what channels over HTTP have in common.

A status of 2xx means taken, whatever becomes of the answer's body: to try again would tell twice. Another one
of 4xx than 408, 409, 423, 425 and 429 means that trying again cannot help, as does a redirect, which is not
followed; everything else may pass. `Retry-After` is believed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Literal

from engine.clock import Clock
from engine.errors import TocsinError
from engine.notify.delivery import DeliveryError
from engine.notify.kinds.destination import redact
from engine.telemetry.tracing import traceparent
from engine.text import plain
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http_spec import HttpSpec

_PASSING = frozenset({408, 409, 423, 425, 429})
_ANSWER_LIMIT = 65_536
_SAID = 200


class Poster:
    """Sends requests to web addresses.

    Args:
        clock: only to read a date in Retry-After.
    """

    def __init__(self, clock: Clock) -> None:
        self._http = HttpStep(clock)

    async def post(
        self, url: str, body: str, headers: Mapping[str, str], timeout: float, *, verify: bool = True
    ) -> str:
        """The answer's text, empty where it is of no use.

        Raises:
            DeliveryError: not taken; its words hold nothing secret of the address.
        """
        return await self._ask(
            HttpSpec(
                url=url,
                method="POST",
                body=body,
                headers={"content-type": "application/json", **headers},
                verify=verify,
                max_body=_ANSWER_LIMIT,
            ),
            timeout,
        )

    async def call(self, url: str, method: Literal["GET", "POST"], timeout: float) -> str:
        """The same for a request without a body."""
        return await self._ask(HttpSpec(url=url, method=method, max_body=_ANSWER_LIMIT), timeout)

    async def _ask(self, spec: HttpSpec, timeout: float) -> str:
        context = StepContext(traceparent(secrets.token_hex(16), secrets.token_hex(8)), timeout)
        try:
            reply = await self._http.run(spec, context)
        except StepError as error:
            if error.status is not None and 200 <= error.status < 300:
                return ""
            raise DeliveryError(
                redact(error.message, spec.url),
                permanent=isinstance(error, CheckError) or _is_hopeless(error.status),
                refused=error.phases.connect is None or error.status is not None,
            ) from None
        except TocsinError as error:
            raise DeliveryError(redact(error.message, spec.url)) from None
        _check(reply, spec.url)
        return str(reply.fields["body"])


def _is_hopeless(status: int | None) -> bool:
    """Whether an answer's status says that trying again cannot help."""
    return status is not None and 300 <= status < 500 and status not in _PASSING


def _check(reply: Reply, url: str) -> None:
    """Raises DeliveryError unless the message was taken."""
    status = int(reply.fields["status"])
    if 200 <= status < 300:
        return
    said = plain(str(reply.fields["body"]).strip(), _SAID)
    words = reply.failure.message if reply.failure else f"status {status}, which is not followed"
    raise DeliveryError(
        redact(f"{words}: {said}" if said else words, url),
        permanent=_is_hopeless(status),
        retry_after=reply.failure.retry_after if reply.failure else None,
        refused=True,
    )
