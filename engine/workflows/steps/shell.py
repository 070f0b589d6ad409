"""The `shell` step: a command of this machine, such as a monitoring plugin or a script.

```yaml
id: disk
shell:
  command: [/usr/lib/nagios/plugins/check_disk, -w, "20%", -c, "10%", -p, "{{ env.volume }}"]
  env: {LC_ALL: C}
expect: ["status in [0, 1]"]          # 1 is a warning
degraded: ["status == 0"]
extract: {free: {from: stdout, regex: 'free space: (\\d+)'}}
```
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from engine.clock import Clock
from engine.config.types import Strict
from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.workflows.steps.base import Reply, StepContext
from engine.workflows.steps.child import (
    Ended,
    Environment,
    Inherited,
    Launch,
    MaxOutput,
    as_tuple,
    environment,
    run_child,
)
from engine.workflows.steps.decoding import parse_json

_SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh", "ash", "fish"})
# What an exit status says by convention: sysexits.h, and what shells say of a command.
_STATUSES = {
    69: (ErrorType.TRANSIENT, ErrorCategory.UNKNOWN),
    75: (ErrorType.TRANSIENT, ErrorCategory.UNKNOWN),
    77: (ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
    126: (ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
    127: (ErrorType.PERMANENT, ErrorCategory.NOT_FOUND),
}


class ShellSpec(Strict):
    """One command.

    Keys:
        command: the program and its arguments, a list; no shell reads it. A pipe is written
            `[sh, -c, 'df "$1" | tail -1', sh, "{{ env.volume }}"]`: values are arguments, no part of the
            text.
        env: variables to set. Secrets belong here: arguments are seen by everybody on the machine.
        inherit: names of variables to pass on beside PATH, HOME, USER, LOGNAME, SHELL, LANG, LC_ALL,
            LC_CTYPE, TZ and TMPDIR.
        cwd: the directory to run in; that of the engine unless given.
        max_output: bytes of stdout and stderr together; a command that writes more is ended, and fails.
    """

    command: Annotated[
        tuple[Annotated[str, Field(max_length=65_536)], ...],
        BeforeValidator(as_tuple),
        Field(min_length=1, max_length=200),
    ]
    env: Environment = Field(default_factory=dict)
    inherit: Inherited = ()
    cwd: Annotated[str, Field(min_length=1)] | None = None
    max_output: MaxOutput = 1024 * 1024

    @model_validator(mode="after")
    def _scripts_are_fixed(self) -> ShellSpec:
        if not self.command[0]:
            raise ValueError("a command begins with the name of a program")
        if os.path.basename(self.command[0]) in _SHELLS:
            for option, text in zip(self.command[1:], self.command[2:], strict=False):
                if _takes_script(option) and "{{" in text:
                    raise ValueError(
                        'a shell\'s text holds no placeholder: pass the value as an argument and write "$1"'
                    )
        return self


SHELL_FIELDS = frozenset({"status", "signal", "stdout", "stderr", "json", "size", "duration"})


class ShellStep:
    """Serves all shell steps."""

    name = "shell"

    def __init__(self, clock: Clock) -> None:
        """The clock is not looked at: a child's time is real."""

    def target(self, spec: ShellSpec) -> str:
        """Nobody: whom a command talks to is not known."""
        return ""

    async def run(self, spec: ShellSpec, context: StepContext) -> Reply:
        """Run the command to its end. An exit status other than 0 is a failure.

        Raises:
            StepError: it did not end in time, or wrote too much; it is ended with all it started.
            CheckError: it cannot be started.
        """
        env = environment(spec.inherit, spec.env, context)
        launch = Launch(spec.command, env, spec.cwd, spec.max_output)
        started = time.perf_counter()
        ended = await run_child(launch, context.timeout)
        fields = OutputFields(ended, time.perf_counter() - started)
        attributes: dict[str, Scalar] = {
            "process.executable.name": launch.name,
            "process.exit.code": ended.status,
        }
        return Reply(fields, attributes=attributes, failure=_failure(launch.name, ended))

    async def close(self) -> None:
        """Nothing is held."""


class OutputFields(Mapping[str, Any]):
    """What expectations see of a command; JSON is read when first asked for."""

    def __init__(self, ended: Ended, duration: float) -> None:
        self._known: dict[str, Any] = {
            "status": ended.status,
            "signal": ended.signal,
            "stdout": ended.stdout.decode("utf-8", "replace"),
            "stderr": ended.stderr.decode("utf-8", "replace"),
            "size": len(ended.stdout),
            "duration": duration,
        }

    def __getitem__(self, name: str) -> Any:
        if name == "json" and name not in self._known:
            self._known[name] = parse_json(self._known["stdout"])
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(SHELL_FIELDS)

    def __len__(self) -> int:
        return len(SHELL_FIELDS)


def _failure(name: str, ended: Ended) -> Failure | None:
    if ended.returncode == 0:
        return None
    kind, category = _STATUSES.get(ended.status, (ErrorType.UNKNOWN, ErrorCategory.UNKNOWN))
    return Failure(ended.sentence(name), kind, category)


def _takes_script(option: str) -> bool:
    """Whether the next argument is a text for the shell to read: `-c`, or among others as in `-ec`."""
    return option.startswith("-") and not option.startswith("--") and option.endswith("c")
