"""What is left of a configuration that no engine runs any more: its text.

Nothing in the text is run, expanded or fetched: it may be a stranger's, and its secrets are left out of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engine.config.muting import MaintenanceSpec, SilenceSpec
from engine.config.nodes import plain_data
from engine.config.yaml_guard import parse_yaml
from engine.errors import ConfigError

Spec = TypeVar("Spec", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class WorkflowRemains:
    """A workflow as the text has it; empty where it says nothing."""

    name: str
    schedule: str = ""
    tags: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remains:
    """What the text says of its parts: the workflows by their ids, in the order of the file."""

    workflows: Mapping[str, WorkflowRemains] = field(default_factory=dict)
    rules: int = 0
    channels: int = 0
    silences: tuple[SilenceSpec, ...] = ()
    maintenance: tuple[MaintenanceSpec, ...] = ()


def remains_of(text: str, environment: str) -> Remains:
    """What can be read in `text`; nothing of a text that is no YAML."""
    layers = layers_of(text, environment)
    workflows: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for name, spec in parts_of(layer, "workflows"):
            workflows.setdefault(name, {}).update(spec if isinstance(spec, Mapping) else {})
    return Remains(
        {name: _workflow(name, spec) for name, spec in workflows.items()},
        len({name for layer in layers for name, _ in parts_of(layer, "rules")}),
        len({name for layer in layers for name, _ in parts_of(layer, "channels")}),
        tuple(_specs(layers, "silences", SilenceSpec)),
        tuple(_specs(layers, "maintenance", MaintenanceSpec)),
    )


def layers_of(text: str, environment: str) -> list[Any]:
    """The file and its overlay of an environment, as plain data; none of a text that is no YAML."""
    try:
        root, _ = parse_yaml(text, "configuration")
    except ConfigError:
        return []
    data = plain_data(root)
    return [data, part_of(data, "overlays", environment)]


def part_of(data: Any, *keys: str) -> Any:
    """What stands under `keys`, one inside the other; None where nothing does."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def parts_of(layer: Any, kind: str) -> list[tuple[str, Any]]:
    """Workflows or the like with their ids: a file has a list of them, an overlay a mapping."""
    found = part_of(layer, kind)
    if isinstance(found, Mapping):
        return [(str(name), spec) for name, spec in found.items()]
    listed: Sequence[Any] = found if isinstance(found, list) else ()
    return [(str(spec["id"]), spec) for spec in listed if isinstance(spec, Mapping) and "id" in spec]


def _workflow(name: str, spec: Mapping[str, Any]) -> WorkflowRemains:
    return WorkflowRemains(
        str(spec.get("name") or name),
        next((f"{key} {spec[key]}" for key in ("every", "cron") if spec.get(key)), ""),
        tuple(map(str, _listed(spec.get("tags")))),
        tuple(step for step, _ in parts_of(spec, "steps")),
    )


def _specs(layers: Sequence[Any], key: str, kind: type[Spec]) -> list[Spec]:
    """Those that can be read without what has been left out; an overlay's stand for the file's."""
    found: list[Spec] = []
    for spec in next((listed for layer in reversed(layers) if (listed := part_of(layer, key))), ()):
        try:
            found.append(kind.model_validate(spec))
        except ValidationError:
            continue
    return found


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else () if value is None else (value,)
