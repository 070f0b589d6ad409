"""The `assert` step: calls nobody; holds values of the environment and of earlier steps against each other.

```yaml
id: totals
assert:
  that: ["{{ cart.total }} == {{ order.total }}", "{{ order.state }} in [paid, shipped]"]
```
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from engine.clock import Clock
from engine.config.types import Strict
from engine.workflows.steps.base import Reply, StepContext

_LIST = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 100}
_SCHEMA = WithJsonSchema({"anyOf": [_LIST, {"type": "string"}]})


def _texts(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class AssertSpec(Strict):
    """What has to hold.

    Keys:
        that: expectations whose left side is a placeholder, in the language of `expect`.
    """

    that: Annotated[tuple[str, ...], BeforeValidator(_texts), Field(min_length=1, max_length=100), _SCHEMA]


ASSERT_FIELDS: frozenset[str] = frozenset()


class AssertStep:
    """Serves all assert steps; the expectations themselves are judged with those of every step."""

    name = "assert"

    def __init__(self, clock: Clock) -> None:
        """The clock is not looked at: nothing takes time."""

    def target(self, spec: AssertSpec) -> str:
        return ""

    async def run(self, spec: AssertSpec, context: StepContext) -> Reply:
        return Reply({})

    async def close(self) -> None:
        """Nothing is held."""
