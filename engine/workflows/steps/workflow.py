"""The `workflow` step: runs another workflow's steps once, with its variables replaced where wanted.

```yaml
id: session
workflow: {id: sign-in, with: {user: "{{ env.user }}"}}
expect: ["outputs.token != null"]
extract: {token: outputs.token}
```

What it does is recorded with the caller: spans in its trace, retries in its log, breakers among its own. The
responses are kept under the id of the workflow that got them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from pydantic import Field

from engine.clock import Clock
from engine.config.types import Identifier, Strict
from engine.model import ErrorCategory, ErrorType, Failure
from engine.workflows.steps.base import CheckError, Reply, StepContext, Value


class WorkflowSpec(Strict):
    """Which workflow, and with what.

    Keys:
        id: of a workflow of the file; itself, or one that leads back to the caller, is refused.
        with: values for its `variables`; what is not named keeps its own.
    """

    id: Identifier
    with_: Annotated[dict[Identifier, Value], Field(alias="with", default_factory=dict)]


WORKFLOW_FIELDS = frozenset({"outcome", "reason", "error", "duration", "outputs"})

Call = Callable[[WorkflowSpec, StepContext], Awaitable[Reply]]


class WorkflowStep:
    """Serves all workflow steps; whoever runs workflows connects it to himself."""

    name = "workflow"

    def __init__(self, clock: Clock) -> None:
        """The clock is that of the workflows that are called."""
        self._call: Call | None = None

    def connect(self, call: Call) -> None:
        """Let `call` run the workflows."""
        self._call = call

    def target(self, spec: WorkflowSpec) -> str:
        """Nobody: the steps of the called workflow have breakers of their own."""
        return ""

    async def run(self, spec: WorkflowSpec, context: StepContext) -> Reply:
        """Run it.

        Raises:
            CheckError: there is no such workflow, or its steps cannot be read.
            StepSkipped: a breaker refused its first step.
        """
        if self._call is None:
            message = "workflows cannot be called from here"
            raise CheckError(Failure(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION))
        return await self._call(spec, context)

    async def close(self) -> None:
        """Nothing is held."""
