"""What a backtest came to, how far it is, and the next number to try, as text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from tui import present

if TYPE_CHECKING:
    from engine.rehearsal.results import Comparison, Fire, Rehearsed

SILENT_FOR = 0.3
"""Seconds that work may take before its progress is shown."""
ENOUGH = 3_600.0
"""Seconds of looking below which nothing is said of a week."""
_BAR_WIDTH = 24
_LISTED = 5
_NAME_WIDTH = 18
_WIDTH = 12
_LAST_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?!.*\d)")


def progress_line(share: float, count: int, spent: float) -> Content:
    """How much is done, and when the rest will be; nothing for what is over in a moment."""
    if spent < SILENT_FOR:
        return Content("")
    full = int(share * _BAR_WIDTH)
    bar = present.sign("█", "#") * full + present.sign("░", "-") * (_BAR_WIDTH - full)
    left = f", {present.duration_text(spent * (1 - share) / share)} left" if share > 0 else ""
    return Content.assemble((bar, "$primary"), f" {share * 100:.0f} %{left} · {count:,} executions")


def found_text(compared: Sequence[Comparison]) -> Content:
    """Before and after side by side, then which fires are new and which are gone."""
    now, then = compared[0], compared[1] if len(compared) > 1 else None
    columns = [now.rehearsed] + ([then.rehearsed] if then is not None else [])
    coverage = now.rehearsed.coverage
    lines = [
        _line("", *(["now", "then"] if then is not None else ["now"])),
        _counts("Fires", [len(one.fires) for one in columns]),
        _line("  a week", *(_weekly(one, len(one.fires)) for one in columns)),
        _line("  median length", *(present.duration_text(one.median_length) for one in columns)),
        _counts("Messages", [one.messages for one in columns]),
        _line("  a week", *(_weekly(one, one.messages) for one in columns)),
        Content(""),
        Content.styled(
            f"{now.rehearsed.executions:,} executions replayed; "
            f"an engine looked {present.percent_text(coverage.share)} of the time",
            present.MUTED,
        ),
    ]
    if then is not None:
        lines += _fires("Fires only then", then.added) + _fires("Fires no more", then.gone)
    faults = dict.fromkeys(fault for one in columns for fault in one.faults)
    lines += [present.foreign(fault, 300, "$text-warning") for fault in list(faults)[:_LISTED]]
    return Content("\n").join(lines)


def nudged(text: str, way: int) -> str:
    """`text` with its last number a step larger or smaller: whole numbers by at least one, never below zero.

    A step is half of its first digit's place: 50 becomes 55, 2.5 becomes 3, 3 becomes 4.
    """
    found = _LAST_NUMBER.search(text)
    if found is None:
        return text
    number = float(found[1])
    size = 10.0 ** math.floor(math.log10(number)) if number > 0 else 1.0
    step = size / 2 if number > 0 else 1.0
    if "." not in found[1]:
        step = max(round(step), 1)
    changed = max(number + way * step, 0.0)
    return f"{text[: found.start(1)]}{changed:.10g}{text[found.end(1) :]}"


def end_of_number(text: str) -> int:
    """Where the last number of `text` ends; its end without one."""
    found = _LAST_NUMBER.search(text)
    return found.end(1) if found is not None else len(text)


def _counts(label: str, values: Sequence[int]) -> Content:
    line = _line(label, *(f"{value:,}" for value in values))
    if len(values) < 2 or values[0] == values[1]:
        return line
    change = values[1] - values[0]
    return line.append(
        Content.styled(f"  {change:+,}", "bold $text-success" if change < 0 else "bold $text-warning")
    )


def _line(label: str, *cells: str) -> Content:
    return Content.assemble(
        (label.ljust(_NAME_WIDTH), present.MUTED), "".join(cell.rjust(_WIDTH) for cell in cells)
    )


def _weekly(rehearsed: Rehearsed, count: int) -> str:
    amount = rehearsed.per_week(count)
    if amount is None or rehearsed.coverage.seconds < ENOUGH:
        return present.sign("–", "-")
    return f"{amount:,.1f}" if amount < 100 else f"{amount:,.0f}"


def _fires(title: str, fires: Sequence[Fire]) -> list[Content]:
    if not fires:
        return []
    lines = [Content(""), Content.styled(f"{title} · {len(fires):,}", "bold $text-primary")]
    for fire in fires[:_LISTED]:
        lasted = None if fire.ended_at is None else fire.ended_at - fire.fired_at
        words = present.duration_text(lasted) if lasted is not None else "until the end"
        lines.append(
            Content.assemble(
                (f"{present.clock_text(fire.fired_at)}  {words}  ", present.MUTED),
                present.foreign(fire.subject, 64),
                "  ",
                present.foreign(fire.message, 160, present.MUTED),
            )
        )
    if len(fires) > _LISTED:
        lines.append(Content.styled(f"and {len(fires) - _LISTED:,} more", present.MUTED))
    return lines
