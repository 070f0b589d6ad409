"""A report made: what is asked of the engine for it, and what follows from the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.client import EngineClient, RetryReport
from engine.lines import percent, seconds
from engine.model import Alert, Direction, MetricsSummary, Notification, Trend
from engine.reporting.advice import advise
from engine.reporting.model import Pledge, Report
from engine.reporting.tallies import channel_tallies, rule_tallies, service_levels

MOST_ROWS = 10_000
"""Alerts, and messages, that are looked at; the newest."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a report is made of; `before` is the period of the same length before."""

    summary: MetricsSummary
    before: MetricsSummary
    retries: RetryReport
    alerts: Sequence[Alert]
    notifications: Sequence[Notification]
    pledges: Sequence[Pledge]


async def gather(client: EngineClient, since: float, until: float) -> Material:
    """Ask for all that a report over [since, until) needs. Raises TocsinError."""
    return Material(
        summary=await client.summary(since, until),
        before=await client.summary(since - (until - since), since),
        retries=await client.retries(since, until),
        alerts=await client.alerts(since=since, limit=MOST_ROWS),
        notifications=await client.notifications(limit=MOST_ROWS),
        pledges=await client.pledges(),
    )


def make(material: Material, now: float) -> Report:
    """The report; `now` is when it is made, seconds since the epoch."""
    summary = material.summary
    since, until = summary.since, summary.until
    alerts = [one for one in material.alerts if one.fired_at is not None and since <= one.fired_at < until]
    messages = [one for one in material.notifications if since <= one.created_at < until]
    before = {one.workflow_id: one for one in material.before.workflows}
    levels = service_levels(summary, before, material.retries.workflows, alerts, material.pledges)
    rules, channels = rule_tallies(alerts), channel_tallies(messages)
    return Report(
        made_at=now,
        summary=summary,
        levels=levels,
        rules=rules,
        channels=channels,
        trends=tuple(trends(summary)),
        advice=advise(summary, levels, rules, channels),
        partial=_left_out(material),
    )


def _left_out(material: Material) -> str:
    full = [
        name
        for name, rows in (("alerts", material.alerts), ("messages", material.notifications))
        if len(rows) >= MOST_ROWS
    ]
    return f"Only the newest {MOST_ROWS:,} {' and '.join(full)} were looked at." if full else ""


def trends(summary: MetricsSummary) -> list[str]:
    """Where the period went, and how it compares with the one before, a sentence each."""
    found = []
    if summary.trends is not None:
        known = [
            _sentence(*words)
            for words in (
                ("The success rate", summary.trends.success_rate, "rose", "fell"),
                ("The mean duration", summary.trends.performance, "grew", "shrank"),
                ("The number of executions", summary.trends.executions, "grew", "shrank"),
            )
            if words[1].chance < 1 or words[1].change is not None
        ]
        found += known or ["Too little ran for a trend."]
    previous = summary.previous
    if previous is None:
        found.append("Nothing ran in the period before.")
    elif previous.success_rate is not None and summary.success_rate is not None:
        found.append(
            f"The period before had {previous.executions:,} executions, of which "
            f"{percent(previous.success_rate)} succeeded, with a p95 of {seconds(previous.p95) or '–'}."
        )
    return found


def _sentence(what: str, trend: Trend, more: str, less: str) -> str:
    """`The success rate fell by 12 % from the first half to the second: degrading.`"""
    if trend.direction is Direction.STABLE:
        return f"{what} held steady."
    if trend.change is None:
        return f"{what} is {trend.direction}."
    verb = more if trend.change > 0 else less
    change = f"{abs(trend.change) * 100:.0f} %"
    return f"{what} {verb} by {change} from the first half to the second: {trend.direction}."
