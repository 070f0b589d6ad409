"""Findings in words, with the values in place."""

from __future__ import annotations

from collections.abc import Sequence

from engine.config.schema import (
    Condition,
    CustomCondition,
    DurationCondition,
    Group,
    PatternCondition,
    RateCondition,
)
from engine.config.types import format_duration
from engine.model import Scalar
from engine.rules.findings import Finding
from engine.rules.metrics import SHOWN_TEXT, show, show_percent
from engine.text import plain


def deciding(findings: Sequence[Finding], result: bool | None) -> Finding:
    """The first finding that agrees with the whole, looked for inside groups as well."""
    chosen = next((finding for finding in findings if finding.result == result), findings[0])
    if not chosen.parts:
        return chosen
    inverted = isinstance(chosen.condition, Group) and chosen.condition.not_ is not None
    return deciding(chosen.parts, chosen.parts[0].result if inverted else chosen.result)


def joined(findings: Sequence[Finding], word: str) -> str:
    """All findings as one sentence; groups of several in parentheses."""
    return word.join(_sentence(finding) for finding in findings)


def threshold(condition: Condition) -> str:
    """What a condition holds its value against: `> 50 %`, `> 30s for 5m`, `matches 'refused'`."""
    match condition:
        case RateCondition():
            return f"> {show_percent(condition.rate)}"
        case PatternCondition():
            return f"matches '{plain(condition.pattern, SHOWN_TEXT)}'"
        case DurationCondition():
            wanted = _wanted(condition.metric, condition.operator, condition.value)
            return f"{wanted} for {format_duration(condition.duration)}"
        case CustomCondition():
            return plain(condition.expression, SHOWN_TEXT)
        case Group():
            return ""
        case _:
            return _wanted(condition.metric, condition.operator, condition.value)


def _sentence(finding: Finding) -> str:
    condition = finding.condition
    match condition:
        case Group():
            return _group(condition, finding)
        case RateCondition():
            test = f"{condition.metric} {_wanted(condition.metric, condition.operator, condition.value)}"
            share = "unknown" if finding.value is None else show(".share_rate", finding.value)
            counted = f"{finding.detail:g} executions in {format_duration(condition.window)}"
            return f"share of {test} ({share} of {counted}) {threshold(condition)}"
        case DurationCondition():
            held = f" (held {format_duration(round(finding.detail, 3))})" if finding.detail else ""
            return (
                f"{condition.metric} ({show(condition.metric, finding.value)}) {threshold(condition)}{held}"
            )
        case CustomCondition():
            values = ", ".join(f"{words} = {_show_source(words, value)}" for words, value in finding.sources)
            return f"{threshold(condition)} with {values}" if values else threshold(condition)
        case _:
            return f"{condition.metric} ({show(condition.metric, finding.value)}) {threshold(condition)}"


def _group(group: Group, finding: Finding) -> str:
    if group.not_ is not None:
        return f"not ({joined(finding.parts, '')})"
    words = joined(finding.parts, " and " if group.all is not None else " or ")
    return f"({words})" if len(finding.parts) > 1 else words


def _wanted(metric: str, sign: str, value: Scalar) -> str:
    return f"{sign} {show(metric, value)}"


def _show_source(words: str, value: Scalar) -> str:
    """A source's value in the unit of its metric: `p95(workflow.duration)` is seconds, `rate(…)` percent."""
    if words.startswith("rate("):
        return show("workflow.failure_rate", value)
    if words.startswith("age("):
        return show("workflow.duration", value)
    return show(words.partition("(")[2].rstrip(")") or words, value)
