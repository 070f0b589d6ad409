import asyncio
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.clock import SystemClock
from engine.model import ErrorCategory, ErrorType
from engine.workflows.steps import shell
from engine.workflows.steps.base import CheckError, Reply, StepError
from engine.workflows.steps.shell import SHELL_FIELDS, ShellSpec, ShellStep
from tests.engine.workflows.children import (
    TRACEPARENT,
    all_dead,
    context,
    heard_from,
    nothing_left,
    pids_in,
)
from tests.engine.workflows.examples import example_of


@pytest.fixture
async def step() -> AsyncIterator[ShellStep]:
    made = ShellStep(SystemClock())
    yield made
    await made.close()


async def run(step: ShellStep, *command: str, timeout: float = 5.0, **spec: Any) -> Reply:
    return await step.run(ShellSpec.model_validate({"command": list(command), **spec}), context(timeout))


async def script(step: ShellStep, text: str, *arguments: str, timeout: float = 5.0, **spec: Any) -> Reply:
    return await run(step, "sh", "-c", text, "sh", *arguments, timeout=timeout, **spec)


async def refusal(step: ShellStep, text: str, *arguments: str, **spec: Any) -> StepError:
    with pytest.raises(StepError) as caught:
        await script(step, text, *arguments, **spec)
    return caught.value


def test_the_example_is_a_step() -> None:
    assert example_of(shell).kind == "shell"


async def test_what_a_command_says_is_a_reply(step: ShellStep) -> None:
    with nothing_left():
        reply = await script(step, 'echo "{\\"free\\": 7}"; echo careful >&2')
    assert set(reply.fields) == SHELL_FIELDS
    assert (reply.fields["status"], reply.fields["signal"]) == (0, None)
    assert reply.fields["json"] == {"free": 7}
    assert reply.fields["stderr"] == "careful\n"
    assert reply.fields["size"] == 12
    assert (reply.failure, reply.attributes["process.exit.code"]) == (None, 0)


async def test_arguments_are_no_text_for_a_shell(step: ShellStep) -> None:
    reply = await run(step, "printf", "%s|", "a b", "$(id)", "; id", "*")
    assert reply.fields["stdout"] == "a b|$(id)|; id|*|"


@pytest.mark.parametrize(
    ("text", "status", "sentence", "kind", "category"),
    [
        ("echo one >&2; echo two >&2; exit 3", 3, "sh exited with 3: two", "UNKNOWN", "unknown"),
        ("exit 75", 75, "sh exited with 75", "TRANSIENT", "unknown"),
        ("nosuchcommand 2>/dev/null", 127, "sh exited with 127", "PERMANENT", "not_found"),
        ("kill -9 $$", 137, "sh was killed by SIGKILL", "UNKNOWN", "unknown"),
        ("exit 137", 137, "sh exited with 137", "UNKNOWN", "unknown"),
        (
            r"printf '\033]52;c;aGk\007[31mbad\n' >&2; exit 1",
            1,
            "sh exited with 1: [31mbad",
            "UNKNOWN",
            "unknown",
        ),
    ],
)
async def test_an_exit_status_is_a_failure_in_words(
    step: ShellStep, text: str, status: int, sentence: str, kind: str, category: str
) -> None:
    reply = await script(step, text)
    assert reply.fields["status"] == status
    assert reply.failure is not None
    assert reply.failure.message == sentence
    assert (reply.failure.type, reply.failure.category) == (ErrorType(kind), ErrorCategory(category))


async def test_the_environment_is_what_is_allowed(step: ShellStep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "S3CR3T")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/agent")
    reply = await run(step, "env", env={"GREETING": "hello", "LANG": "C"}, inherit=["SSH_AUTH_SOCK"])
    seen = dict(line.partition("=")[::2] for line in reply.fields["stdout"].splitlines())
    assert "DATABASE_PASSWORD" not in seen
    assert (seen["GREETING"], seen["LANG"]) == ("hello", "C")
    assert seen["SSH_AUTH_SOCK"] == "/tmp/agent"
    assert seen["TRACEPARENT"] == TRACEPARENT


async def test_it_runs_where_it_is_told_to_with_nothing_to_read(step: ShellStep, tmp_path: Path) -> None:
    reply = await script(step, "pwd; cat; tty", cwd=str(tmp_path))
    assert reply.fields["stdout"] == f"{tmp_path}\nnot a tty\n"


async def test_output_that_is_no_text_is_kept_within_reason(step: ShellStep) -> None:
    reply = await script(step, r"printf '\377\000\033[2J'; printf '\200' >&2; exit 1")
    assert reply.fields["stdout"] == "\ufffd\0\x1b[2J"
    assert reply.fields["json"] is None
    assert reply.failure is not None
    assert reply.failure.message == "sh exited with 1: \ufffd"


@pytest.mark.parametrize(
    ("command", "cwd", "sentence", "category"),
    [
        (["/nosuch/command"], None, "there is no command /nosuch/command", ErrorCategory.NOT_FOUND),
        (["true"], "/nosuch", "there is no directory /nosuch", ErrorCategory.NOT_FOUND),
        (["/proc/version"], None, "/proc/version may not be executed", ErrorCategory.AUTHENTICATION),
        (["echo", "a\0b"], None, "echo cannot be started: embedded null byte", ErrorCategory.VALIDATION),
        (
            ["echo", *["x" * 60_000] * 150],
            None,
            "echo cannot be started: argument list too long",
            ErrorCategory.VALIDATION,
        ),
    ],
)
async def test_what_cannot_be_started_is_the_checks_own_fault(
    step: ShellStep, command: list[str], cwd: str | None, sentence: str, category: ErrorCategory
) -> None:
    with nothing_left(), pytest.raises(CheckError) as caught:
        await run(step, *command, cwd=cwd)
    assert caught.value.failure.message.startswith(sentence)
    assert caught.value.failure.category is category


@pytest.mark.parametrize(
    "text",
    [
        "touch $1/$$; sleep 60",
        "trap '' TERM; touch $1/$$; while :; do sleep 60; done",
        'sh -c \'touch "$1/$$"; sleep 60\' sh "$1" & touch $1/$$; wait',
        'setsid sh -c \'touch "$1/$$"; trap "" TERM; sleep 60\' sh "$1" & touch $1/$$; wait',
        '(setsid sh -c \'touch "$1/$$"; sleep 60\' sh "$1" &) ; touch $1/$$; exec sleep 60',
        'for i in $(seq 200); do sh -c \'touch "$1/$$"; sleep 60\' sh "$1" & done; touch $1/$$; wait',
        "exec >/dev/null 2>&1 <&-; touch $1/$$; sleep 60",
        "touch $1/$$; kill -STOP $$",
    ],
    ids=[
        "sleeps",
        "ignores TERM",
        "grandchild",
        "new session",
        "orphan in new session",
        "200",
        "closed",
        "stopped",
    ],
)
async def test_a_command_that_does_not_end_is_ended_with_all_it_started(
    step: ShellStep, text: str, tmp_path: Path
) -> None:
    began = time.monotonic()
    with nothing_left():
        error = await refusal(step, text, str(tmp_path), timeout=0.5)
    assert time.monotonic() - began < 0.5 + 0.5 + 1.0
    assert error.failure.message == "sh did not end within 500 ms and was ended"
    assert error.failure.type is ErrorType.TIMEOUT
    assert pids_in(tmp_path)
    assert all_dead(pids_in(tmp_path))


async def test_a_command_may_clean_up_when_its_time_is_over(step: ShellStep, tmp_path: Path) -> None:
    text = "trap 'echo gone >$1/note; exit' TERM; sleep 60 & wait"
    await refusal(step, text, str(tmp_path), timeout=0.2)
    assert (tmp_path / "note").read_text() == "gone\n"


async def test_what_stays_behind_in_the_group_ends_with_the_command(step: ShellStep, tmp_path: Path) -> None:
    """The one in the background holds the pipes, and must not hold the step."""
    began = time.monotonic()
    with nothing_left():
        reply = await script(step, "sleep 60 & touch $1/$!; echo done", str(tmp_path))
    assert reply.fields["stdout"] == "done\n"
    assert time.monotonic() - began < 20
    assert all_dead(pids_in(tmp_path))


async def test_output_beyond_the_bound_ends_the_command(step: ShellStep, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with nothing_left():
        error = await refusal(
            step, "touch $1/$$; head -c 300000000 /dev/zero; echo end", str(tmp_path), max_output=100_000
        )
    assert error.failure.message == "sh wrote over 100000 bytes and was ended"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    assert all_dead(pids_in(tmp_path))


async def test_the_bound_itself_is_allowed_and_counts_both_outputs(step: ShellStep) -> None:
    reply = await script(step, "printf 12345; printf 67890 >&2", max_output=10)
    assert (reply.fields["stdout"], reply.fields["stderr"]) == ("12345", "67890")
    error = await refusal(step, "printf 12345; printf 67890 >&2", max_output=9)
    assert error.failure.message == "sh wrote over 9 bytes and was ended"


async def test_all_that_was_written_before_the_end_is_read(step: ShellStep) -> None:
    reply = await script(step, "head -c 900000 /dev/zero | tr '\\0' x")
    assert reply.fields["stdout"] == "x" * 900_000


async def test_cancelling_ends_the_command(step: ShellStep, tmp_path: Path) -> None:
    text = "trap '' TERM; touch $1/$$; echo >$1/ready; while :; do sleep 60; done"
    with nothing_left():
        async with heard_from(tmp_path / "ready") as ready:
            task = asyncio.ensure_future(script(step, text, str(tmp_path)))
            async with asyncio.timeout(5):
                await ready.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        del task
    assert pids_in(tmp_path)
    assert all_dead(pids_in(tmp_path))


async def test_many_at_once_keep_the_loop_free(step: ShellStep) -> None:
    with nothing_left():
        replies = await asyncio.gather(*(script(step, "echo $1", str(n)) for n in range(40)))
    assert [reply.fields["stdout"] for reply in replies] == [f"{n}\n" for n in range(40)]


@pytest.mark.parametrize(
    "spec",
    [
        {"command": "df -h"},
        {"command": []},
        {"command": [""]},
        {"command": ["sh", "-c", "echo {{ login.token }}"]},
        {"command": ["/bin/bash", "-ec", "echo {{ login.token }}"]},
        {"command": ["true"], "env": {"A=B": "x"}},
        {"command": ["true"], "inherit": ["A B"]},
        {"command": ["true"], "shell": True},
    ],
)
def test_what_a_step_may_not_say(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ShellSpec.model_validate(spec)


def test_values_are_arguments_of_a_shells_text() -> None:
    ShellSpec.model_validate({"command": ["sh", "-c", 'echo "$1"', "sh", "{{ login.token }}"]})
