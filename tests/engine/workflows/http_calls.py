"""Calling the http step as tests do."""

from typing import Any

import pytest

from engine.workflows.steps.base import Reply, StepContext, StepError
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http_spec import HttpSpec

TRACEPARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


async def send(http: HttpStep, url: str, timeout: float = 2.0, **spec: Any) -> Reply:
    return await http.run(HttpSpec.model_validate({"url": url, **spec}), StepContext(TRACEPARENT, timeout))


async def refusal(http: HttpStep, url: str, **spec: Any) -> StepError:
    with pytest.raises(StepError) as caught:
        await send(http, url, **spec)
    return caught.value
