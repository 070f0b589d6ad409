"""The `wait` step: lets time pass, for what takes effect later (a queue, a cache, a mail).

```yaml
id: settle
wait: {for: 2s}
```
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engine.clock import Clock
from engine.config.types import PositiveDuration, Strict
from engine.lines import spelled
from engine.model import ErrorCategory, ErrorType, Failure
from engine.workflows.steps.base import Reply, StepContext, StepError


class WaitSpec(Strict):
    """How long.

    Keys:
        for: the time to wait; it is within the step's own timeout.
    """

    for_: Annotated[PositiveDuration, Field(alias="for", le=3600)]


WAIT_FIELDS = frozenset({"duration"})


class WaitStep:
    """Serves all wait steps."""

    name = "wait"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def target(self, spec: WaitSpec) -> str:
        return ""

    async def run(self, spec: WaitSpec, context: StepContext) -> Reply:
        """Wait.

        Raises:
            StepError: less time is left than is to be waited.
        """
        if spec.for_ > context.timeout:
            left = spelled(round(context.timeout, 3))
            message = f"a wait of {spelled(spec.for_)} does not fit into the {left} that are left"
            raise StepError(Failure(message, ErrorType.TIMEOUT, ErrorCategory.UNKNOWN))
        began = self._clock.monotonic()
        await self._clock.sleep(spec.for_)
        return Reply({"duration": self._clock.monotonic() - began})

    async def close(self) -> None:
        """Nothing is held."""
