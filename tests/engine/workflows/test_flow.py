"""How steps follow one another: side by side, under conditions, in rounds, tried again, called, always."""

import asyncio
import random
from typing import Any

import pytest

from engine.clock import VirtualClock
from engine.config.schema import Workflow
from engine.model import (
    BreakerState,
    ErrorCategory,
    ErrorType,
    Failure,
    LogRecord,
    Outcome,
    Recording,
    SpanStatus,
)
from engine.workflows.runner import Runner
from engine.workflows.steps.assertion import AssertStep
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
from engine.workflows.steps.wait import WaitStep
from engine.workflows.steps.workflow import WorkflowStep

REFUSED = StepError(Failure("connection refused by h", ErrorType.NETWORK, ErrorCategory.NETWORK))
BROKEN = CheckError(Failure("no such port", ErrorType.PERMANENT, ErrorCategory.VALIDATION))


class Site:
    """An http step type whose replies depend on the address: `/slow` waits a second, `/down` is refused."""

    name = "http"

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.called: list[str] = []
        self.began: dict[str, float] = {}
        self.at_once = 0
        self.most_at_once = 0
        self.down: dict[str, int] = {}
        self.json: dict[str, Any] = {}
        self.body = "id=77;"
        self.headers = {"x-id": "h9"}
        self.cookies = {"sid": "c5"}

    def target(self, spec: Any) -> str:
        return "http://h"

    async def run(self, spec: Any, context: StepContext) -> Reply:
        self.called.append(spec.url)
        self.began[spec.url] = self.clock.monotonic()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if "slow" in spec.url:
                await self.clock.sleep(min(1.0, context.timeout))
            if "forever" in spec.url:
                await asyncio.Event().wait()
        finally:
            self.at_once -= 1
        if "down" in spec.url or self.down.get(spec.url, 0) > 0:
            self.down[spec.url] = self.down.get(spec.url, 0) - 1
            raise REFUSED
        if "broken" in spec.url:
            raise BROKEN
        fields = {
            "status": 200,
            "duration": 0.01,
            "json": {"token": "t-" + spec.url, "n": 3} | self.json,
            "body": self.body,
        }
        return Reply(fields | {"headers": self.headers, "cookies": self.cookies})

    async def close(self) -> None:
        """Nothing to close."""


class Bench:
    def __init__(self, *workflows: Workflow, **variables: Any) -> None:
        self.clock = VirtualClock()
        self.site = Site(self.clock)
        self.logs: list[LogRecord] = []
        self.runner = Runner(
            clock=self.clock,
            variables=variables,
            retries={},
            on_log=self.logs.append,
            rng=random.Random(1),
            workflows=workflows,
            types={
                "http": lambda _: self.site,
                "assert": AssertStep,
                "wait": WaitStep,
                "workflow": WorkflowStep,
            },
        )

    async def run(self, workflow: Workflow) -> Recording:
        task = asyncio.ensure_future(self.runner.run(workflow, 1, 0.0))
        await self.clock.advance(600)
        return await asyncio.wait_for(task, 5)


def flow(*steps: dict[str, Any], **keys: Any) -> Workflow:
    base = {"id": "w", "name": "W", "every": "30s", "retry": {"max_attempts": 1}}
    return Workflow.model_validate({**base, "steps": list(steps), **keys})


def get(step: str, path: str = "", **keys: Any) -> dict[str, Any]:
    return {"id": step, "http": {"url": path or step}, **keys}


def outcomes(recording: Recording) -> dict[str, str]:
    return {step.step_id: step.outcome.value for step in recording.execution.attempts[-1].steps}


async def test_steps_that_need_nothing_of_each_other_run_at_the_same_time() -> None:
    bench = Bench()
    recording = await bench.run(
        flow(
            get("a", "slow-a", needs=[]),
            get("b", "slow-b", needs=[]),
            get("c", "slow-c", needs=["a", "b"]),
            get("d"),
        )
    )
    assert recording.execution.outcome is Outcome.OK
    assert bench.site.most_at_once == 2
    assert [bench.site.began[url] for url in ("slow-a", "slow-b", "slow-c", "d")] == [0.0, 0.0, 1.0, 2.0]
    assert list(outcomes(recording)) == ["a", "b", "c", "d"]


async def test_a_failed_branch_holds_up_only_what_needs_it() -> None:
    bench = Bench()
    recording = await bench.run(
        flow(
            get("a", "down", needs=[]),
            get("b", "slow", needs=[]),
            get("c", needs=["a"]),
            get("d", needs=["b"]),
        )
    )
    assert outcomes(recording) == {"a": "failed", "b": "ok", "d": "ok"}
    assert recording.execution.error == "a: connection refused by h"


async def test_cancellation_reaches_every_branch() -> None:
    bench = Bench()
    steps = (get("a", "forever-a", needs=[]), get("b", "forever-b", needs=[]))
    before = len(asyncio.all_tasks())
    task = asyncio.ensure_future(bench.runner.run(flow(*steps), 1, 0.0))
    await bench.clock.advance(1)
    assert bench.site.at_once == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.site.at_once == 0
    assert len(asyncio.all_tasks()) == before


@pytest.mark.parametrize(
    ("when", "outcome"),
    [
        ("{{ env.region }} == 'eu'", "ok"),
        ("{{ env.region }} != eu", "skipped"),
        ("{{ a.n }} > 2", "ok"),
        (["{{ a.n }} > 2", "{{ a.gone }} != null"], "skipped"),
        ("{{ a.n }} == {{ env.three }}", "ok"),
        ("not {{ a.n }} in [1, {{ env.three }}]", "skipped"),
        ("len({{ env.region }}) == 2", "ok"),
        ("{{ a.n }} == {{ env.gone }}", "error"),
    ],
)
async def test_a_step_runs_under_its_conditions(when: Any, outcome: str) -> None:
    bench = Bench(region="eu", three=3)
    recording = await bench.run(flow(get("a", extract={"n": "json.n"}), get("b", when=when), get("c")))
    assert outcomes(recording)["b"] == outcome
    assert ("c" in bench.site.called) is (outcome != "error")
    assert recording.execution.outcome is (Outcome.ERROR if outcome == "error" else Outcome.OK)


async def test_a_skipped_step_says_why_and_leaves_no_point() -> None:
    bench = Bench(region="us")
    recording = await bench.run(
        flow(get("a"), get("b", when="{{ env.region }} == eu", extract={"x": "body"}))
    )
    step = recording.execution.attempts[0].steps[1]
    assert step.reason == "when {{ env.region }} (us) == eu"
    assert recording.spans[-1].status is SpanStatus.UNSET
    assert [dict(p.labels)["step"] for p in recording.points if p.name == "step.duration"] == ["a"]


async def test_without_the_values_of_a_skipped_step_what_uses_them_is_skipped_too() -> None:
    bench = Bench(region="us")
    recording = await bench.run(
        flow(
            get("a"),
            get("b", when="{{ env.region }} == eu", extract={"x": "body"}),
            get("c", "/{{ b.x }}"),
            get("d"),
        )
    )
    assert outcomes(recording) == {"a": "ok", "b": "skipped", "c": "skipped", "d": "ok"}
    assert recording.execution.attempts[0].steps[2].reason == "no values of b"


async def test_when_nothing_is_to_be_done_nothing_is_known() -> None:
    recording = await Bench(region="us").run(flow(get("a", when="{{ env.region }} == eu")))
    assert (recording.execution.outcome, recording.execution.reason) == (Outcome.SKIPPED, "when")
    assert (recording.execution.attempt_count, recording.points) == (0, ())
    assert recording.logs[-1].message == "w skipped: when"


async def test_rounds_run_in_order_and_all_of_them() -> None:
    bench = Bench()
    step = get("a", "/{{ item.value }}/{{ item.index }}", foreach=["x", "down", "y", "down"])
    recording = await bench.run(flow(step, get("b")))
    assert bench.site.called == ["/x/1", "/down/2", "/y/3", "/down/4"]
    assert outcomes(recording) == {"a[1]": "ok", "a[2]": "failed", "a[3]": "ok", "a[4]": "failed"}
    assert recording.execution.error == "a[down]: connection refused by h (and 1 more round: down)"
    assert [span.name for span in recording.spans[2:]] == ["a[x]", "a[down]", "a[y]", "a[down]"]


async def test_rounds_of_several_values() -> None:
    bench = Bench()
    hosts = [{"host": "a", "port": 1}, {"host": "b", "port": 2}]
    recording = await bench.run(flow(get("a", "{{ item.host }}:{{ item.port }}", foreach=hosts), get("b")))
    assert bench.site.called == ["a:1", "b:2", "b"]
    assert recording.execution.outcome is Outcome.OK


async def test_a_step_has_tries_of_its_own() -> None:
    bench = Bench()
    bench.site.down["b"] = 2
    retry = {"max_attempts": 3, "initial_delay": "1s", "jitter": 0}
    recording = await bench.run(flow(get("a"), get("b", retry=retry)))
    assert bench.site.called == ["a", "b", "b", "b"]
    assert (recording.execution.outcome, recording.execution.attempt_count) == (Outcome.OK, 1)
    assert recording.execution.duration == 3.0
    assert [span.name for span in recording.spans] == ["W", "attempt 1", "a", "b", "b", "b"]
    assert recording.logs[0].message == "w b try 1 of 3 failed: connection refused by h; next in 1 s"


async def test_tries_end_at_the_deadline_of_the_workflow() -> None:
    bench = Bench()
    retry = {"max_attempts": 20, "initial_delay": "4s", "jitter": 0, "multiplier": 1}
    recording = await bench.run(flow(get("down", retry=retry), timeout="10s", breaker=False))
    assert len(bench.site.called) == 3
    assert recording.execution.duration == 8.0


async def test_an_optional_failure_degrades() -> None:
    bench = Bench()
    recording = await bench.run(flow(get("a", "down", continue_on_error=True), get("b")))
    assert outcomes(recording) == {"a": "failed", "b": "ok"}
    assert (recording.execution.outcome, recording.execution.failure) == (Outcome.DEGRADED, None)
    assert recording.execution.reason == "a: connection refused by h"


@pytest.mark.parametrize(
    ("path", "main"), [("ok", Outcome.OK), ("down", Outcome.FAILED), ("broken", Outcome.ERROR)]
)
async def test_closing_steps_always_run(path: str, main: Outcome) -> None:
    bench = Bench()
    closing = [get("x", "bye-{{ a.token }}"), get("y", "bye")]
    recording = await bench.run(
        flow(get("a", extract={"token": "body"}), get("b", path), get("c"), **{"finally": closing})
    )
    assert recording.execution.outcome is main
    assert bench.site.called[-2:] == ["bye-id=77;", "bye"]


async def test_closing_steps_run_when_time_is_up_and_when_values_are_missing() -> None:
    bench = Bench()
    closing = [get("x", "bye-{{ a.token }}"), get("y", "slow-bye")]
    recording = await bench.run(
        flow(
            {"id": "p", "wait": {"for": "1s"}},
            get("a", "down", extract={"token": "body"}),
            timeout="1s",
            **{"finally": closing},
        )
    )
    assert outcomes(recording) == {"p": "ok", "a": "failed", "x": "skipped", "y": "ok"}
    assert recording.execution.error == "a: the time of the whole workflow was used up"


async def test_a_closing_step_that_fails_fails_the_workflow() -> None:
    recording = await Bench().run(flow(get("a"), **{"finally": [get("x", "down"), get("y")]}))
    assert outcomes(recording) == {"a": "ok", "x": "failed", "y": "ok"}
    assert recording.execution.error == "x: connection refused by h"


async def test_closing_steps_run_after_cancellation_but_not_when_nothing_ran() -> None:
    bench = Bench()
    closing: Any = {"finally": [get("x", "bye")]}
    task = asyncio.ensure_future(bench.runner.run(flow(get("a", "forever"), **closing), 1, 0.0))
    await bench.clock.advance(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.site.called == ["forever", "bye"]
    opened = flow(get("a", "down"), breaker={"threshold": 1, "reset": "1h"}, **closing)
    await bench.run(opened)
    bench.site.called.clear()
    recording = await bench.run(opened)
    assert (recording.execution.reason, bench.site.called) == ("breaker", [])


@pytest.mark.parametrize(
    ("path", "outcome", "message"),
    [
        ("down", Outcome.OK, ""),
        ("fine", Outcome.FAILED, "a: a failure was expected, and the step succeeded"),
        ("broken", Outcome.ERROR, "a: no such port"),
    ],
)
async def test_a_step_may_be_meant_to_fail(path: str, outcome: Outcome, message: str) -> None:
    bench = Bench()
    step = flow(get("a", path, expect="failure"), breaker={"threshold": 1})
    await bench.run(step)
    recording = await bench.run(step)
    assert (recording.execution.outcome, recording.execution.error) == (outcome, message)
    assert BreakerState.OPEN not in bench.runner.breakers.states().values()


async def test_expectations_that_only_degrade() -> None:
    recording = await Bench().run(flow(get("a", expect=["status == 200"], degraded=["json.n < 3"])))
    assert (recording.execution.outcome, recording.execution.reason) == (
        Outcome.DEGRADED,
        "a: json.n (3) < 3",
    )


async def test_values_are_taken_from_headers_cookies_and_by_pattern() -> None:
    taken = {
        "id": {"from": "body", "regex": r"id=(\d+)"},
        "all": {"from": "body", "regex": r"id=\d+"},
        "header": {"header": "X-Id"},
        "cookie": {"cookie": "sid", "regex": "."},
    }
    bench = Bench()
    await bench.run(
        flow(get("a", extract=taken), get("b", "{{ a.id }} {{ a.all }} {{ a.header }} {{ a.cookie }}"))
    )
    assert bench.site.called[1] == "77 id=77 h9 c"
    wrong = flow(get("a", extract={"id": {"from": "body", "regex": "nope"}}))
    assert (await bench.run(wrong)).execution.error == "a: extract id: nothing in body matches the pattern"


async def test_expectations_compare_with_earlier_values() -> None:
    steps = (get("a", extract={"n": "json.n", "b": "body"}), get("b", expect=["json.n == {{ a.n }}"]))
    bench = Bench(pattern="^id=")
    assert (await bench.run(flow(*steps))).execution.outcome is Outcome.OK
    wrong = get(
        "c", expect=["json.token == {{ a.b }}", "body matches {{ env.pattern }}", "body == '{{ a.n }}'"]
    )
    recording = await bench.run(flow(steps[0], wrong))
    assert [(a.passed, a.shown) for a in recording.execution.attempts[0].steps[1].assertions] == [
        (False, "json.token (3 characters) == {{ a.b }}"),
        (True, "body (id=77;) matches {{ env.pattern }}"),
        (False, "body (id=77;) == '{{ a.n }}'"),
    ]


async def test_assert_steps_look_at_values_only() -> None:
    bench = Bench(limit=2)
    that = ["{{ a.n }} == {{ env.limit }}", "{{ a.n }} > {{ env.limit }}"]
    recording = await bench.run(
        flow(get("a", extract={"n": "json.n"}), {"id": "b", "assert": {"that": that}})
    )
    assert recording.execution.error == "b: {{ a.n }} (3) == {{ env.limit }}"
    assert "target" not in recording.spans[-1].attributes
    assert list(bench.runner.breakers.states()) == ["http://h"]


async def test_waiting_takes_its_time_and_fits_into_what_is_left() -> None:
    wait = {"id": "p", "wait": {"for": "7s"}, "expect": ["duration >= 7s"]}
    assert (await Bench().run(flow(wait))).execution.duration == 7.0
    recording = await Bench().run(flow(wait, timeout="5s"))
    assert recording.execution.error == "p: a wait of 7 s does not fit into the 5 s that are left"
    assert recording.execution.outcome is Outcome.FAILED


async def test_a_variable_that_cannot_be_filled_in_is_our_own_fault() -> None:
    recording = await Bench().run(flow(get("a"), variables={"x": "{{ env.gone }}"}))
    assert recording.execution.outcome is Outcome.ERROR
    assert "{{ env.gone }} is not known" in recording.execution.error
