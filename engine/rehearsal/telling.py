"""What a backtest found, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.lines import moment, percent, table
from engine.lines import seconds as span
from engine.rehearsal.results import WEEK, Comparison, Fire, Rehearsed
from engine.text import counted, plain

LISTED = 10
"""Fires that only one of two has are listed up to this many."""
_NAME_WIDTH = 60


def lines(
    found: Sequence[Comparison], maximum: float | None = None, *, colour: bool = False
) -> Iterator[str]:
    """The range, a table of the live rule and its candidates, and what is different.

    Args:
        maximum: messages a week, above which a candidate is marked.
    """
    first = found[0].rehearsed
    coverage = first.coverage
    yield f"{moment(coverage.since)} – {moment(coverage.until)}"
    looked = percent(coverage.share) or "nothing"
    yield f"{counted(first.executions, 'execution')}; an engine looked {looked} of the time"
    yield ""
    header = ("", "FIRES", "A WEEK", "MEDIAN", "STILL FIRING", "MESSAGES", "A WEEK", "NEW", "GONE")
    yield from table(header, [_row(one, maximum) for one in found], colour=colour)
    yield from _gates(found)
    for one in found[1:]:
        yield from _different(one)
    if 0 < coverage.seconds < WEEK:
        factor = WEEK / coverage.seconds
        yield f"note: a week's figures are those of {span(coverage.seconds)} of looking, times {factor:,.3g}"
    if found[0].unseen:
        names = ", ".join(found[0].unseen)
        yield f"note: not replayed, as they look at log lines or points that the file has not: {names}"
    yield from (f"note: {words}" for words in found[0].partly)
    for fault in dict.fromkeys(fault for one in found for fault in one.rehearsed.faults):
        yield f"note: {plain(fault)}"


def record(one: Comparison) -> dict[str, Any]:
    """One candidate, or the live rule, as it is written as JSON."""
    rehearsed = one.rehearsed
    coverage = rehearsed.coverage
    return {
        "type": "backtest",
        "name": one.name,
        "since": coverage.since,
        "until": coverage.until,
        "coverage": round(coverage.share, 4),
        "executions": rehearsed.executions,
        "fires": [_fire_record(fire) for fire in rehearsed.fires],
        "fires_per_week": rehearsed.per_week(len(rehearsed.fires)),
        "median_length": rehearsed.median_length,
        "asked": rehearsed.asked,
        "stopped": dict(rehearsed.stopped),
        "told": len(rehearsed.told),
        "messages": rehearsed.messages,
        "messages_per_week": rehearsed.per_week(rehearsed.messages),
        "new": [_fire_record(fire) for fire in one.added],
        "gone": [_fire_record(fire) for fire in one.gone],
        "notes": [*rehearsed.faults, *one.partly],
    }


def is_over(rehearsed: Rehearsed, maximum: float) -> bool:
    """Whether more than `maximum` messages a week would leave."""
    return (rehearsed.per_week(rehearsed.messages) or 0.0) > maximum


def _row(one: Comparison, maximum: float | None) -> tuple[object, ...]:
    rehearsed = one.rehearsed
    still = sum(fire.ended_at is None for fire in rehearsed.fires)
    mark = " (too many)" if maximum is not None and is_over(rehearsed, maximum) else ""
    is_live = one.name == "live"
    return (
        plain(one.name, _NAME_WIDTH) + mark,
        len(rehearsed.fires),
        _weekly(rehearsed, len(rehearsed.fires)),
        span(rehearsed.median_length),
        still,
        rehearsed.messages,
        _weekly(rehearsed, rehearsed.messages),
        None if is_live else len(one.added),
        None if is_live else len(one.gone),
    )


def _weekly(rehearsed: Rehearsed, count: int) -> str | None:
    amount = rehearsed.per_week(count)
    return None if amount is None else f"{amount:.1f}"


def _gates(found: Sequence[Comparison]) -> Iterator[str]:
    """Of each that asked for anything to be told, what was left after each gate."""
    asking = [one for one in found if one.rehearsed.stopped]
    if not asking:
        return
    yield ""
    for one in asking:
        rehearsed = one.rehearsed
        steps = [f"{count} after {gate}" for gate, count in rehearsed.after_gates]
        words = [f"{rehearsed.asked} to be told", *steps, counted(rehearsed.messages, "message")]
        yield f"{plain(one.name, _NAME_WIDTH)}: {', '.join(words)}"


def _different(one: Comparison) -> Iterator[str]:
    for title, fires in (("fires only here", one.added), ("fires no more", one.gone)):
        if fires:
            yield ""
            yield f"{plain(one.name, _NAME_WIDTH)}: {title}"
            yield from (f"  {_fire_line(fire)}" for fire in fires[:LISTED])
        if len(fires) > LISTED:
            yield f"  and {len(fires) - LISTED:,} more"


def _fire_line(fire: Fire) -> str:
    lasted = span(None if fire.ended_at is None else fire.ended_at - fire.fired_at) or "until the end"
    return f"{moment(fire.fired_at)}  {lasted}  {plain(fire.subject, 64)}  {plain(fire.message, 120)}"


def _fire_record(fire: Fire) -> dict[str, Any]:
    return {
        "rule": fire.rule_id,
        "subject": fire.subject,
        "severity": fire.severity.value,
        "fired_at": fire.fired_at,
        "ended_at": fire.ended_at,
        "value": fire.value,
        "message": fire.message,
    }
