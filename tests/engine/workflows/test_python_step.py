import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.clock import SystemClock
from engine.model import ErrorType
from engine.workflows.steps import python
from engine.workflows.steps.base import CheckError, Reply, StepError
from engine.workflows.steps.python import PYTHON_FIELDS, PythonSpec, PythonStep
from engine.workflows.templates import render_spec
from tests.engine.workflows.children import (
    TRACEPARENT,
    all_dead,
    context,
    heard_from,
    nothing_left,
    pids_in,
)
from tests.engine.workflows.examples import example_of

Call = Callable[..., Any]


@pytest.fixture
async def step() -> AsyncIterator[PythonStep]:
    made = PythonStep(SystemClock())
    yield made
    await made.close()


async def call(step: PythonStep, folder: Path, code: str, *, timeout: float = 5.0, **spec: Any) -> Reply:
    """Run `check` of a file with `code` in it."""
    file = folder / "orders.py"
    file.write_text(code)
    if "arguments" in spec:
        spec["with"] = spec.pop("arguments")
    return await step.run(PythonSpec.model_validate({"call": f"{file}:check", **spec}), context(timeout))


async def refusal(
    step: PythonStep, folder: Path, code: str, *, timeout: float = 5.0, **spec: Any
) -> StepError:
    with nothing_left(), pytest.raises(StepError) as caught:
        await call(step, folder, code, timeout=timeout, **spec)
    return caught.value


def said(error: StepError, folder: Path) -> str:
    return error.failure.message.replace(f"{folder}/orders.py:check", "CALL")


def test_the_example_is_a_step() -> None:
    step = example_of(python)
    assert isinstance(step.spec, PythonSpec)
    assert (step.kind, step.spec.memory) == ("python", 256 * 1024 * 1024)


async def test_what_a_function_returns_is_the_reply(step: PythonStep, tmp_path: Path) -> None:
    code = "def check(shop, limit=5):\n    print('looking')\n    return {'shop': shop, 'limit': limit}\n"
    with nothing_left():
        reply = await call(step, tmp_path, code, arguments={"shop": "é"})
    assert reply.fields.keys() == PYTHON_FIELDS
    assert reply.fields["result"] == {"shop": "é", "limit": 5}
    assert reply.fields["stdout"] == "looking\n"
    assert reply.failure is None


async def test_coroutines_modules_and_methods(step: PythonStep, tmp_path: Path) -> None:
    package = tmp_path / "checks"
    package.mkdir()
    (package / "queue.py").write_text(
        "import asyncio\nclass Queue:\n    @staticmethod\n    async def depth():\n"
        "        await asyncio.sleep(0)\n        return [1, None, 2.5]\n"
    )
    spec = PythonSpec.model_validate({"call": "checks.queue:Queue.depth", "path": [str(tmp_path)]})
    reply = await step.run(spec, context())
    assert reply.fields["result"] == [1, None, 2.5]


async def test_arguments_keep_their_type_when_filled_in(step: PythonStep, tmp_path: Path) -> None:
    file = tmp_path / "orders.py"
    file.write_text("def check(limit): return repr(limit)\n")
    spec = PythonSpec.model_validate({"call": f"{file}:check", "with": {"limit": "{{ env.limit }}"}})
    reply = await step.run(render_spec(spec, {"env": {"limit": 7}}), context())
    assert reply.fields["result"] == "7"


async def test_surroundings(step: PythonStep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the engine's environment but what is allowed, nothing to read, the place asked for."""
    monkeypatch.setenv("DATABASE_PASSWORD", "S3CR3T")
    code = (
        "import os, sys\n"
        "def check(): return [sys.stdin.read(), os.getcwd(), dict(os.environ), sys.executable]\n"
    )
    reply = await call(step, tmp_path, code, cwd=str(tmp_path), env={"A": "b"}, interpreter=sys.executable)
    read, place, env, _ = reply.fields["result"]
    assert (read, place) == ("", str(tmp_path))
    assert (env["A"], env["TRACEPARENT"]) == ("b", TRACEPARENT)
    assert "DATABASE_PASSWORD" not in env


@pytest.mark.parametrize(
    ("body", "sentence", "kind"),
    [
        (
            "raise ValueError('no such shop')",
            "ValueError: no such shop (orders.py:2)",
            "PERMANENT validation",
        ),
        ("raise ConnectionRefusedError('no')", "ConnectionRefusedError: no (orders.py:2)", "NETWORK network"),
        ("assert 1 == 2, '7 stuck'", "AssertionError: 7 stuck (orders.py:2)", "PERMANENT validation"),
        ("raise TimeoutError", "TimeoutError (orders.py:2)", "TIMEOUT network"),
        ("import json; json.loads('{')", "JSONDecodeError: Expecting property", "PERMANENT validation"),
        ("b'\\xff'.decode()", "UnicodeDecodeError: 'utf-8' codec", "PERMANENT validation"),
        (
            "raise type('ConnectError', (type('TransportError', (Exception,), {}),), {})('gone')",
            "ConnectError: gone (orders.py:2)",
            "NETWORK network",
        ),
        (
            "raise Exception('\\x1b]52;c;aGk\\x07[31mbad')",
            "Exception: [31mbad (orders.py:2)",
            "UNKNOWN unknown",
        ),
        ("raise ExceptionGroup('two', [ValueError(1)])", "ExceptionGroup: two (1", "UNKNOWN unknown"),
    ],
)
async def test_what_a_function_raises_is_the_failure(
    step: PythonStep, tmp_path: Path, body: str, sentence: str, kind: str
) -> None:
    error = await refusal(step, tmp_path, f"def check():\n    {body}\n")
    assert said(error, tmp_path).startswith(f"CALL raised {sentence}")
    assert not isinstance(error, CheckError)
    assert f"{error.failure.type} {error.failure.category}" == kind


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("", "CALL cannot be called: AttributeError: module 'orders' has no attribute 'check'"),
        ("check = 5", "CALL cannot be called: TypeError: check cannot be called"),
        ("def check(a): pass", "CALL cannot be called: TypeError: missing a required argument: 'a'"),
        (
            "import nosuch",
            "CALL cannot be called: ModuleNotFoundError: No module named 'nosuch' (orders.py:1)",
        ),
        ("import sys; sys.exit(3)", "CALL cannot be called: SystemExit: 3 (orders.py:1)"),
        ("def check(:", "CALL cannot be called: SyntaxError: invalid syntax"),
        ("def check(): return {1, 2}", "the result of CALL is no JSON: Object of type set"),
    ],
)
async def test_a_wrong_check_is_told_from_a_wrong_target(
    step: PythonStep, tmp_path: Path, code: str, sentence: str
) -> None:
    error = await refusal(step, tmp_path, code)
    assert isinstance(error, CheckError)
    assert said(error, tmp_path).startswith(sentence)


@pytest.mark.parametrize(
    ("body", "sentence", "kind"),
    [
        ("while True: pass", "CALL used up the 1 s of CPU time it may have", ErrorType.TIMEOUT),
        ("import sys; sys.exit(3)", "CALL exited with 3", ErrorType.UNKNOWN),
        ("import sys; sys.exit('no idea')", "CALL exited with 1: no idea", ErrorType.UNKNOWN),
        ("import sys; sys.exit()", "CALL ended its process without a result", ErrorType.PERMANENT),
        ("import os; os._exit(0)", "CALL ended its process without a result", ErrorType.PERMANENT),
        ("import ctypes; ctypes.string_at(0)", "CALL was killed by SIGSEGV (__init__.py:", ErrorType.UNKNOWN),
        ("import os; os.abort()", "CALL was killed by SIGABRT (orders.py:2)", ErrorType.UNKNOWN),
        ("import os; os.kill(os.getpid(), 9)", "CALL was killed by SIGKILL", ErrorType.UNKNOWN),
        ("while True: print('x' * 1000)", "CALL wrote over 1048576 bytes and was ended", ErrorType.PERMANENT),
        (
            "return bytearray(600_000_000)",
            "CALL needs more than the 536870912 bytes of memory it may have",
            ErrorType.PERMANENT,
        ),
        (
            "open('/dev/null'); a = [open('/dev/null') for _ in range(300)]",
            "CALL raised OSError: [Errno 24] Too many open files",
            ErrorType.UNKNOWN,
        ),
        ("return 'x' * 2_000_000", "the result of CALL has 2000014 bytes, the limit", ErrorType.PERMANENT),
    ],
)
async def test_a_function_cannot_hurt_the_engine(
    step: PythonStep, tmp_path: Path, body: str, sentence: str, kind: ErrorType
) -> None:
    error = await refusal(step, tmp_path, f"def check():\n    {body}\n", cpu=1, memory="512mib")
    assert said(error, tmp_path).startswith(sentence)
    assert error.failure.type is kind
    assert not isinstance(error, CheckError)


async def test_a_function_that_does_not_end_is_ended_with_all_it_started(
    step: PythonStep, tmp_path: Path
) -> None:
    code = (
        "import os, signal, subprocess, time\n"
        "def check(folder):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    other = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "    for pid in (os.getpid(), other.pid): open(f'{folder}/{pid}', 'w').close()\n"
        "    time.sleep(60)\n"
    )
    error = await refusal(step, tmp_path, code, timeout=0.8, arguments={"folder": str(tmp_path)})
    assert said(error, tmp_path) == "CALL did not end within 800 ms and was ended"
    assert len(pids_in(tmp_path)) == 2
    assert all_dead(pids_in(tmp_path))


async def test_cancelling_ends_the_function(step: PythonStep, tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "def check(folder):\n"
        "    open(f'{folder}/{os.getpid()}', 'w').close()\n"
        "    open(f'{folder}/ready', 'w').write('x')\n"
        "    time.sleep(60)\n"
    )
    with nothing_left():
        async with heard_from(tmp_path / "ready") as ready:
            task = asyncio.ensure_future(call(step, tmp_path, code, arguments={"folder": str(tmp_path)}))
            async with asyncio.timeout(5):
                await ready.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        del task
    assert pids_in(tmp_path)
    assert all_dead(pids_in(tmp_path))


async def test_an_interpreter_that_is_none(step: PythonStep, tmp_path: Path) -> None:
    error = await refusal(step, tmp_path, "def check(): pass", interpreter="/nosuch/python")
    assert error.failure.message == "there is no command /nosuch/python"
    other = await refusal(step, tmp_path, "def check(): pass", interpreter="true")
    assert said(other, tmp_path) == "CALL ended its process without a result"


@pytest.mark.parametrize(
    "spec",
    [
        {"call": "module"},
        {"call": ":f"},
        {"call": "m:f()"},
        {"call": "m:f", "with": [1]},
        {"call": "m:f", "with": {1: 2}},
        {"call": "m:f", "memory": "1kb"},
        {"call": "m:f", "memory": "much"},
        {"call": "m:f", "cpu": 0},
    ],
)
def test_what_a_step_may_not_say(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PythonSpec.model_validate(spec)
