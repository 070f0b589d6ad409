"""Workflows in Python: found by the file that names them, run, recorded, retried and traced as others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import engine.authoring
from engine.clock import SystemClock
from engine.config.loader import LoadedConfig, load_config
from engine.engine import Engine
from engine.errors import ConfigError
from engine.model import ErrorType, Outcome, Recording, SpanKind
from engine.workflows.runner import Runner
from tests.servers import http_target

HEAD = "import asyncio\nfrom engine.authoring import Run, StepFailedError, workflow\n"
FILE = """
version: 1
environments: {{here: {{base_url: "{url}", key: secret-key}}}}
retries: {{quick: {{max_attempts: 3, initial_delay: 0s}}}}
python: [checks.py]
"""


def load(directory: Path, code: str, url: str = "http://127.0.0.1:1") -> LoadedConfig:
    (directory / "checks.py").write_text(HEAD + code)
    (directory / "rules.yaml").write_text(FILE.format(url=url))
    return load_config(directory / "rules.yaml", env={})


async def run(loaded: LoadedConfig) -> Recording:
    """The first workflow's recording."""
    runner = Runner(
        clock=SystemClock(),
        variables=loaded.variables,
        retries=loaded.config.retries,
        on_log=lambda record: None,
    )
    try:
        return await runner.run(loaded.config.workflows[0], 1, 0.0)
    finally:
        await runner.close()


REFUSED = "http={'url': 'http://127.0.0.1:1'}"
STEPS = """
@workflow(every="30s", priority="critical", retry="quick", tags=["auth"])
async def sign_in(run: Run) -> None:
    '''Sign in.

    As a customer does.
    '''
    login = await run.step("login", http={"url": run.env["base_url"]}, expect=["status == 200", "json.n > 1"])
    for number in range(login["json"]["n"]):
        await run.step("page", http={"url": f"{run.env['base_url']}/{number}"})
"""


async def test_steps_are_recorded_and_traced(tmp_path: Path) -> None:
    async with http_target() as target:
        target.body = b'{"n": 2}'
        loaded = load(tmp_path, STEPS, target.url)
        recording = await run(loaded)
    workflow = loaded.config.workflows[0]
    assert (workflow.id, workflow.name, workflow.description) == ("sign-in", "Sign in", "As a customer does.")
    assert (workflow.every, workflow.priority.value, workflow.tags) == (30.0, "critical", ("auth",))
    execution = recording.execution
    assert (execution.outcome, execution.attempt_count) == (Outcome.OK, 1)
    steps = execution.attempts[0].steps
    assert [step.step_id for step in steps] == ["login", "page", "page[2]"]
    assert [seen.shown for seen in steps[0].assertions] == ["status (200) == 200", "json.n (2) > 1"]
    clients = [span for span in recording.spans if span.kind is SpanKind.CLIENT]
    attempt = next(span for span in recording.spans if span.name == "attempt 1")
    assert [(span.name, span.parent_id) for span in clients] == [
        (name, attempt.span_id) for name in ("login", "page", "page[2]")
    ]


async def test_a_failed_step_ends_the_attempt_and_is_tried_again(tmp_path: Path) -> None:
    async with http_target() as target:
        target.status = 503
        recording = await run(load(tmp_path, STEPS, target.url))
        assert target.hits == 3
    execution = recording.execution
    assert (execution.outcome, execution.attempt_count) == (Outcome.FAILED, 3)
    assert execution.failure is not None
    assert execution.failure.type is ErrorType.TRANSIENT
    assert execution.error.startswith("login: status (503) == 200")


@pytest.mark.parametrize(
    ("body", "outcome", "error"),
    [
        ("assert 2 + 2 == 5, 'two and two'", Outcome.FAILED, "function: two and two"),
        ("raise KeyError('x')", Outcome.ERROR, "function: 'x'"),
        ("raise ConnectionRefusedError('nobody there')", Outcome.FAILED, "function: "),
        ("await asyncio.Event().wait()", Outcome.FAILED, "function: the function did not end within"),
        ("await run.step('a', http={'url': 1})", Outcome.ERROR, "function: step a: http.url: "),
        (
            "await run.step('a', http={'url': 'http://a'}, when='x')",
            Outcome.ERROR,
            "function: step a: `when` is",
        ),
        ("pass", Outcome.OK, ""),
        (
            "await run.step('a', http={'url': 'http://127.0.0.1:1'}, continue_on_error=True)",
            Outcome.DEGRADED,
            "",
        ),
        (f"await run.step('a', {REFUSED}, expect='failure')", Outcome.OK, ""),
    ],
)
async def test_what_a_function_does_is_an_outcome(
    tmp_path: Path, body: str, outcome: Outcome, error: str
) -> None:
    keys = "every='1m', timeout='300ms', retry={'max_attempts': 1}"
    code = f"@workflow({keys})\nasync def x(run):\n    {body}\n"
    execution = (await run(load(tmp_path, code))).execution
    assert (execution.outcome, execution.error[: len(error)]) == (outcome, error)


async def test_what_was_put_together_holds_no_placeholders(tmp_path: Path) -> None:
    code = """
@workflow(every="1m", retry={"max_attempts": 1})
async def x(run: Run) -> None:
    said = (await run.step("a", http={"url": run.env["base_url"]}))["body"]
    await run.step("b", http={"url": run.env["base_url"], "method": "POST", "body": said})
    await asyncio.gather(*(run.step("c", http={"url": run.env["base_url"]}) for _ in range(3)))
"""
    async with http_target() as target:
        target.body = b"{{ env.key }}"
        execution = (await run(load(tmp_path, code, target.url))).execution
    assert execution.outcome is Outcome.OK
    assert [step.step_id for step in execution.attempts[0].steps][:2] == ["a", "b"]
    assert {step.step_id for step in execution.attempts[0].steps[2:]} == {"c", "c[2]", "c[3]"}


async def test_the_engine_runs_and_stores_it(tmp_path: Path) -> None:
    async with http_target() as target:
        target.body = b'{"n": 2}'
        loaded = load(tmp_path, STEPS, target.url)
        engine_ = Engine(loaded, tmp_path / "x.db", SystemClock())
        await engine_.start(scheduled=False)
        try:
            (execution,) = await engine_.run_once()
            stored = await engine_.reader.execution(execution.id)
            names = [span.name for span in await engine_.reader.trace(execution.trace_id)]
        finally:
            await engine_.stop()
    assert (stored.outcome, stored.workflow_id) == (Outcome.OK, "sign-in")
    assert names == ["Sign in", "attempt 1", "login", "page", "page[2]"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nothing_of_that_name", "`checks.py` cannot be imported: No module named"),
        ("x = (", "`checks.py` cannot be imported: '(' was never closed"),
        ("x = 1", "there is no workflow in `checks.py`"),
        ("@workflow()\nasync def x(run): pass", "either every: (such as 30s) or cron:"),
        ("import sys\nsys.exit(3)",
         "`checks.py` cannot be imported: it ends the program with sys.exit(3) (checks.py:4)"),
        ("def f():\n    return 1 / 0\nf()", "cannot be imported: division by zero (checks.py:4)"),
        ("\n@workflow(evry='1m')\nasync def x(run): pass",
         "cannot be imported: unknown key `evry`; did you mean `every`? (checks.py:4)"),
        ("@workflow(every='1m', priority='hihg')\nasync def x(run): pass",
         "wants one of low, normal, high, critical, found `hihg`; did you mean `high`? (checks.py:3)"),
        ("@workflow(every='1 minute')\nasync def x(run): pass",
         "`every`: a duration is a number with a unit"),
        ("@workflow(every='1m')\ndef x(run): pass",
         "`x` is written with def, a workflow with async def (checks.py:3)"),
        ("@workflow(every='1m', retry='often')\nasync def x(run): pass", "retry strategy `often`"),
        ("@workflow(every='1m', id='w')\nasync def x(run): pass\n"
         "@workflow(every='1m', id='w')\nasync def y(run): pass", "`w`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_module_is_told_with_its_place(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, code)
    assert any(message in problem.message for problem in caught.value.problems), str(caught.value)
    assert all(problem.line >= 1 for problem in caught.value.problems)


def test_rules_may_name_it_and_a_missing_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text(HEAD + STEPS)
    condition = "{type: CUSTOM, expression: 'workflow.attempts > 1'}"
    rule = f"{{id: r, name: R, workflows: [sign-in], conditions: [{condition}]}}"
    path = tmp_path / "rules.yaml"
    path.write_text(FILE.format(url="http://a") + f"rules: [{rule}]\n")
    assert load_config(path, env={}).config.rules[0].workflows == ("sign-in",)
    path.write_text(FILE.format(url="http://a").replace("checks.py", "gone.py"))
    with pytest.raises(ConfigError, match=r"5:10: `gone\.py` cannot be imported: there is no file"):
        load_config(path, env={})


def test_the_example_of_the_module_is_a_workflow(tmp_path: Path) -> None:
    block = re.search(r"```python\n(.*?)```", engine.authoring.__doc__ or "", re.DOTALL)
    assert block is not None
    loaded = load(tmp_path, block[1])
    assert [workflow.id for workflow in loaded.config.workflows] == ["sign-in"]


SECRET = """
@workflow(every="30s")
async def shop(run: Run) -> None:
    login = await run.step("login", http={"url": run.env["base_url"]})
    token = run.secret(login["json"]["badge"])
    run.warn(f"the badge is {token}")
    raise ValueError(f"cannot use {token}")
"""


async def test_a_secret_that_the_function_tells_of_is_hidden(tmp_path: Path) -> None:
    async with http_target() as target:
        target.body = b'{"badge": "abc-4711-xyz"}'
        recording = await run(load(tmp_path, SECRET, target.url))
    assert recording.execution.error == "function: cannot use ***"
    assert recording.logs[0].message == "shop the badge is ***"
    assert "4711" not in repr(recording)


PASSED = """
@workflow(every="30s")
async def shop(run: Run) -> None:
    await run.step(
        "one",
        http={
            "url": run.env["base_url"],
            "headers": {"Authorization": "Bearer lit-bearer-1", "X-Api-Key": "lit-api-key-2"},
            "json": {"user": "ann", "password": "lit-password-3"},
        },
    )
    await run.step("two", http={"url": run.env["base_url"], "auth": {"bearer": "lit-token-4"}})
    run.warn("sent lit-bearer-1, lit-api-key-2, lit-password-3 and lit-token-4 to north")
"""


async def test_credentials_that_a_function_passes_to_a_step_are_hidden(tmp_path: Path) -> None:
    async with http_target() as target:
        target.body = b"ann of north sent lit-bearer-1, lit-password-3, lit-token-4"
        recording = await run(load(tmp_path, PASSED, target.url))
    assert recording.execution.outcome is Outcome.OK
    told = repr(recording)
    assert "lit-" not in told
    assert "sent ***, ***, *** and *** to north" in told
