"""Workflows that call workflows."""

from engine.config.schema import BreakerSpec, Workflow
from engine.model import ErrorType, Outcome
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
