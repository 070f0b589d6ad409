"""`tocsin metrics`: sum up a period; below it, series and their points."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from engine.lines import moment, percent, seconds, table
from engine.model import Severity
from tui.cli import add_db, add_json
from tui.commands import points
from tui.commands.session import ask, colour, print_json

if TYPE_CHECKING:
    from engine.attached import FileClient
    from engine.client import RetryFigures, RetryReport
    from engine.model import MetricsSummary, PeriodTotals, Trends

PERIODS = {"1h": 3_600.0, "24h": 86_400.0, "7d": 604_800.0, "30d": 2_592_000.0}

FEWEST_HOURS = 6


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--period", choices=tuple(PERIODS), default="24h", help="ending now (default 24h)")
    add_db(parser)
    add_json(parser)
    points.arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print totals, then one line a workflow; or what `points` prints. Raises TocsinError."""
    if options.view:
        return points.series(options) if options.view == "series" else points.points(options)
    now = time.time()
    summary, retries = ask(options, lambda client: _asked(client, now - PERIODS[options.period], now))
    if options.json:
        print_json([_record(summary, options.period) | {"retries": asdict(retries)}])
    else:
        print("\n".join([*_text(summary, options.period), *_retry_lines(retries)]))
    return 0


async def _asked(client: FileClient, since: float, until: float) -> tuple[MetricsSummary, RetryReport]:
    return await client.summary(since, until), await client.retries(since, until)


def _record(summary: MetricsSummary, period: str) -> dict[str, Any]:
    return {"type": "metrics", "period": period, **asdict(summary)}


def _text(summary: MetricsSummary, period: str) -> list[str]:
    from engine.reporting.document import counts, executions

    alerts = counts(summary.alerts, tuple(reversed(Severity)))
    totals = [
        ("executions", executions(summary)),
        ("success rate", percent(summary.success_rate) or "–"),
        ("duration", _durations(summary)),
        ("alerts", alerts or "none"),
        ("trends", _trends(summary.trends)),
        ("before", _before(summary.previous)),
    ]
    lines = [f"{period} until {moment(summary.until)}", *(f"  {name:<13} {value}" for name, value in totals)]
    if not summary.workflows:
        return lines
    rows = [
        (
            w.workflow_id,
            w.executions,
            percent(w.success_rate),
            *map(seconds, (w.mean, w.p50, w.p90, w.p95, w.p99)),
        )
        for w in summary.workflows
    ]
    header = ("WORKFLOW", "EXECUTIONS", "SUCCESS", "MEAN", "P50", "P90", "P95", "P99")
    return [*lines, "", *table(header, rows, colour=colour()), *_health_lines(summary), *_hour_lines(summary)]


def _trends(trends: Trends | None) -> str:
    """`executions stable (+1.2 %), …`: where each measure went, and its change from half to half."""
    if trends is None:
        return "–"
    named = (
        ("executions", trends.executions),
        ("success rate", trends.success_rate),
        ("performance", trends.performance),
    )
    return ", ".join(
        f"{name} {one.direction}" + ("" if one.change is None else f" ({100 * one.change:+.1f} %)")
        for name, one in named
    )


def _before(previous: PeriodTotals | None) -> str:
    """The period of the same length before this one."""
    if previous is None:
        return "nothing ran"
    rate = percent(previous.success_rate) or "–"
    return f"{previous.executions} executions, success rate {rate}, {_durations(previous)}"


def _health_lines(summary: MetricsSummary) -> list[str]:
    """A table of the components that were not well all the time; nothing when all were."""
    rows = [
        (one.component, percent(one.uptime), f"{one.score:.0f}", one.checks)
        for one in sorted(summary.health, key=attrgetter("uptime", "score", "component"))
        if one.uptime < 1 or one.score < 100
    ]
    header = ("NOT ALWAYS HEALTHY", "UPTIME", "SCORE", "CHECKS")
    return ["", *table(header, rows, colour=colour())] if rows else []


def _hour_lines(summary: MetricsSummary) -> list[str]:
    """A table of the hours of the day; nothing for a period that has few of them."""
    if len(summary.pattern) < FEWEST_HOURS:
        return []
    rows = [
        (f"{one.hour:02}:00", one.executions, percent(one.success_rate), seconds(one.mean))
        for one in summary.pattern
    ]
    return ["", *table(("HOUR OF DAY", "EXECUTIONS", "SUCCESS", "MEAN"), rows, colour=colour())]


def _retry_lines(report: RetryReport) -> list[str]:
    """A table of what was tried again; nothing when nothing was."""
    subjects = [("workflow", one) for one in report.workflows] + [("target", one) for one in report.targets]
    rows = [
        (
            kind,
            one.retried,
            one.rescued,
            _by(one),
            one.given_up,
            one.attempts,
            seconds(one.waited),
            one.subject,
        )
        for kind, one in subjects
        if one.retried
    ]
    if not rows:
        return []
    header = ("RETRIES OF", "RETRIED", "RESCUED", "BY ATTEMPT", "GIVEN UP", "ATTEMPTS", "WAITED", "NAME")
    return ["", *table(header, rows, colour=colour())]


def _by(figures: RetryFigures) -> str | None:
    """`2: 8, 3: 1`: which attempt it was that succeeded, and how often."""
    return ", ".join(f"{number}: {count}" for number, count in figures.rescued_by) or None


def _durations(summary: MetricsSummary | PeriodTotals) -> str:
    named = (("p50", summary.p50), ("p90", summary.p90), ("p95", summary.p95), ("p99", summary.p99))
    return ", ".join(f"{name} {seconds(value) or '–'}" for name, value in named)
