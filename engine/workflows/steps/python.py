"""The `python` step: a function of yours, called in a process of its own with limits.

```yaml
id: backlog
python:
  call: checks.orders:backlog           # or /etc/tocsin/orders.py:backlog
  path: [/etc/tocsin]
  with: {shop: "{{ env.shop }}", limit: 100}
  memory: 256mib
expect: ["result.stuck < 5"]
extract: {oldest: result.oldest}
```

What the function returns is the reply, as JSON; what it raises is the failure. It may be `async`.
"""

from __future__ import annotations

import builtins
import json
import math
import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from engine.clock import Clock
from engine.config.types import PositiveDuration, Strict, Written
from engine.lines import spelled
from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.resilience.classify import classify
from engine.text import plain
from engine.workflows.literals import parse_literal
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
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

ANSWER_LIMIT = 1_048_576
FILES = 256
FILE_SIZE = 64 * 1_048_576

# Where it was when it died, as the interpreter's own fault handler tells.
_FRAME = re.compile(rb'\(most recent call first\):\n  File "([^"\n]{1,500})", line (\d{1,9}) in')
_PROGRAM = Path(__file__).with_name("python_child.py")
_FLAGS = ("-I", "-X", "faulthandler", "-X", "utf8")
_SIZE_SCHEMA = WithJsonSchema({"type": ["integer", "string"], "default": 1024 * 1_048_576})
_CALL = Written(
    r"^[^:\s][^:]*:[A-Za-z_][A-Za-z0-9_.]*$", "a call is `package.module:function` or `path/file.py:function`"
)
_WRONG = (ErrorType.PERMANENT, ErrorCategory.VALIDATION)


def _arguments(value: Any) -> Any:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ValueError("with is a mapping of names to values")
    return value


def _bytes(value: object) -> object:
    number = parse_literal(value) if isinstance(value, str) else value
    return round(number) if isinstance(number, float) else number


class PythonSpec(Strict):
    """One call.

    Keys:
        call: `package.module:function`, or `path/file.py:function`.
        with: its arguments by name, as JSON knows them.
        path: directories where modules are looked for first.
        interpreter: the Python to run it, such as the one of a virtual environment; the engine's own unless
            given.
        memory: what it may use, bytes or such as `256mib`; `cpu`: how much time of a processor.
        env, inherit, cwd, max_output: as of a `shell` step.
    """

    call: Annotated[str, Field(max_length=500), _CALL]
    with_: Annotated[
        Any,
        Field(alias="with", default_factory=dict),
        AfterValidator(_arguments),
        WithJsonSchema({"type": "object"}),
    ]
    path: Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(max_length=20)] = ()
    interpreter: Annotated[str, Field(min_length=1)] | None = None
    memory: Annotated[int, BeforeValidator(_bytes), Field(ge=64 * 1_048_576), _SIZE_SCHEMA] = 1024 * 1_048_576
    cpu: PositiveDuration = 30.0
    env: Environment = Field(default_factory=dict)
    inherit: Inherited = ()
    cwd: Annotated[str, Field(min_length=1)] | None = None
    max_output: MaxOutput = 1024 * 1024


PYTHON_FIELDS = frozenset({"result", "stdout", "stderr", "duration"})


class PythonStep:
    """Serves all python steps."""

    name = "python"

    def __init__(self, clock: Clock) -> None:
        """The clock is not looked at: a child's time is real."""

    def target(self, spec: PythonSpec) -> str:
        """Nobody: whom a function talks to is not known."""
        return ""

    async def run(self, spec: PythonSpec, context: StepContext) -> Reply:
        """Call the function and wait for its process to end.

        Raises:
            StepError: it raised an error, did not end in time, reached a limit, or its process died.
            CheckError: there is no such function, it does not take these arguments, or its result is no JSON.
        """
        request = _request(spec)
        exchange = os.memfd_create("tocsin")
        try:
            with os.fdopen(os.dup(exchange), "wb") as writing:
                writing.write(request)
            os.lseek(exchange, 0, os.SEEK_SET)
            launch = Launch(
                (spec.interpreter or sys.executable, *_FLAGS, str(_PROGRAM)),
                environment(spec.inherit, spec.env, context),
                spec.cwd,
                spec.max_output,
                exchange,
                spec.call,
            )
            started = time.perf_counter()
            ended = await run_child(launch, context.timeout)
            duration = time.perf_counter() - started
            result = _result(spec, launch.name, ended, os.pread(exchange, ANSWER_LIMIT + 1, 0))
        finally:
            os.close(exchange)
        fields: dict[str, Any] = {
            "result": result,
            "stdout": ended.stdout.decode("utf-8", "replace"),
            "stderr": ended.stderr.decode("utf-8", "replace"),
            "duration": duration,
        }
        attributes: dict[str, Scalar] = {"code.function.name": launch.name}
        return Reply(fields, attributes=attributes)

    async def close(self) -> None:
        """Nothing is held."""


def _request(spec: PythonSpec) -> bytes:
    cpu = math.ceil(spec.cpu)
    request = {
        "call": spec.call,
        "with": spec.with_,
        "path": [os.path.abspath(os.path.join(spec.cwd or "", place)) for place in spec.path],
        "limits": {
            "RLIMIT_AS": spec.memory,
            "RLIMIT_CPU": cpu,
            "RLIMIT_NOFILE": FILES,
            "RLIMIT_FSIZE": FILE_SIZE,
            "RLIMIT_CORE": 0,
        },
        "max_answer": ANSWER_LIMIT,
    }
    try:
        return json.dumps(request).encode()
    except (TypeError, ValueError, RecursionError):
        raise CheckError(Failure("the arguments hold something that JSON has no word for", *_WRONG)) from None


def _result(spec: PythonSpec, name: str, ended: Ended, written: bytes) -> Any:
    if ended.returncode != 0:
        raise StepError(_death(spec, name, ended))
    try:
        answer = json.loads(written)
    except (ValueError, RecursionError):
        answer = {}
    if "result" in answer:
        return answer["result"]
    if raised := answer.get("raised"):
        raise StepError(_raised(spec, name, raised))
    if "wrong" in answer:
        raise CheckError(Failure(f"{name} cannot be called: {_words(answer['wrong'])}", *_WRONG))
    if "no_json" in answer:
        reason = plain(answer["no_json"], 200)
        raise CheckError(Failure(f"the result of {name} is no JSON: {reason}", *_WRONG))
    if "too_long" in answer:
        message = f"the result of {name} has {answer['too_long']} bytes, the limit is {ANSWER_LIMIT}"
        raise StepError(Failure(message, *_WRONG))
    raise StepError(Failure(f"{name} ended its process without a result", ErrorType.PERMANENT))


def _death(spec: PythonSpec, name: str, ended: Ended) -> Failure:
    if ended.signal == "SIGXCPU":
        message = f"{name} used up the {spelled(math.ceil(spec.cpu))} of CPU time it may have"
        return Failure(message, ErrorType.TIMEOUT, ErrorCategory.UNKNOWN)
    message = ended.sentence(name)
    if ended.signal and (frame := _FRAME.search(ended.stderr)):
        place = plain(f"{os.path.basename(os.fsdecode(frame[1]))}:{int(frame[2])}", 100)
        message = f"{name} was killed by {ended.signal} ({place})"
    return Failure(message, ErrorType.UNKNOWN, ErrorCategory.UNKNOWN)


def _raised(spec: PythonSpec, name: str, raised: dict[str, Any]) -> Failure:
    types: list[str] = raised["types"]
    if "MemoryError" in types:
        message = f"{name} needs more than the {spec.memory} bytes of memory it may have"
        return Failure(message, ErrorType.PERMANENT, ErrorCategory.UNKNOWN)
    message = f"{name} raised {_words(raised)}"
    if "AssertionError" in types:
        return Failure(message, *_WRONG)
    kind = classify(_like(types, raised["message"]))
    return Failure(message, kind.type, kind.category)


def _words(raised: dict[str, Any]) -> str:
    """`ValueError: no such shop (orders.py:12)`."""
    message, where = plain(raised["message"], 300), plain(raised["where"], 100)
    return (
        f"{plain(raised['types'][0], 80)}{': ' + message if message else ''}{f' ({where})' if where else ''}"
    )


def _like(types: list[str], message: str) -> Exception:
    """An error whose class and those above it are called the same, which is what classifying looks at."""
    named = ((index, getattr(builtins, name, None)) for index, name in enumerate(types))
    kind: Any
    above, kind = next(((index, kind) for index, kind in named if _is_plain(kind)), (len(types), Exception))
    for name in reversed(types[:above]):
        kind = type(name, (kind,), {})
    error: Exception = kind(message)
    return error


def _is_plain(kind: object) -> bool:
    """Whether it is a class of errors that can be made of a message alone."""
    if not isinstance(kind, type):
        return False
    return issubclass(kind, Exception) and not issubclass(kind, (UnicodeError, BaseExceptionGroup))
