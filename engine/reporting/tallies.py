"""Service levels, and what rules and channels did, counted over a period."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from engine.client import RetryFigures
from engine.model import Alert, MetricsSummary, Notification, NotificationState, WorkflowSummary
from engine.reporting.model import ChannelTally, Pledge, RuleTally, ServiceLevel

BY_ITSELF = frozenset({"recovery", "auto", "rule", ""})
"""Who ends alerts that no person ended."""
_WAITING = (NotificationState.QUEUED, NotificationState.SENDING)


def service_levels(
    summary: MetricsSummary,
    before: Mapping[str, WorkflowSummary],
    retries: Iterable[RetryFigures],
    alerts: Iterable[Alert],
    pledges: Sequence[Pledge],
) -> tuple[ServiceLevel, ...]:
    """Those of all workflows that ran or are pledged, the least error budget first."""
    ran = {one.workflow_id: one for one in summary.workflows}
    tried = {one.subject: one for one in retries}
    fired = Counter(alert.subject for alert in alerts)
    known = {pledge.workflow_id: pledge for pledge in pledges}
    names = dict.fromkeys((*known, *ran))
    levels = [
        _level(known.get(name, Pledge(name)), ran.get(name), before.get(name), tried.get(name), fired[name])
        for name in names
    ]
    return tuple(sorted(levels, key=_worst_first))


def _level(
    pledge: Pledge,
    ran: WorkflowSummary | None,
    before: WorkflowSummary | None,
    tried: RetryFigures | None,
    alerts: int,
) -> ServiceLevel:
    count, rate = (ran.executions, ran.success_rate) if ran is not None else (0, None)
    return ServiceLevel(
        workflow_id=pledge.workflow_id,
        objective=pledge.objective,
        executions=count,
        failures=round(count * (1 - rate)) if rate is not None else 0,
        success_rate=rate,
        allowed=count * (1 - pledge.objective),
        p50=ran.p50 if ran is not None else None,
        p95=ran.p95 if ran is not None else None,
        p99=ran.p99 if ran is not None else None,
        timeout=pledge.timeout,
        rules=pledge.rules,
        alerts=alerts,
        retried=tried.retried if tried is not None else 0,
        rescued=tried.rescued if tried is not None else 0,
        waited=tried.waited if tried is not None else 0.0,
        previous=before.success_rate if before is not None else None,
    )


def _worst_first(level: ServiceLevel) -> tuple[float, float, str]:
    """By what is left of the budget; what did not run comes last."""
    left = level.left
    return (2.0 if left is None else left, level.success_rate or 0.0, level.workflow_id)


def rule_tallies(alerts: Iterable[Alert]) -> tuple[RuleTally, ...]:
    """By rule, the most alerts first."""
    by_rule: defaultdict[str, list[Alert]] = defaultdict(list)
    for alert in alerts:
        by_rule[alert.rule_id].append(alert)
    tallies = [_rule(rule_id, found) for rule_id, found in by_rule.items()]
    return tuple(sorted(tallies, key=lambda tally: (-tally.alerts, tally.rule_id)))


def _rule(rule_id: str, alerts: Sequence[Alert]) -> RuleTally:
    worst = max(alerts, key=lambda alert: alert.severity.rank)
    lengths = [
        alert.resolved_at - alert.fired_at
        for alert in alerts
        if alert.resolved_at is not None and alert.fired_at is not None
    ]
    return RuleTally(
        rule_id=rule_id,
        name=worst.rule_name,
        severity=worst.severity,
        alerts=len(alerts),
        subjects=Counter(alert.subject for alert in alerts),
        acknowledged=sum(_was_taken(alert) for alert in alerts),
        ended=len(lengths),
        lasted=median(lengths) if lengths else None,
    )


def _was_taken(alert: Alert) -> bool:
    """A person acknowledged or ended it."""
    by_hand = alert.resolved_at is not None and alert.resolved_by not in BY_ITSELF
    return alert.acked_at is not None or by_hand


def channel_tallies(notifications: Iterable[Notification]) -> tuple[ChannelTally, ...]:
    """By channel, the most messages given up first."""
    by_channel: defaultdict[str, list[Notification]] = defaultdict(list)
    for one in notifications:
        by_channel[one.channel].append(one)
    tallies = [_channel(name, found) for name, found in by_channel.items()]
    return tuple(sorted(tallies, key=lambda tally: (-tally.dead, -tally.waiting, tally.channel)))


def _channel(name: str, found: Sequence[Notification]) -> ChannelTally:
    states = Counter(one.state for one in found)
    late = [one.sent_at - one.created_at for one in found if one.sent_at is not None]
    errors = (one.error for one in found if one.state is NotificationState.DEAD and one.error)
    return ChannelTally(
        channel=name,
        sent=states[NotificationState.SENT],
        dead=states[NotificationState.DEAD],
        waiting=sum(states[state] for state in _WAITING),
        latency=median(late) if late else None,
        error=next(errors, ""),
    )
