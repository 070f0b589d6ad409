"""A report in words and tables, before it is given a form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.lines import moment, percent, seconds
from engine.model import MetricsSummary, Outcome, Severity
from engine.reporting.advice import objective
from engine.reporting.model import Report, ServiceLevel
from engine.text import counted

Cell = str | int | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; columns named in `numbers` lean right."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """A title, and under it sentences, facts (name and value) and a table, as far as there are any."""

    title: str
    sentences: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Document:
    title: str
    subtitle: str
    sections: tuple[Section, ...]


_NUMBERS = frozenset(
    ("Executions", "Success", "Objective", "Failures", "Allowed", "Budget left", "p50", "p95", "p99",
     "Alerts", "Taken", "Lasted", "Sent", "Given up", "Waiting", "Delay")
)  # fmt: skip


def document(report: Report) -> Document:
    """The report as people read it."""
    summary = report.summary
    sections = [
        Section("Summary", facts=facts(report)),
        Section("Service levels", _levels_said(report), table=_levels(report.levels)),
        Section("Trends", report.trends),
        Section(
            "Recommendations",
            () if report.advice else ("Nothing in the figures of this period asks for anything.",),
            table=_advice(report),
        ),
        Section("Alerts", _alerts_said(report), table=_rules(report)),
        Section("Channels", table=_channels(report)),
    ]
    filled = (one for one in sections if one.sentences or one.facts or one.table)
    return Document(
        "Monitoring report",
        f"{moment(summary.since)} to {moment(summary.until)}",
        tuple(filled),
    )


def facts(report: Report) -> tuple[tuple[str, str], ...]:
    """The period in a few lines: name and value."""
    summary = report.summary
    missed, judged = len(report.missed), sum(level.met is not None for level in report.levels)
    return (
        ("Executions", executions(summary)),
        ("Success", percent(summary.success_rate) or "–"),
        ("Duration", _durations(summary)),
        ("Alerts", counts(summary.alerts, tuple(reversed(Severity))) or "none"),
        ("Objectives", f"{judged - missed} of {judged} met" if judged else "nothing ran"),
    )


def counts(tally: dict[Outcome, int] | dict[Severity, int], words: Sequence[str]) -> str:
    """`3 ok, 1 failed`: what there was of each of `words`, in their order."""
    found = {str(word): count for word, count in tally.items()}
    return ", ".join(f"{found[word]:,} {word}" for word in map(str, words) if found.get(word))


def executions(summary: MetricsSummary) -> str:
    """`63 (47 ok, 16 failed); 9 skipped`: those with a result, which the rates are of, then those without."""
    with_result = [outcome for outcome in Outcome if outcome.is_success or outcome.is_failure]
    results = counts(summary.outcomes, with_result)
    others = counts(summary.outcomes, [outcome for outcome in Outcome if outcome not in with_result])
    return f"{summary.executions:,}{f' ({results})' if results else ''}{f'; {others}' if others else ''}"


def budget(level: ServiceLevel) -> str | None:
    """What is left of the error budget: `62 %`, `-40 %`, `12× spent`; None when there is none to spend."""
    left = level.left
    if left is None:
        return None
    return f"{left * 100:.0f} %" if left >= -1 else f"{1 - left:,.0f}× spent"


def _durations(summary: MetricsSummary) -> str:
    named = (("p50", summary.p50), ("p95", summary.p95), ("p99", summary.p99))
    return ", ".join(f"{name} {seconds(value) or '–'}" for name, value in named)


def _levels_said(report: Report) -> tuple[str, ...]:
    if not report.levels:
        return ("No workflow ran in this period.",)
    missed = len(report.missed)
    if not missed:
        return ()
    return (f"{counted(missed, 'workflow')} missed {'its' if missed == 1 else 'their'} objective.",)


def _levels(levels: Sequence[ServiceLevel]) -> Table | None:
    header = (
        "Workflow", "Executions", "Success", "Objective", "Failures", "Allowed", "Budget left", "p50", "p95",
        "p99", "Alerts",
    )  # fmt: skip
    rows = tuple(
        (
            level.workflow_id,
            f"{level.executions:,}",
            percent(level.success_rate),
            objective(level.objective),
            f"{level.failures:,}",
            f"{level.allowed:,.1f}",
            budget(level),
            *map(seconds, (level.p50, level.p95, level.p99)),
            level.alerts,
        )
        for level in levels
    )
    return Table(header, rows, _NUMBERS) if rows else None


def _advice(report: Report) -> Table | None:
    rows = tuple((str(one.severity), one.subject, one.evidence, one.advice) for one in report.advice)
    return Table(("Severity", "About", "Because", "What to do"), rows) if rows else None


def _alerts_said(report: Report) -> tuple[str, ...]:
    said = () if report.rules else ("No alert fired in this period.",)
    return (*said, report.partial) if report.partial else said


def _rules(report: Report) -> Table | None:
    rows = tuple(
        (
            rule.rule_id,
            str(rule.severity),
            rule.alerts,
            len(rule.subjects),
            rule.acknowledged,
            seconds(rule.lasted),
        )
        for rule in report.rules
    )
    header = ("Rule", "Severity", "Alerts", "Subjects", "Taken", "Lasted")
    return Table(header, rows, _NUMBERS | {"Subjects"}) if rows else None


def _channels(report: Report) -> Table | None:
    rows = tuple(
        (one.channel, one.sent, one.dead, one.waiting, seconds(one.latency), one.error or None)
        for one in report.channels
    )
    header = ("Channel", "Sent", "Given up", "Waiting", "Delay", "Last error")
    return Table(header, rows, _NUMBERS) if rows else None
