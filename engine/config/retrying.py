"""How a configuration says to try again; apart from the schema because steps say it, too."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engine.config.types import Duration, Strict

Share = Annotated[float, Field(ge=0, le=1, strict=False)]


class RetrySpec(Strict):
    """How often and how patiently to try again. Delays in seconds; `jitter` is a share of the delay, 0–1.

    Keys:
        max_attempts: tries altogether, the first one included.
        initial_delay, max_delay: the first wait, and the longest one.
        multiplier: how much longer each wait is than the one before.
        full_jitter: a wait is anything from nothing to the delay, whatever `jitter` says.
    """

    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    initial_delay: Duration = 1.0
    max_delay: Duration = 30.0
    multiplier: Annotated[float, Field(ge=1, le=10, strict=False)] = 2.0
    jitter: Share = 0.1
    full_jitter: bool = False
