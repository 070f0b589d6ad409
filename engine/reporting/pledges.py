"""What a configuration promises of its workflows, from the configuration or from what is left of it."""

from __future__ import annotations

from typing import Any

from engine.config.remains import layers_of, part_of, parts_of
from engine.config.schema import Config
from engine.reporting.model import DEFAULT_OBJECTIVE, Pledge
from engine.rules.scope import covers, own_subject

MOST_PLEDGES = 10_000


def pledges_of(config: Config, first: int = 0, count: int = MOST_PLEDGES) -> tuple[Pledge, ...]:
    """Those of some workflows, by their places in the file."""
    rules = [rule for rule in config.rules if rule.enabled and own_subject(rule) is None]
    return tuple(
        Pledge(
            each.id,
            _part(each.objective if each.objective is not None else config.settings.objective),
            each.timeout,
            sum(covers(rule, each.id, each.name) for rule in rules),
        )
        for each in config.workflows[first : first + count]
    )


def pledges_in(text: str, environment: str) -> tuple[Pledge, ...]:
    """The objectives in the text of a configuration that no engine runs; the rest is not known.

    Nothing in the text is run, expanded or fetched: it may be a stranger's.
    """
    layers = layers_of(text, environment)
    general: float | None = None
    own: dict[str, float | None] = {}
    for layer in layers:
        general = _share(part_of(layer, "settings", "objective")) or general
        for name, spec in parts_of(layer, "workflows"):
            own[name] = _share(part_of(spec, "objective")) or own.get(name)
    standard = general or DEFAULT_OBJECTIVE
    return tuple(Pledge(name, share or standard) for name, share in list(own.items())[:MOST_PLEDGES])


def _share(value: Any) -> float | None:
    """0–1 of `99.9%` or 99.9; None for anything else."""
    try:
        share = _part(float(str(value).strip().removesuffix("%")))
    except ValueError:
        return None
    return share if 0 < share < 1 else None


def _part(percent: float) -> float:
    """0–1, as near to what was written as people count nines."""
    return round(percent / 100, 9)
