"""The part of the fake engine that is about rules and about what channels are told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from engine.clock import VirtualClock
from engine.errors import ConflictError, NotFoundError, TocsinError
from engine.model import (
    Alert,
    AlertEventKind,
    AlertState,
    Decision,
    Gate,
    LogRecord,
    Notification,
    NotificationState,
    Severity,
)
from engine.model.rules import (
    ConditionState,
    Excerpt,
    RuleDetail,
    RuleState,
    RuleStatus,
    SubjectState,
    TestReceipt,
)
from engine.rehearsal.backtest import LIVE
from engine.rehearsal.results import Comparison, Fire, Rehearsed
from engine.rules_client import Progress, unheeded
from engine.store.history import Coverage, Stretch
from tests.tui.fake_data import NOW

RULE = """\
- id: slow  # shop
  name: Slow
  conditions:
    - {type: THRESHOLD, metric: workflow.duration, operator: ">", value: 5s}
    - {type: THRESHOLD, metric: workflow.status, operator: "==", value: ok}
  for: 1m"""


class FakeRules:
    """Three rules, six notifications, and channels that take everything but `pager`."""

    clock: VirtualClock
    all_logs: list[LogRecord]

    def __init__(self) -> None:
        super().__init__()
        self.rule_file = ""
        self.has_rules = True
        self.told = self._told
        self.retried: set[str] = set()
        self.gate: asyncio.Event | None = None
        """A backtest waits for it, if there is one."""

    async def rules(self, at: float | None = None) -> tuple[RuleStatus, ...]:
        """Of earlier moments: nothing was decided before its newest decision."""
        self._called("rules")
        if not self.has_rules:
            return ()
        return tuple(_then(status, at) for status in self._statuses())

    async def rule(self, rule_id: str, at: float | None = None) -> RuleDetail:
        self._called("rule", rule_id)
        status = next((each for each in await self.rules(at) if each.id == rule_id), None)
        if status is None:
            raise NotFoundError(f"there is no rule {rule_id}")
        if rule_id != "slow":
            return RuleDetail(status, Excerpt())
        text = "\n".join(self._say(line, 3) for line in RULE.split("\n"))
        slow = ConditionState(
            "workflow.duration (6.2s) > 5s", self._say("6.2s", 2), self._say("> 5s", 3), True
        )
        unknown = ConditionState("workflow.status (unknown) == ok", "unknown", "== ok", None)
        quiet = replace(slow, value="800ms", result=False)
        subjects: tuple[SubjectState, ...] = (
            SubjectState(self._say("checkout", 1), None, (slow, unknown), AlertState.FIRING, 1),
            SubjectState("search", False, (quiet, unknown)),
        )
        if at is not None:
            subjects = tuple(replace(each, conditions=()) for each in subjects if status.firing)
        decisions = (status.last,) if status.last is not None else ()
        file = self.rule_file or self._say("/srv/rules.yaml", 0)
        excerpt = Excerpt(file, 12, text, (15, 16))
        count = 9 if at is None else len(subjects)
        return RuleDetail(status, excerpt, subjects, count, decisions, ("threshold=5s", "for=1m"))

    async def backtest(
        self,
        rule_id: str,
        since: float,
        until: float,
        changes: Sequence[str] = (),
        progress: Progress = unheeded,
    ) -> tuple[Comparison, ...]:
        """As many fires as the threshold leaves of ten."""
        self._called("backtest", (rule_id, until - since, tuple(changes)))
        progress(0.25, 12_000)
        if self.gate is not None:
            await self.gate.wait()
        found = [Comparison(LIVE, self._rehearsed(5, since, until))]
        for change in changes:
            number = change.partition("=")[2].removesuffix("s")
            if not number.isdecimal():
                raise TocsinError(f"{self._say(change, 1)}: a duration is such as 5s")
            then = self._rehearsed(int(number), since, until)
            gone = found[0].rehearsed.fires[len(then.fires) :]
            found.append(Comparison(change, then, (), gone))
        return tuple(found)

    async def try_channel(self, name: str) -> TestReceipt:
        self._called("try_channel", name)
        return TestReceipt(name, "url", 0.042, self._say("HTTP 503", 1) if name == "pager" else "")

    async def note(self, alert_id: int, author: str, note: str) -> Alert:
        self._called("note", (alert_id, note))
        return self._find_alert(alert_id)

    async def notifications(
        self, *, until: float | None = None, limit: int = 200
    ) -> tuple[Notification, ...]:
        self._called("notifications", (until, limit))
        return tuple(
            replace(row, state=NotificationState.QUEUED, tries=0) if row.key in self.retried else row
            for row in self.told()
            if until is None or row.created_at <= until
        )[:limit]

    async def retry_notification(self, key: str) -> Notification:
        self._called("retry_notification", key)
        row = next((row for row in self.told() if row.key == key), None)
        if row is None:
            raise NotFoundError(f"there is no notification {key}")
        if row.state is not NotificationState.DEAD:
            raise ConflictError(f"notification {key} is {row.state}")
        self.retried.add(key)
        return replace(row, state=NotificationState.QUEUED)

    def _say(self, text: str, number: int) -> str:
        raise NotImplementedError

    def _called(self, name: str, detail: object = None) -> None:
        raise NotImplementedError

    def _find_alert(self, alert_id: int) -> Alert:
        raise NotImplementedError

    def _statuses(self) -> tuple[RuleStatus, ...]:
        say = self._say
        stopped = (Gate("for", True, "1m"), Gate("cooldown", False, say("5m since the last", 1)))
        words = say("workflow.duration (6.2s) > 5s", 2)
        last = Decision(NOW - 65, "slow", say("checkout", 0), True, 6.2, "> 5s", words, stopped, 1, 416)
        return (
            RuleStatus(
                "slow", say("Slow answers", 0), Severity.ERROR, RuleState.FIRING,
                say("workflow.duration > 5s", 3), (say("ops", 1), "pager"), 1, 2, 1, "", last,
            ),
            RuleStatus(
                "night", say("At night", 2), Severity.INFO, RuleState.ASLEEP, "x > 1",
                asleep=say("mon-fri", 1),
            ),
            RuleStatus("broken", "Broken", Severity.WARNING, RuleState.FAILED, "y > 1", strikes=3),
        )  # fmt: skip

    def _rehearsed(self, threshold: int, since: float, until: float) -> Rehearsed:
        fires = tuple(
            Fire(
                "slow",
                self._say("checkout", 1),
                Severity.ERROR,
                since + number,
                since + number + 60,
                "6",
                "slow",
            )
            for number in range(max(10 - threshold, 0))
        )
        coverage = Coverage(since, until, (Stretch(since, since, until),))
        return Rehearsed(coverage, fires, len(fires), Counter(), (), 2 * len(fires), 12_000)

    def _told(self) -> tuple[Notification, ...]:
        """Newest first."""
        if not self.all_logs:
            return ()
        now, say = self.clock.now(), self._say
        sent, dead, queued = NotificationState.SENT, NotificationState.DEAD, NotificationState.QUEUED

        def row(number: int, channel: str, state: NotificationState, **more: object) -> Notification:
            made = Notification(
                f"{number}:fired:{channel}", number, say(channel, number), AlertEventKind.FIRED,
                Severity.ERROR, say(f"[ERROR] Alert {number}", number),
                say("first line\nsecond line", number), now - 60 * number, state,
            )  # fmt: skip
            return replace(made, **more)  # type: ignore[arg-type]

        late = {"tries": 3, "next_at": now + 40, "error": say("HTTP 502", 1)}
        return (
            row(1, "ops", sent, tries=1, sent_at=now - 58, latency=0.04, message="m1"),
            row(2, "ops", sent, tries=1, sent_at=now - 118, latency=0.06, message="m1"),
            row(3, "pager", dead, tries=8, error=say("HTTP 410 gone", 0)),
            row(4, "mail", queued, **late),
            row(5, "mail", NotificationState.COLLAPSED),
            row(
                6, "ops", sent, tries=2, sent_at=now - 340, latency=1.2, group="rule=slow", stands_for="pager"
            ),
        )


def _then(status: RuleStatus, at: float | None) -> RuleStatus:
    if at is None:
        return status
    known = replace(status, strikes=0, asleep="")
    if status.last is not None and status.last.at <= at:
        return known
    return replace(known, state=RuleState.QUIET, firing=0, pending=0, last=None)
