"""One exchange as it goes on: where it is, how long each phase took, and what may be kept of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from engine.model import ErrorCategory, ErrorType, Failure, Phases
from engine.workflows.steps.base import StepError

_PLACES = {"first_byte": "first byte"}


@dataclass(slots=True)
class Probe:
    """The state of one probe; phases of followed redirects add up.

    Args:
        verify: whether TLS certificates are checked.
        max_body: bytes kept of the final body, after decompression.
        status: of the last answer over HTTP, as soon as its head is there.
        awaited: what there is to say when the time is over, such as `no answer`.
    """

    verify: bool = True
    max_body: int = 1_048_576
    phase: str = "dns"
    peer: str = ""
    awaited: str = "no answer"
    is_outside: bool = False
    status: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    _since: float = 0.0

    @property
    def place(self) -> str:
        """The phase that is going on, in words."""
        return _PLACES.get(self.phase, self.phase)

    @property
    def phases(self) -> Phases:
        return Phases(**self.seconds)

    def begin(self, phase: str) -> None:
        """Enter a phase; its time runs until `end()`."""
        self.phase = phase
        self._since = time.perf_counter()

    def end(self) -> None:
        """Leave the phase that is going on."""
        elapsed = time.perf_counter() - self._since
        self.seconds[self.phase] = self.seconds.get(self.phase, 0.0) + elapsed

    def fault(
        self,
        message: str,
        type: ErrorType = ErrorType.NETWORK,
        category: ErrorCategory = ErrorCategory.NETWORK,
    ) -> StepError:
        """The error to raise: `message` with the place it happened at, and the phases so far."""
        return StepError(Failure(f"{message} ({self.place})", type, category), self.phases, self.status)
