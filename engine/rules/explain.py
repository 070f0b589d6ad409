"""Findings in words, with the values in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from engine.config.conditions import (
    AbsenceCondition,
    BurnRateCondition,
    CompositeCondition,
    ConsecutiveCondition,
    CustomCondition,
    DurationCondition,
    Group,
    PatternCondition,
    RateCondition,
    ThresholdCondition,
    TrendCondition,
    XOfYCondition,
)
from engine.lines import lasted, spelled
from engine.model import Scalar, Severity
from engine.rules.metrics import SHOWN_TEXT, show, show_percent
from engine.rules.series import PREFIX
from engine.text import counted, plain

if TYPE_CHECKING:
    from engine.rules.findings import Finding

T = TypeVar("T", bound=Scalar)


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


def threshold(finding: Finding) -> str:
    """What a condition holds its value against: `> 50 %`, `> 30 s for 5 m`, `matches 'refused'`."""
    condition = finding.condition
    match condition:
        case RateCondition():
            if finding.clearing and condition.clear is not None:
                return f"> {show_percent(condition.clear)}, which clears {show_percent(condition.rate)}"
            return f"> {show_percent(_reached(finding, condition.levels, condition.rate))}"
        case PatternCondition():
            return _pattern_words(condition)
        case DurationCondition():
            wanted = _wanted(condition.metric, condition.operator, condition.value)
            return f"{wanted} for {spelled(condition.duration)}"
        case CustomCondition():
            return plain(condition.expression, SHOWN_TEXT)
        case AbsenceCondition():
            return f"for {spelled(_reached(finding, condition.levels, condition.duration))}"
        case ConsecutiveCondition():
            wanted = _wanted(condition.metric, condition.operator, condition.value)
            return f"{wanted} {counted(condition.count, 'time')} in a row"
        case XOfYCondition():
            wanted = _wanted(condition.metric, condition.operator, condition.value)
            x = _reached(finding, condition.levels, condition.x)
            return f"{wanted} in {x:g} of the last {condition.y}"
        case BurnRateCondition():
            return f"> {finding.detail:g} times"
        case TrendCondition():
            wanted = _wanted(condition.metric, condition.operator, condition.value)
            return f"{wanted} within {spelled(condition.within)}"
        case ThresholdCondition():
            limit = _reached(finding, condition.levels, condition.value)
            wanted = _wanted(condition.metric, condition.operator, limit)
            if finding.clearing:
                return (
                    f"{_wanted(condition.metric, condition.operator, condition.clear)}, which clears {wanted}"
                )
            return wanted
        case CompositeCondition():
            return plain(condition.rules, SHOWN_TEXT)
        case Group():
            return ""


def _reached(finding: Finding, levels: Mapping[Severity, float] | None, first: T) -> T | float:
    """What the value was held against: that of the level which was reached, `first` where there is none."""
    return first if levels is None or finding.severity is None else levels[finding.severity]


def _sentence(finding: Finding) -> str:
    condition = finding.condition
    limit = threshold(finding)
    match condition:
        case Group():
            return _group(condition, finding)
        case RateCondition():
            test = f"{condition.metric} {_wanted(condition.metric, condition.operator, condition.value)}"
            share = "unknown" if finding.value is None else show_percent(_number(finding.value))
            what = "points" if condition.metric.startswith(PREFIX) else "executions"
            counted_ = f"{finding.detail:g} {what} in {spelled(condition.window)}"
            return f"share of {test} ({share} of {counted_}) {limit}"
        case DurationCondition():
            held = f" (held {lasted(finding.detail)})" if finding.detail else ""
            return f"{_named(condition.metric, condition.labels, finding.value)} {limit}{held}"
        case PatternCondition() if condition.search is not None:
            return _search(condition, finding)
        case CustomCondition():
            values = ", ".join(f"{words} = {_show_source(words, value)}" for words, value in finding.sources)
            return f"{limit} with {values}" if values else limit
        case AbsenceCondition():
            return _absence(condition, finding)
        case ConsecutiveCondition() | XOfYCondition():
            of = f"{show('', finding.value)} of {finding.detail:g}"
            return f"{condition.metric} {limit} ({of if finding.value is not None else 'unknown'})"
        case BurnRateCondition():
            return _burn(condition, finding)
        case CompositeCondition():
            states = {True: "firing", False: "quiet", None: "unknown"}
            told = ", ".join(
                f"{name} is {states[bool(it) if it is not None else None]}" for name, it in finding.sources
            )
            return f"{limit} ({told})" if told else limit
        case TrendCondition():
            return _trend(condition, finding)
        case ThresholdCondition():
            return f"{_named(condition.metric, condition.labels, finding.value)} {limit}"
        case _:
            return f"{condition.metric} ({show(condition.metric, finding.value)}) {limit}"


def _pattern_words(condition: PatternCondition) -> str:
    if condition.search is not None:
        lines = counted(condition.count, "line")
        within = spelled(condition.window)
        return f"at least {lines} of '{plain(condition.search, SHOWN_TEXT)}' in {within}"
    if condition.text is not None:
        return f"contains '{plain(condition.text, SHOWN_TEXT)}'"
    return f"matches '{plain(condition.pattern or '', SHOWN_TEXT)}'"


def _search(condition: PatternCondition, finding: Finding) -> str:
    newest = "".join(f", the newest: '{text}'" for name, text in finding.sources if name == "newest")
    found = "unknown" if finding.value is None else f"found {finding.value}"
    return f"{_pattern_words(condition)} ({found}{newest})"


def _absence(condition: AbsenceCondition, finding: Finding) -> str:
    what = condition.of if condition.metric is None else f"point of {condition.metric}"
    if condition.of == "log":
        what = f"log line '{plain(condition.search, SHOWN_TEXT)}'" if condition.search else "log line"
    last = "none seen" if finding.value is None else f"the last {lasted(_number(finding.value))} ago"
    return f"no {what} {threshold(finding)} ({last})"


def _burn(condition: BurnRateCondition, finding: Finding) -> str:
    budget = f"the error budget of {condition.objective:g} %"
    if finding.value is None:
        return f"{budget}: unknown how fast it burns"
    sources = dict(finding.sources)
    return (
        f"{budget} burns {_times(finding.value)} times as fast as it lasts over "
        f"{lasted(_number(sources['long']))} and {_times(sources['over short'])} times over "
        f"{lasted(_number(sources['short']))} ({threshold(finding)})"
    )


def _times(value: Scalar) -> str:
    """A factor with three digits, and never with an exponent."""
    number = _number(value)
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _trend(condition: TrendCondition, finding: Finding) -> str:
    limit = _wanted(condition.metric, condition.operator, condition.value)
    if finding.value is None:
        return f"{condition.metric} {limit} within {spelled(condition.within)}: unknown"
    now = show(condition.metric, round(_number(dict(finding.sources)["now"]), 3))
    if finding.result:
        when = f"in {lasted(finding.detail)}" if finding.detail else "already"
        return f"{condition.metric} (now about {now}) will be {limit} {when}"
    ahead = show(condition.metric, round(_number(finding.value), 3))
    return f"{condition.metric} (now about {now}, {ahead} in {spelled(condition.within)}) {limit}"


def _named(metric: str, labels: dict[str, str], value: Scalar) -> str:
    chosen = ", ".join(f"{name}={text}" for name, text in sorted(labels.items()))
    return f"{metric}{'{' + plain(chosen, SHOWN_TEXT) + '}' if chosen else ''} ({show(metric, value)})"


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


def _number(value: Scalar) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
