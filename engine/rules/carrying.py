"""What conditions remember when their rules change: one that stays as it is keeps it, wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.rules.evaluator import Memory

if TYPE_CHECKING:
    from engine.config.schema import Rule


def carried(memory: Memory, before: Mapping[str, Rule], after: Mapping[str, Rule]) -> Memory:
    """The part of `memory` that is about conditions of `before` which `after` has as well."""
    places = {rule_id: _places(rule, after[rule_id]) for rule_id, rule in before.items() if rule_id in after}
    kept: Memory = {}
    for (rule_id, path, subject), held in memory.items():
        _, first, *rest = path.split(".")
        place = places.get(rule_id, {}).get(first)
        if place is not None:
            kept[rule_id, ".".join(["", place, *rest]), subject] = held
    return kept


def _places(before: Rule, after: Rule) -> dict[str, str]:
    """Where the conditions of `before` stand in `after`, those that do; each place is taken once."""
    free = dict(enumerate(after.conditions))
    places = {}
    for number, condition in enumerate(before.conditions):
        same = [place for place, other in free.items() if other == condition]
        if same:
            place = number if number in same else same[0]
            places[str(number)] = str(place)
            del free[place]
    return places
