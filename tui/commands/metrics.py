"""`tocsin metrics`: sum up a period."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from engine.lines import moment, percent, seconds, table
from engine.model import Outcome, Severity
from tui.cli import add_db, add_json
from tui.commands.session import ask, colour, print_json

if TYPE_CHECKING:
    from engine.client import MetricsSummary

K = TypeVar("K", Outcome, Severity)
PERIODS = {"1h": 3_600.0, "24h": 86_400.0, "7d": 604_800.0, "30d": 2_592_000.0}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--period", choices=tuple(PERIODS), default="24h", help="ending now (default 24h)")
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print totals, then one line a workflow."""
    now = time.time()
    summary = ask(options, lambda client: client.summary(now - PERIODS[options.period], now))
    if options.json:
        print_json([_record(summary, options.period)])
    else:
        print("\n".join(_text(summary, options.period)))
    return 0


def _record(summary: MetricsSummary, period: str) -> dict[str, Any]:
    return {"type": "metrics", "period": period, **asdict(summary)}


def _text(summary: MetricsSummary, period: str) -> list[str]:
    outcomes = _counted(Outcome, summary.outcomes)
    alerts = _counted(reversed(Severity), summary.alerts)
    totals = (
        ("executions", f"{summary.executions}" + (f" ({outcomes})" if outcomes else "")),
        ("success rate", percent(summary.success_rate) or "–"),
        ("duration", _durations(summary)),
        ("alerts", alerts or "none"),
    )
    lines = [f"{period} until {moment(summary.until)}", *(f"  {name:<13} {value}" for name, value in totals)]
    if not summary.workflows:
        return lines
    rows = [
        (w.workflow_id, w.executions, percent(w.success_rate), *map(seconds, (w.mean, w.p50, w.p95, w.p99)))
        for w in summary.workflows
    ]
    header = ("WORKFLOW", "EXECUTIONS", "SUCCESS", "MEAN", "P50", "P95", "P99")
    return [*lines, "", *table(header, rows, colour=colour())]


def _counted(words: Iterable[K], counts: Mapping[K, int]) -> str:
    """`3 ok, 1 failed`: what there was of each of `words`, in their order."""
    return ", ".join(f"{counts[word]} {word}" for word in words if counts.get(word))


def _durations(summary: MetricsSummary) -> str:
    named = (("p50", summary.p50), ("p95", summary.p95), ("p99", summary.p99))
    return ", ".join(f"{name} {seconds(value) or '–'}" for name, value in named)
