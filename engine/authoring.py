"""Workflows in Python: an async function, its steps recorded, retried and traced as those of a file.

```python
from engine.authoring import Run, workflow


@workflow(name="Sign in", every="30s", priority="critical", retry="fast")
async def sign_in(run: Run) -> None:
    base = run.env["base_url"]
    login = await run.step("login", http={"method": "POST", "url": f"{base}/login"}, expect=["status == 200"])
    token = run.secret(login["json"]["token"])
    for page in ("me", "orders"):
        await run.step("page", http={"url": f"{base}/{page}", "auth": {"bearer": token}})
```

The file names the module: `python: [checks.py]`. The function runs in the engine itself: it must not block.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from engine.config.code import Body, CodeWorkflow
from engine.config.credentials import passed
from engine.config.schema import Workflow
from engine.errors import TocsinError
from engine.model import Scalar
from engine.workflows.steps import StepSpec

if TYPE_CHECKING:
    from engine.workflows.flow import Flow

__all__ = ["Run", "StepFailedError", "workflow"]


class StepFailedError(TocsinError):
    """A step did not succeed; the attempt ends with it. Catching it does not undo that."""


class Run:
    """What a workflow's function is given: one attempt.

    Args:
        env: the variables of the environment; `variables`: those of the workflow.
    """

    def __init__(self, flow: Flow, env: Mapping[str, Scalar], variables: Mapping[str, Scalar]) -> None:
        self.env = env
        self.variables = variables
        self._flow = flow

    async def step(self, id: str, **keys: Any) -> Mapping[str, Any]:
        """Carry out one step; returns the fields of its reply, such as `status`, `body` and `json`.

        Args:
            id: a name; a step that is run again under it is called `name[2]`, `name[3]` …
            keys: those of a step in a file, `http={…}` among them, but for `needs`, `when`, `foreach` and
                `extract`, for which there is Python. Nothing in them is taken for a placeholder. What stands
                under the name of a credential, such as a header `Authorization`, is hidden as by `secret`.

        Raises:
            StepFailedError: it did not succeed, and is not to `continue_on_error`.
            ValueError: it cannot be carried out as it is written.
        """
        for key in ("needs", "when", "foreach", "extract"):
            if key in keys:
                raise ValueError(f"step {id}: `{key}` is for files; write it in Python")
        for credential in passed(keys):
            self._flow.hide(credential)
        try:
            step = StepSpec.model_validate({"id": id, **keys})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise ValueError(f"step {id}: {place}: {first['msg']}".replace(": :", ":")) from None
        stepped = await self._flow.take(step)
        result = stepped.result
        if not (result.outcome.is_success or step.continue_on_error):
            reason = result.failure.message if result.failure else result.reason
            raise StepFailedError(f"{result.step_id}: {reason}")
        return stepped.reply.fields if stepped.reply is not None else {}

    def warn(self, message: str) -> None:
        """Write a line to the log of the execution."""
        self._flow.warn(message)

    def secret(self, value: str) -> str:
        """Hide `value` in all that the execution leaves behind: a token that a step got back.

        Returns:
            The value, to be used.
        """
        self._flow.hide(value)
        return value


def workflow(**keys: Any) -> Callable[[Body], CodeWorkflow]:
    """Make a workflow of an async function that takes a `Run`.

    Args:
        keys: those of a workflow in a file, `every` or `cron` among them. `id` is the function's name with
            dashes unless said, `name` the first line of its docstring.

    Raises:
        ValueError: a key is wrong.
    """

    def made(function: Body) -> CodeWorkflow:
        identifier = function.__name__.replace("_", "-")
        first, _, rest = (function.__doc__ or "").strip().partition("\n")
        named = {"id": identifier, "name": first.rstrip(".") or identifier, "description": rest.strip()}
        if not inspect.iscoroutinefunction(inspect.unwrap(function)):
            raise ValueError(f"`{function.__name__}` is written with def, a workflow with async def")
        try:
            return CodeWorkflow.model_validate({**named, **keys, "body": function})
        except ValidationError as error:
            raise ValueError(_sentence(error)) from None

    return made


def _sentence(error: ValidationError) -> str:
    """What the first of the wrong keys wants, and how it was probably meant."""
    from engine.config.messages import describe, did_you_mean

    errors = error.errors(include_url=False)
    first = errors[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        message, hint = f"unknown key `{key}`", did_you_mean(key, Workflow.model_fields)
    else:
        name = f"`{first['loc'][0]}`" if first["loc"] else "the workflow"
        message, hint = describe(
            name, first["input"], [each for each in errors if each["loc"] == first["loc"]]
        )
    return f"{message}; {hint}" if hint else message
