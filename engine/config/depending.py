"""Whether `depends_on:` and `inhibits:` lead somewhere, and never around in a circle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.config.checks import exists
from engine.config.report import Path, Report
from engine.config.schema import Rule, Workflow

Dependent = tuple[Path, Workflow] | tuple[Path, Rule]

_CIRCLE = "a circle would keep all of it quiet"


def check_dependencies(kind: str, entries: Sequence[Dependent], known: Sequence[str], report: Report) -> None:
    """Report names that nobody has, and circles: in one, each would keep the other quiet.

    Args:
        kind: what they are: `workflow` or `rule`.
        known: the names there are, those of broken parts included.
    """
    ways = {entry.id: list(entry.depends_on) for _, entry in entries}
    for _, entry in entries:
        for other in _inhibited(entry):
            ways.setdefault(other, []).append(entry.id)
    for path, entry in entries:
        name = entry.id
        for index, other in enumerate(entry.depends_on):
            place = (*path, "depends_on", index)
            if exists(kind, other, known, place, report) and _reaches(other, name, ways):
                told = "itself" if other == name else f"`{other}`, which depends on it"
                report.at(place, f"`{name}` depends on {told}", _CIRCLE)
        for index, other in enumerate(_inhibited(entry)):
            place = (*path, "inhibits", index)
            if exists(kind, other, known, place, report) and _reaches(name, other, ways):
                told = "itself" if other == name else f"`{other}`, which keeps it quiet"
                report.at(place, f"`{name}` inhibits {told}", _CIRCLE)


def _inhibited(entry: Workflow | Rule) -> Sequence[str]:
    return entry.inhibits if isinstance(entry, Rule) else ()


def _reaches(start: str, goal: str, ways: Mapping[str, Sequence[str]]) -> bool:
    seen, ahead = set[str](), [start]
    while ahead:
        here = ahead.pop()
        if here == goal:
            return True
        if here not in seen:
            seen.add(here)
            ahead += ways.get(here, ())
    return False
