"""One function for each kind of condition: what it finds in the facts of a subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from engine.config.conditions import (
    AbsenceCondition,
    BurnRateCondition,
    BurnWindow,
    CompositeCondition,
    ConsecutiveCondition,
    CustomCondition,
    DurationCondition,
    PatternCondition,
    RateCondition,
    ThresholdCondition,
    TrendCondition,
    XOfYCondition,
)
from engine.model import Execution, Scalar, Severity
from engine.patterns import found
from engine.rules.composite import parse_rules
from engine.rules.expression import parse, parse_test
from engine.rules.findings import Finding
from engine.rules.lines import SOURCE, parse_search
from engine.rules.metrics import EXECUTION_METRICS, Facts, compare, execution_value, is_number, value_of
from engine.rules.nodes import any_of
from engine.rules.scopes import WindowScope, meeting, numbers_of
from engine.rules.series import PREFIX
from engine.rules.tallies import Numbers, Tallied
from engine.rules.window import failed_one


class Held(NamedTuple):
    """Since when a comparison has been true; `certain` once it has been seen to be false before."""

    since: float | None
    certain: bool


Memory = dict[tuple[str, str, str], Held]
"""What DURATION conditions remember, by rule, place in the rule, and subject."""


class Look(NamedTuple):
    """One look at a rule; `active` when it has a firing or acknowledged alert about the subject."""

    rule_id: str
    facts: Facts
    now: float
    memory: Memory
    active: bool


def _threshold(condition: ThresholdCondition, look: Look, path: str) -> Finding:
    value = value_of(
        condition.metric, look.facts, look.now, condition.window, condition.min_count, condition.labels
    )
    result = compare(value, condition.operator, condition.value)
    if condition.levels is None and condition.clear is None:
        return Finding(condition, result, value)
    clearing = look.active and condition.clear is not None and result is False
    if clearing:
        result = compare(value, condition.operator, condition.clear)
    severity = _level(condition.levels, value, condition.operator) if result else None
    return Finding(condition, result, value, severity=severity, clearing=clearing)


def _level(levels: Mapping[Severity, float] | None, value: Scalar, sign: str) -> Severity | None:
    """The highest level that is reached; the lowest while `clear` holds the alert."""
    if levels is None:
        return None
    ordered = sorted(levels, key=lambda severity: severity.rank)
    reached = [each for each in ordered if compare(value, sign, levels[each])]
    return reached[-1] if reached else ordered[0]


def _rate(condition: RateCondition, look: Look, path: str) -> Finding:
    history = _history(condition.metric, condition.labels, look.facts)
    if history is None:
        return Finding(condition, None)
    hits, total = history[0].share(*_meeting(condition, history[1]), look.now, condition.window)
    if total < condition.min_count:
        return Finding(condition, None, detail=total)
    share = 100.0 * hits / total
    clearing = look.active and condition.clear is not None and share <= condition.rate
    limit = condition.clear if clearing and condition.clear is not None else condition.rate
    severity = _level(condition.levels, share, ">") if share > limit else None
    return Finding(condition, share > limit, share, detail=total, severity=severity, clearing=clearing)


def _pattern(condition: PatternCondition, look: Look, path: str) -> Finding:
    if condition.search is not None:
        return _search(condition, condition.search, look)
    text = value_of(condition.metric, look.facts, look.now)
    if not isinstance(text, str):
        return Finding(condition, None, text)
    if condition.text is not None:
        return Finding(condition, compare(text, "contains", condition.text), text)
    assert condition.pattern is not None
    return Finding(condition, found(condition.pattern, text), text)


def _search(condition: PatternCondition, search: str, look: Look) -> Finding:
    witness = look.facts.witness
    subject = _whose_lines(search, look.facts)
    if witness is None:
        return Finding(condition, None)
    count = witness.lines.count(search, subject, look.now - condition.window)
    newest = witness.lines.newest(search, subject)
    sources = (("newest", newest[1]),) if newest is not None and count else ()
    if count >= condition.count:
        return Finding(condition, True, count, sources=sources)
    seen_enough = witness.watched(look.now) >= condition.window
    return Finding(condition, False if seen_enough else None, count, sources=sources)


def _whose_lines(search: str, facts: Facts) -> str:
    source = parse_search(search).source if search else None
    return f"{SOURCE}{source}" if source else facts.subject


def _duration(condition: DurationCondition, look: Look, path: str) -> Finding:
    """Held without a break; while nobody has seen it false yet, it may have held longer than we know."""
    value = value_of(condition.metric, look.facts, look.now, labels=condition.labels)
    key = (look.rule_id, path, look.facts.subject)
    before = look.memory.get(key, Held(None, certain=False))
    true_now = compare(value, condition.operator, condition.value)
    if true_now is None:
        return Finding(condition, None, value)
    if not true_now:
        look.memory[key] = Held(None, certain=True)
        return Finding(condition, False, value, detail=0.0)
    since = look.now if before.since is None else min(before.since, look.now)
    look.memory[key] = Held(since, before.certain)
    held = look.now - since
    if held < condition.duration:
        return Finding(condition, False if before.certain else None, value, detail=held)
    severity = _level(condition.levels, value, condition.operator)
    return Finding(condition, True, value, detail=held, severity=severity)


def _custom(condition: CustomCondition, look: Look, path: str) -> Finding:
    expression = parse(condition.expression)
    scope = WindowScope(look.facts, look.now, condition.window)
    result = expression.evaluate(scope)
    sources = tuple((words, node.evaluate(scope)) for words, node in expression.sources)
    value = next((value for _, value in sources if value is not None), None)
    return Finding(condition, result, value, sources=sources)


def _absence(condition: AbsenceCondition, look: Look, path: str) -> Finding:
    witness = look.facts.witness
    last = _last_seen(condition, look.facts)
    ago = max(look.now - last, 0.0) if is_number(last) and last is not None else None
    if ago is not None and ago < condition.duration:
        return Finding(condition, False, ago)
    watched = witness.watched(look.now) if witness is not None else 0.0
    if watched < condition.duration:
        return Finding(condition, None, ago)
    seen = watched if ago is None else min(ago, watched)
    return Finding(condition, True, ago, severity=_level(condition.levels, seen, ">="))


def _last_seen(condition: AbsenceCondition, facts: Facts) -> float | None:
    window, witness = facts.window, facts.witness
    if condition.of == "execution":
        latest = window.latest if window is not None else None
        return None if latest is None else latest.ended_at
    if condition.of == "success":
        return window.succeeded_at if window is not None else None
    if witness is None:
        return None
    if condition.of == "heartbeat":
        return witness.lines.heartbeat(facts.subject)
    if condition.metric is not None:
        series = facts.series(condition.metric, condition.labels)
        return None if series is None else series.at
    search = condition.search or ""
    newest = witness.lines.newest(search, _whose_lines(search, facts))
    return None if newest is None else newest[0]


def _consecutive(condition: ConsecutiveCondition, look: Look, path: str) -> Finding:
    return _of_the_last(condition, condition.count, condition.count, look)


def _x_of_y(condition: XOfYCondition, look: Look, path: str) -> Finding:
    found = _of_the_last(condition, condition.x, condition.y, look)
    return replace(found, severity=_level(condition.levels, found.value, ">=")) if found.result else found


def _of_the_last(condition: ConsecutiveCondition | XOfYCondition, x: int, y: int, look: Look) -> Finding:
    """Known as soon as those that are not there yet could not change it."""
    history = _history(condition.metric, condition.labels, look.facts)
    if history is None:
        return Finding(condition, None)
    hits, total = history[0].last(*_meeting(condition, history[1]), y)
    if hits >= x:
        return Finding(condition, True, hits, detail=total)
    return Finding(condition, False if hits + y - total < x else None, hits, detail=total)


def _burn_rate(condition: BurnRateCondition, look: Look, path: str) -> Finding:
    window = look.facts.window
    if window is None or not window.known:
        return Finding(condition, None)
    key, met, spans = burning(condition)
    counts = window.long_shares(key, met, look.now, spans)
    burns = [_burn(condition, pair, counts) for pair in condition.windows]
    hot = [(pair, rates) for pair, (burning, *rates) in zip(condition.windows, burns, strict=True) if burning]
    pair, rates = (
        max(hot, key=lambda each: (each[0].severity.rank if each[0].severity else -1, each[1][0]))
        if hot
        else (condition.windows[0], list(burns[0][1:]))
    )
    return Finding(
        condition,
        any_of(burning for burning, *_ in burns),
        rates[0],
        detail=pair.factor,
        sources=(("long", pair.long), ("short", pair.short), ("over short", rates[1])),
        severity=pair.severity if hot else None,
    )


def burning(
    condition: BurnRateCondition,
) -> tuple[str, Callable[[Execution], bool | None], tuple[float, ...]]:
    """What a burn rate asks of executions: the name of the question, the question, and over which spans."""
    met = meeting(parse_test(condition.bad)) if condition.bad else failed_one
    spans = tuple([span for pair in condition.windows for span in (pair.long, pair.short)])
    return condition.bad or "failed", met, spans


def _burn(
    condition: BurnRateCondition, pair: BurnWindow, counts: Mapping[float, tuple[int, int]]
) -> tuple[bool | None, float, float]:
    """Whether both windows burn too fast, and how many times as fast as the budget lasts."""
    (errors, executions), (bad, lately) = counts[pair.long], counts[pair.short]
    budget = 1.0 - condition.objective / 100.0
    rates = errors / executions / budget if executions else 0.0, bad / lately / budget if lately else 0.0
    if executions < condition.min_count or not lately:
        return None, rates[0], rates[1]
    burning = errors >= condition.min_errors and min(rates) > pair.factor
    return burning, rates[0], rates[1]


def _composite(condition: CompositeCondition, look: Look, path: str) -> Finding:
    witness = look.facts.witness
    if witness is None:
        return Finding(condition, None)
    subject = None if condition.subject == "any" else look.facts.subject
    combination = parse_rules(condition.rules)
    states = {name: witness.state(name, subject) for name in combination.rules()}
    return Finding(condition, combination.state(states.__getitem__), sources=tuple(states.items()))


def _trend(condition: TrendCondition, look: Look, path: str) -> Finding:
    numbers = _numbers(condition, look)
    line = numbers.line(look.now) if numbers is not None else None
    if numbers is None or line is None or len(numbers.in_order) < condition.min_count:
        return Finding(condition, None)
    height, slope = line
    forecast = height + slope * condition.within
    there = compare(height, condition.operator, condition.value)
    result = there or compare(forecast, condition.operator, condition.value)
    ahead = (condition.value - height) / slope if slope and not there else 0.0
    worst = max(height, forecast) if condition.operator.startswith(">") else min(height, forecast)
    severity = _level(condition.levels, worst, condition.operator) if result else None
    sources = (("now", height),)
    return Finding(condition, result, forecast, max(ahead, 0.0), sources=sources, severity=severity)


def _numbers(condition: TrendCondition, look: Look) -> Numbers[Any] | None:
    if condition.metric.startswith(PREFIX):
        series = look.facts.series(condition.metric, condition.labels)
        return series.numbers("value", float, look.now, condition.window) if series else None
    window = look.facts.window
    if window is None or not window.known or condition.metric not in EXECUTION_METRICS:
        return None
    return numbers_of(window, condition.metric, look.now, condition.window)


_History = tuple[Tallied[Any], Callable[[Any], Scalar]]


def _history(metric: str, labels: dict[str, str], facts: Facts) -> _History | None:
    """What is remembered of a metric one by one, and how its value is read; None when nothing is known."""
    if metric.startswith(PREFIX):
        series = facts.series(metric, labels)
        return (series, float) if series is not None else None
    if facts.window is None or not facts.window.known or metric not in EXECUTION_METRICS:
        return None
    return facts.window, lambda execution: execution_value(metric, execution)


def _meeting(
    condition: RateCondition | ConsecutiveCondition | XOfYCondition, read: Callable[[Any], Scalar]
) -> tuple[tuple[Any, ...], Callable[[Any], bool | None]]:
    sign, wanted = condition.operator, condition.value
    return (condition.metric, sign, wanted), lambda item: compare(read(item), sign, wanted)


CHECKS: dict[type[Any], Callable[[Any, Look, str], Finding]] = {
    ThresholdCondition: _threshold,
    RateCondition: _rate,
    PatternCondition: _pattern,
    DurationCondition: _duration,
    CustomCondition: _custom,
    AbsenceCondition: _absence,
    ConsecutiveCondition: _consecutive,
    XOfYCondition: _x_of_y,
    BurnRateCondition: _burn_rate,
    CompositeCondition: _composite,
    TrendCondition: _trend,
}
"""Every kind but groups. Each raises ValueError for an expression, pattern or search that cannot be read."""
