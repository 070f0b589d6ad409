"""Workflows that call workflows."""

import asyncio
from typing import Any

from engine.config.schema import BreakerSpec, Workflow
from engine.model import ErrorType, Outcome
from engine.workflows.runner import Runner
from engine.workflows.steps.workflow import WorkflowStep
from tests.engine.workflows.test_flow import Bench, flow, get

SIGN_IN = Workflow.model_validate(
    {
        "id": "sign-in",
        "name": "Sign in",
        "on_call": True,
        "variables": {"user": "demo", "path": "{{ env.base }}/in"},
        "outputs": {"token": "{{ get.token }}"},
        "steps": [get("get", "{{ vars.path }}/{{ vars.user }}", extract={"token": "json.token"})],
    }
)


async def test_a_workflow_calls_another_with_its_own_values() -> None:
    bench = Bench(SIGN_IN, base="/b")
    call = {"id": "s", "workflow": {"id": "sign-in", "with": {"user": "{{ vars.who }}"}}}
    recording = await bench.run(
        flow(
            call | {"extract": {"token": "outputs.token"}},
            get("b", "{{ s.token }}"),
            variables={"who": "eve"},
        )
    )
    assert recording.execution.outcome is Outcome.OK
    assert bench.site.called == ["/b/in/eve", "t-/b/in/eve"]
    by_name = {span.name: span for span in recording.spans}
    assert by_name["Sign in"].parent_id == by_name["s"].span_id
    assert by_name["get"].parent_id == by_name["Sign in"].span_id
    assert {span.trace_id for span in recording.spans} == {recording.execution.trace_id}
    assert {span.execution_id for span in recording.spans} == {1}


async def test_what_becomes_of_a_called_workflow_becomes_of_the_step() -> None:
    down = SIGN_IN.model_copy(update={"variables": {"user": "", "path": "down"}, "breaker": False})
    bench = Bench(down)
    call = {"id": "s", "workflow": {"id": "sign-in"}}
    recording = await bench.run(flow(call))
    assert recording.execution.error == "s: get: connection refused by h"
    assert recording.execution.failure is not None
    assert recording.execution.failure.type is ErrorType.NETWORK
    seen = await bench.run(flow(call | {"expect": ["outcome == 'failed'", "error contains refused"]}))
    assert seen.execution.outcome is Outcome.OK
    gone = await bench.run(flow({"id": "s", "workflow": {"id": "nobody"}}))
    assert gone.execution.outcome is Outcome.ERROR


async def test_a_breaker_in_a_called_workflow_skips_the_caller() -> None:
    breaker = BreakerSpec(threshold=2, reset=1e6)
    down = SIGN_IN.model_copy(update={"variables": {"user": "", "path": "down"}, "breaker": breaker})
    bench = Bench(down)
    calling = flow({"id": "s", "workflow": {"id": "sign-in"}})
    for _ in range(2):
        assert (await bench.run(calling)).execution.outcome is Outcome.FAILED
    recording = await bench.run(calling)
    assert (recording.execution.outcome, recording.execution.reason) == (Outcome.SKIPPED, "breaker")
    assert recording.logs[-1].message == "w skipped: the circuit breaker of http://h is open"


def retried(**keys: Any) -> Workflow:
    """A workflow on call whose one step is refused twice, then answered."""
    retry = {"max_attempts": 3, "initial_delay": "1s", "jitter": 0}
    return Workflow.model_validate(
        {
            "id": "pay",
            "name": "Pay",
            "on_call": True,
            "variables": {"path": "card"},
            "steps": [get("card", "{{ vars.path }}", retry=retry, **keys)],
        }
    )


CALL = {"id": "s", "workflow": {"id": "pay"}}


async def test_retries_of_a_called_workflow_are_in_the_log_of_the_caller() -> None:
    bench = Bench(retried())
    bench.site.down["card"] = 2
    recording = await bench.run(flow(CALL))
    assert recording.execution.outcome is Outcome.OK
    assert [(line.message, line.workflow_id) for line in recording.logs[:-1]] == [
        ("w pay: card try 1 of 3 failed: connection refused by h; next in 1 s", "w"),
        ("w pay: card try 2 of 3 failed: connection refused by h; next in 2 s", "w"),
    ]


async def test_breakers_of_a_called_workflow_are_listed_with_the_callers() -> None:
    bench = Bench(SIGN_IN, base="/down")
    calling = flow({"id": "s", "workflow": {"id": "sign-in"}})
    await bench.run(calling)
    assert [breaker.target for breaker in bench.runner.breakers_of("w")] == ["http://h"]


async def test_what_a_called_workflow_did_is_traced_however_it_ended() -> None:
    broken = retried().model_copy(update={"steps": flow(get("card", "broken")).steps})
    bench = Bench(broken)
    recording = await bench.run(flow(CALL))
    assert recording.execution.outcome is Outcome.ERROR
    assert {"Pay", "card"} <= {span.name for span in recording.spans}
    late = flow({"id": "s", "timeout": "10ms", "workflow": {"id": "pay"}})
    bench = Bench(retried().model_copy(update={"steps": flow(get("card", "forever")).steps}))
    recording = await asyncio.wait_for(bench.runner.run(late, 1, 0.0), 10)
    assert recording.execution.error.endswith("the step did not end within 10 ms")
    assert "Pay" in {span.name for span in recording.spans}


async def test_responses_of_a_called_workflow_are_kept_under_its_own_id() -> None:
    kept: list[tuple[str, int, str]] = []
    bench = Bench(retried())
    bench.runner = Runner(
        clock=bench.clock,
        variables={},
        retries={},
        on_log=bench.logs.append,
        workflows=[retried()],
        types={"http": lambda _: bench.site, "workflow": WorkflowStep},
        keep=lambda workflow_id, execution_id, plan, stepped: kept.append(
            (workflow_id, execution_id, plan.id)
        ),
    )
    await bench.run(flow(CALL))
    assert kept == [("pay", 1, "card"), ("w", 1, "s")]
    kept.clear()
    # Side by side, the responses of one of them are kept.
    slow = {"id": "pay", "with": {"path": "slow"}}
    await bench.run(
        flow({"id": "s", "workflow": slow, "needs": []}, {"id": "t", "workflow": slow, "needs": []})
    )
    assert bench.site.most_at_once == 2
    assert sorted(kept) == [("pay", 1, "card"), ("w", 1, "s"), ("w", 1, "t")]
