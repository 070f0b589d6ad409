"""What reports of the stand-in for the engine are made of, and what was kept of its steps' replies."""

from __future__ import annotations

from engine.clock import VirtualClock
from engine.model import (
    ComponentSummary,
    Direction,
    Execution,
    KeptReply,
    MetricsSummary,
    Outcome,
    PeriodTotals,
    Severity,
    Trend,
    Trends,
    WorkflowSummary,
)
from engine.reporting.model import Pledge
from tests.tui.fake_data import FAILURE, WORKFLOWS


class FakeReports:
    """Sums over `all_executions`, and an answer for each step of a workflow."""

    clock: VirtualClock
    all_executions: list[Execution]

    async def summary(self, since: float, until: float) -> MetricsSummary:
        self._called("summary", (since, until))
        inside = [one for one in self.all_executions if since <= one.started_at < until]
        sums = []
        for id, *_ in WORKFLOWS:
            mine = [one for one in inside if one.workflow_id == id]
            took = sorted(one.duration for one in mine)
            if mine:
                good = sum(one.outcome.is_success for one in mine) / len(mine)
                sums.append(
                    WorkflowSummary(id, len(mine), good, took[0], took[len(took) // 2], took[-1], took[-1])
                )
        good = sum(one.outcome.is_success for one in inside)
        outcomes = {kind: sum(one.outcome is kind for one in inside) for kind in Outcome}
        steady, worse = Trend(Direction.STABLE, 0.01, 0.7), Trend(Direction.DEGRADING, -0.12, 0.001)
        return MetricsSummary(
            since, until, len(inside), outcomes, good / len(inside) if inside else None, 0.2, 0.9, 3.1,
            {Severity.ERROR: 2} if inside else {}, tuple(sums),
            previous=PeriodTotals(70, 0.99, 0.2, 0.2, 0.7, 0.8, 2.0) if inside else None,
            trends=Trends(steady, worse, steady) if inside else None,
            health=(ComponentSummary(self._say("notifier", 0), 90, 0.9, 90.0),) if inside else (),
        )  # fmt: skip

    async def pledges(self) -> tuple[Pledge, ...]:
        self._called("pledges")
        if not self.all_executions:
            return ()
        return tuple(
            Pledge(id, 0.999 if id == "checkout" else 0.9, 1.0, 0 if id == "image-cdn" else 3)
            for id, *_ in WORKFLOWS
        )

    async def replies(
        self, workflow_id: str, *, until: float | None = None, limit: int = 20
    ) -> tuple[KeptReply, ...]:
        self._called("replies", (workflow_id, until))
        steps = next(steps for id, _, _, _, steps, _ in WORKFLOWS if id == workflow_id)
        newest = [one for one in reversed(self.all_executions) if one.workflow_id == workflow_id][:limit]
        return tuple(
            KeptReply(
                step, one.id, one.started_at, one.outcome.is_success,
                {"status": 503 if one.outcome.is_failure else 200,
                 "body": self._say('{"paid": false}', place),
                 "headers": {"server": self._say("nginx", place + 1)}},
                ("body",), FAILURE if one.outcome.is_failure else None,
            )
            for one in newest if until is None or one.started_at <= until
            for place, step in enumerate(steps)
        )  # fmt: skip

    def _called(self, name: str, detail: object = None) -> None:
        raise NotImplementedError

    def _say(self, text: str, number: int) -> str:
        raise NotImplementedError
