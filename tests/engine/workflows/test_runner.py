import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from engine.clock import Clock, SystemClock, VirtualClock
from engine.config.schema import RetrySpec, Workflow
from engine.model import (
    BreakerState,
    ErrorCategory,
    ErrorType,
    Failure,
    LogLevel,
    LogRecord,
    Outcome,
    Phases,
    Recording,
    SpanStatus,
)
from engine.workflows.runner import Runner
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
from engine.workflows.steps.workflow import WorkflowStep
from tests.engine.workflows.servers import answer, serving

DOWN = Failure("status 503 from h", ErrorType.TRANSIENT)
GONE = Failure("status 404 from h", ErrorType.PERMANENT, ErrorCategory.NOT_FOUND)
REFUSED = StepError(
    Failure("connection refused by h", ErrorType.NETWORK, ErrorCategory.NETWORK), Phases(dns=0.1)
)


def ok(**fields: Any) -> Reply:
    return Reply({"status": 200, "duration": 0.01, **fields})


def bad(failure: Failure, status: int) -> Reply:
    return Reply({"status": status, "duration": 0.01}, failure=failure)


class Script:
    """A step type that gives what it was told to, one after the other, and remembers what it was asked."""

    name = "http"

    def __init__(self, *turns: Reply | Exception | Callable[[], Any]) -> None:
        self._turns = list(turns)
        self.specs: list[Any] = []
        self.contexts: list[StepContext] = []

    def target(self, spec: Any) -> str:
        return str(spec.url)

    async def run(self, spec: Any, context: StepContext) -> Reply:
        self.specs.append(spec)
        self.contexts.append(context)
        turn = self._turns.pop(0) if len(self._turns) > 1 else self._turns[0]
        if callable(turn):
            turn = await turn()
        if isinstance(turn, Exception):
            raise turn
        assert isinstance(turn, Reply)
        return turn

    async def close(self) -> None:
        """Nothing to close."""


class Bench:
    """A runner over a script, in virtual time."""

    def __init__(self, script: Script, **variables: Any) -> None:
        self.clock = VirtualClock()
        self.logs: list[LogRecord] = []
        self.script = script
        self.runner = Runner(
            clock=self.clock,
            variables=variables,
            retries={"twice": RetrySpec(max_attempts=2, jitter=0.0)},
            on_log=self.logs.append,
            rng=random.Random(1),
            types={"http": lambda clock: script},
        )

    async def run(self, workflow: Workflow, execution_id: int = 1) -> Recording:
        task = asyncio.ensure_future(self.runner.run(workflow, execution_id, 5.0))
        await self.clock.advance(600)
        return await asyncio.wait_for(task, 5)


def workflow(*steps: dict[str, Any], **keys: Any) -> Workflow:
    plain = {"id": "checkout", "name": "Checkout", "every": "30s", "retry": "twice"}
    default = {"id": "pay", "http": {"url": "http://h"}, "expect": ["status == 200"]}
    return Workflow.model_validate({**plain, "steps": list(steps) or [default], **keys})


def closing(recording: Recording) -> tuple[LogLevel, str]:
    return recording.logs[-1].level, recording.logs[-1].message


async def test_a_success_leaves_execution_spans_points_and_one_line() -> None:
    bench = Bench(Script(ok()))
    recording = await bench.run(workflow(), 7)
    execution = recording.execution
    assert (execution.id, execution.outcome) == (7, Outcome.OK)
    assert (execution.attempt_count, execution.scheduled_at) == (1, 5.0)
    root, attempt, step = recording.spans
    assert (root.name, attempt.name, step.name) == ("Checkout", "attempt 1", "pay")
    assert (root.parent_id, attempt.parent_id, step.parent_id) == (None, root.span_id, attempt.span_id)
    assert {span.trace_id for span in recording.spans} == {execution.trace_id}
    assert {span.status for span in recording.spans} == {SpanStatus.OK}
    assert bench.script.contexts[0].traceparent == f"00-{execution.trace_id}-{step.span_id}-01"
    assert {point.name for point in recording.points} >= {"workflow.duration", "workflow.success"}
    assert [log.message for log in recording.logs] == ["checkout ok in 0 s"]


async def test_loading_what_a_workflow_needs_is_no_part_of_its_first_execution() -> None:
    class BusyClock(VirtualClock):
        busy = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.busy

    clock = BusyClock()
    calling = WorkflowStep(clock)
    loaded: list[str] = []

    def slowly(kind: str, step_type: Any) -> Callable[[Clock], Any]:
        def make(_: Clock) -> Any:
            clock.busy += 0.2
            loaded.append(kind)
            return step_type

        return make

    called = workflow(id="called", every=None, on_call=True)
    caller = workflow({"id": "call", "workflow": {"id": "called"}}, id="caller")
    runner = Runner(
        clock=clock,
        variables={},
        retries={},
        on_log=lambda record: None,
        workflows=(called, caller),
        types={"http": slowly("http", Script(ok())), "workflow": slowly("workflow", calling)},
    )
    execution = (await runner.run(caller, 1, clock.now())).execution
    assert (execution.outcome, execution.duration, loaded) == (Outcome.OK, 0.0, ["workflow", "http"])


async def test_what_passes_is_tried_again_and_told() -> None:
    bench = Bench(Script(bad(DOWN, 503), ok()))
    recording = await bench.run(workflow())
    assert (recording.execution.outcome, recording.execution.attempt_count) == (Outcome.OK, 2)
    assert recording.execution.duration == 1.0
    assert recording.logs[0].level is LogLevel.WARNING
    assert (
        recording.logs[0].message == "checkout attempt 1 of 2 failed: pay: status (503) == 200; next in 1 s"
    )
    assert closing(recording) == (LogLevel.INFO, "checkout ok in 1 s after 2 attempts")


async def test_a_failure_keeps_the_type_of_the_reply() -> None:
    recording = await Bench(Script(bad(DOWN, 503))).run(workflow())
    failure = recording.execution.failure
    assert failure is not None
    assert (failure.message, failure.type) == ("pay: status (503) == 200", ErrorType.TRANSIENT)
    assert closing(recording) == (
        LogLevel.ERROR,
        "checkout failed after 2 attempts: pay: status (503) == 200",
    )
    step = recording.spans[-1]
    assert (step.status, step.attributes["error.type"]) == (SpanStatus.ERROR, "TRANSIENT")
    assert step.events[0].attributes == {"expectation": "status (503) == 200"}


async def test_a_wrong_answer_is_permanent() -> None:
    bench = Bench(Script(ok(json={"name": "eve"})))
    steps = {"id": "pay", "http": {"url": "http://h"}, "expect": ["json.name == 'demo'"]}
    recording = await bench.run(workflow(steps))
    assert recording.execution.attempt_count == 1
    assert recording.execution.failure == Failure(
        "pay: json.name (eve) == 'demo'", ErrorType.PERMANENT, ErrorCategory.VALIDATION
    )


@pytest.mark.parametrize(
    ("expect", "outcome", "message"),
    [
        ([], Outcome.FAILED, "pay: status 404 from h"),
        (["duration < 1s"], Outcome.FAILED, "pay: status 404 from h"),
        (["status == 404"], Outcome.OK, ""),
        (["status in [200, 404]", "duration < 1ms"], Outcome.DEGRADED, ""),
        (
            ["status == 200", "duration < 1ms"],
            Outcome.FAILED,
            "pay: status (404) == 200; duration (10 ms) < 1 ms",
        ),
    ],
)
async def test_a_bad_status_fails_unless_an_expectation_speaks_of_it(
    expect: list[str], outcome: Outcome, message: str
) -> None:
    steps = {"id": "pay", "http": {"url": "http://h"}, "expect": expect}
    recording = await Bench(Script(bad(GONE, 404))).run(workflow(steps))
    assert (recording.execution.outcome, recording.execution.error) == (outcome, message)


async def test_slow_is_degraded_and_not_tried_again() -> None:
    steps = {"id": "pay", "http": {"url": "http://h"}, "expect": ["status == 200", "duration < 1ms"]}
    recording = await Bench(Script(ok())).run(workflow(steps))
    execution = recording.execution
    assert (execution.outcome, execution.failure, execution.attempt_count) == (Outcome.DEGRADED, None, 1)
    assert execution.reason == "pay: duration (10 ms) < 1 ms"
    assert closing(recording) == (LogLevel.WARNING, "checkout degraded: pay: duration (10 ms) < 1 ms")


LOGIN = {"id": "login", "http": {"url": "{{ env.base }}/login"}, "extract": {"token": "json.token"}}
PROFILE = {
    "id": "me",
    "http": {"url": "{{ env.base }}/me", "headers": {"Authorization": "Bearer {{ login.token }}"}},
}


async def test_later_steps_use_what_earlier_ones_found() -> None:
    bench = Bench(Script(ok(json={"token": "S3CR3T"})), base="http://h")
    recording = await bench.run(workflow(LOGIN, PROFILE))
    assert recording.execution.outcome is Outcome.OK
    assert [spec.url for spec in bench.script.specs] == ["http://h/login", "http://h/me"]
    assert bench.script.specs[1].headers == {"Authorization": "Bearer S3CR3T"}
    assert "S3CR3T" not in repr(recording)


async def test_the_steps_after_a_failure_do_not_run() -> None:
    bench = Bench(Script(ok(json={})), base="http://h")
    recording = await bench.run(workflow(LOGIN, PROFILE))
    assert len(bench.script.specs) == 1
    assert recording.execution.error == "login: extract token: json.token is missing"
    assert recording.execution.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("turn", "step", "message"),
    [
        (
            ok(),
            PROFILE | {"http": {"url": "{{ gone.x }}"}},
            "me: {{ gone.x }} is not known (known: env.base)",
        ),
        (ok(), PROFILE | {"http": {"url": "http://h"}, "expect": ["status ="]}, "after 'status' one of"),
        (
            CheckError(Failure("no such port", ErrorType.PERMANENT)),
            {"id": "me", "http": {"url": "h"}},
            "me: no such port",
        ),
        (RuntimeError("a bug"), {"id": "me", "http": {"url": "h"}}, "me: a bug"),
        (ZeroDivisionError(), {"id": "me", "http": {"url": "h"}}, "me: ZeroDivisionError"),
    ],
)
async def test_our_own_fault_is_an_error(turn: Any, step: dict[str, Any], message: str) -> None:
    bench = Bench(Script(turn), base="http://h")
    recording = await bench.run(workflow(step))
    assert recording.execution.outcome is Outcome.ERROR
    assert recording.execution.error.startswith(message)
    assert "could not be checked" in closing(recording)[1]
    assert set(bench.runner.breakers.states().values()) <= {BreakerState.CLOSED}


async def test_the_whole_execution_has_one_deadline() -> None:
    bench = Bench(Script(REFUSED))
    recording = await bench.run(
        workflow(retry={"max_attempts": 10, "initial_delay": "4s", "jitter": 0}, timeout="10s")
    )
    assert recording.execution.attempt_count == 2
    assert recording.execution.duration == 4.0
    assert bench.script.contexts[1].timeout == 6.0


async def test_a_step_that_outstays_its_time_is_cut_off() -> None:
    bench = Bench(Script(asyncio.Event().wait))
    steps = {"id": "pay", "http": {"url": "http://h"}, "timeout": "10ms"}
    runner = Runner(
        clock=SystemClock(),
        variables={},
        retries={},
        on_log=bench.logs.append,
        types={"http": lambda _: bench.script},
    )
    recording = await asyncio.wait_for(runner.run(workflow(steps, retry={"max_attempts": 1}), 1, 0.0), 5)
    assert recording.execution.error == "pay: the step did not end within 10 ms"
    assert recording.execution.failure is not None
    assert recording.execution.failure.type is ErrorType.TIMEOUT


async def test_the_targets_wish_to_wait_is_honoured() -> None:
    wish = Failure("status 429 from h", ErrorType.RATE_LIMIT, ErrorCategory.RATE_LIMIT, retry_after=7.0)
    recording = await Bench(Script(bad(wish, 429), ok())).run(workflow())
    assert recording.execution.duration == 7.0


async def test_an_open_breaker_skips_and_says_so() -> None:
    bench = Bench(Script(REFUSED))
    flow = workflow(breaker={"threshold": 2, "reset": "1h"})
    first = await bench.run(flow)
    assert first.execution.outcome is Outcome.FAILED
    assert [event.name for event in first.spans[-1].events] == ["breaker"]
    second = await bench.run(flow)
    assert (second.execution.outcome, second.execution.reason) == (Outcome.SKIPPED, "breaker")
    assert (second.execution.attempt_count, second.points) == (0, ())
    assert closing(second) == (LogLevel.INFO, "checkout skipped: the circuit breaker of http://h is open")
    assert len(bench.script.specs) == 2
    assert (
        bench.logs[0].message
        == "circuit breaker of http://h opened after 2 failures in a row; one trial in 1 h"
    )
    assert bench.logs[0].level is LogLevel.WARNING
    (breaker,) = bench.runner.breakers_of("checkout")
    assert (breaker.target, breaker.state) == ("http://h", BreakerState.OPEN)


async def test_a_breaker_that_opens_ends_retrying_at_once() -> None:
    bench = Bench(Script(REFUSED))
    recording = await bench.run(workflow(breaker={"threshold": 1, "reset": "1h"}, retry="aggressive"))
    assert (recording.execution.outcome, recording.execution.attempt_count) == (Outcome.FAILED, 1)
    assert recording.execution.duration == 0.0


async def test_a_breaker_closes_after_one_good_trial() -> None:
    bench = Bench(Script(REFUSED, REFUSED, ok()))
    flow = workflow(breaker={"threshold": 2, "reset": "60s"})
    await bench.run(flow)
    recording = await bench.run(flow)
    assert recording.execution.outcome is Outcome.OK
    assert bench.runner.breakers.states() == {"http://h": BreakerState.CLOSED}
    assert [log.fields["after"] for log in bench.logs] == ["OPEN", "HALF_OPEN", "CLOSED"]


@pytest.mark.parametrize("turn", [bad(GONE, 404), ok(json={})])
async def test_a_wrong_answer_does_not_open_a_breaker(turn: Reply) -> None:
    bench = Bench(Script(turn))
    steps = {"id": "pay", "http": {"url": "http://h"}, "expect": ["json.x == 1"]}
    for _ in range(3):
        await bench.run(workflow(steps, breaker={"threshold": 1}))
    assert bench.runner.breakers.states() == {"http://h": BreakerState.CLOSED}


async def test_a_workflow_may_have_no_breaker() -> None:
    bench = Bench(Script(REFUSED))
    for _ in range(5):
        recording = await bench.run(workflow(breaker=False))
    assert recording.execution.outcome is Outcome.FAILED
    assert bench.runner.breakers.states() == {}


async def test_cancellation_goes_through_and_frees_the_trial() -> None:
    bench = Bench(Script(REFUSED, asyncio.Event().wait))
    flow = workflow(breaker={"threshold": 1, "reset": "60s"}, retry={"max_attempts": 1})
    await bench.run(flow)
    task = asyncio.ensure_future(bench.runner.run(flow, 2, 0.0))
    await bench.clock.advance(1)
    assert bench.runner.breakers.states() == {"http://h": BreakerState.HALF_OPEN}
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.runner.breakers.states() == {"http://h": BreakerState.OPEN}


async def test_a_real_exchange_from_end_to_end() -> None:
    async def shop(head: bytes, writer: asyncio.StreamWriter) -> None:
        is_login = head.startswith(b"GET /login")
        allowed = b"authorization: bearer abc" in head.lower()
        writer.write(
            answer(
                b'{"token": "abc"}' if is_login else b'{"name": "demo"}',
                "200 OK" if is_login or allowed else "401 No",
            )
        )
        await writer.drain()

    async with serving(shop) as served:
        clock: Clock = SystemClock()
        runner = Runner(clock=clock, variables={"base": served.url}, retries={}, on_log=lambda record: None)
        profile = PROFILE | {"expect": ["status == 200", "json.name == 'demo'"]}
        recording = await runner.run(workflow(LOGIN, profile), 1, clock.now())
        await runner.close()
    assert recording.execution.outcome is Outcome.OK
    assert {point.name for point in recording.points} >= {"http.connect", "http.first_byte", "http.transfer"}
    assert recording.spans[-1].attributes["http.response.status_code"] == 200
    assert "phase.connect" in recording.spans[-1].attributes
