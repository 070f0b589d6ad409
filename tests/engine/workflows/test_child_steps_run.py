"""Steps with a child or a thread, run as the engine runs them."""

import time
from pathlib import Path

import yaml

from engine.clock import SystemClock
from engine.config.loader import load_config
from engine.model import ErrorType, Outcome
from engine.workflows.runner import Runner
from tests.engine.workflows.children import all_dead, nothing_left, pids_in


async def test_a_workflow_of_all_three(tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text("def double(n):\n    return {'twice': n * 2}\n")
    steps = [
        {
            "id": "count",
            "shell": {"command": ["sh", "-c", "echo 21; exit 1"]},
            "expect": ["status in [0, 1]"],
            "degraded": ["status == 0"],
            "extract": {"n": "json"},
        },
        {
            "id": "double",
            "python": {"call": f"{tmp_path}/checks.py:double", "with": {"n": "{{ count.n }}"}},
            "expect": ["result.twice == 42"],
            "extract": {"n": "result.twice"},
        },
        {
            "id": "store",
            "sql": {
                "url": f"sqlite:{tmp_path}/x.db",
                "query": "select :n + count(*) as n from sqlite_master",
                "params": {"n": "{{ double.n }}"},
            },
            "expect": ["value == 42", "row.n == 42"],
        },
        {"id": "hang", "timeout": "300ms", "shell": {"command": ["sh", "-c", HANG, "sh", str(tmp_path)]}},
    ]
    (tmp_path / "x.db").touch()
    file = tmp_path / "rules.yaml"
    workflow = {"id": "all", "name": "All", "every": "1m", "retry": {"max_attempts": 1}, "steps": steps}
    file.write_text(yaml.safe_dump({"version": 1, "workflows": [workflow]}))
    loaded = load_config(file, env={})
    runner = Runner(clock=SystemClock(), variables={}, retries={}, on_log=lambda record: None)
    began = time.monotonic()
    with nothing_left():
        recording = await runner.run(loaded.config.workflows[0], 1, time.time())
        await runner.close()
    results = {step.step_id: step for step in recording.execution.attempts[0].steps}
    assert [step.outcome for step in results.values()] == [
        Outcome.DEGRADED,
        Outcome.OK,
        Outcome.OK,
        Outcome.FAILED,
    ]
    failure = results["hang"].failure
    assert failure is not None
    assert (failure.message, failure.type) == (
        "sh did not end within 300 ms and was ended",
        ErrorType.TIMEOUT,
    )
    assert time.monotonic() - began < 5
    assert pids_in(tmp_path)
    assert all_dead(pids_in(tmp_path))


HANG = "trap '' TERM; touch $1/$$; setsid sleep 60 & touch $1/$!; wait; wait"
