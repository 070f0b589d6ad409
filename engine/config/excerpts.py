"""The rules of a file as they were written, each with the places of its conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.config.nodes import mapping, text
from engine.config.yaml_guard import Node, parse_yaml
from engine.errors import ConfigError
from engine.model.rules import Excerpt


def excerpts(written: str, file: str) -> Mapping[str, Excerpt]:
    """By the ids of the rules, as far as they stand in the file; nothing of a file that cannot be read.

    Args:
        written: YAML that has been loaded before.
        file: its name.
    """
    try:
        root, _ = parse_yaml(written, file)
    except ConfigError:
        return {}
    lines = written.replace("\r\n", "\n").split("\n")
    listed = mapping(root).get("rules")
    nodes = listed.value if listed is not None and isinstance(listed.value, list) else []
    return {text(mapping(node).get("id")): _excerpt(node, lines, file) for node in nodes}


def _excerpt(node: Node, lines: Sequence[str], file: str) -> Excerpt:
    """From the line of its dash to the last that is indented deeper than the dash."""
    first, end = node.line, node.line
    for number in range(first + 1, len(lines) + 1):
        line = lines[number - 1]
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if len(line) - len(line.lstrip()) < node.column - 1:
            break
        end = number
    dash = max(node.column - 3, 0)
    cut = (line[dash:] if not line[:dash].strip() else line for line in lines[first - 1 : end])
    conditions = mapping(node).get("conditions")
    parts = conditions.value if conditions is not None and isinstance(conditions.value, list) else []
    places = tuple(part.line if first <= part.line <= end else 0 for part in parts)
    return Excerpt(file, first, "\n".join(cut), places)
