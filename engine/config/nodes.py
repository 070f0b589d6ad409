"""Looking into nodes of a file whose shape has not been checked yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.config.messages import did_you_mean
from engine.config.report import Report
from engine.config.yaml_guard import Node


def mapping(node: Node | None) -> Mapping[str, Node]:
    """The nodes of a mapping; none of anything else."""
    return node.value if node is not None and isinstance(node.value, dict) else {}


def text(node: Node | None) -> str:
    """A scalar as it was typed; empty for anything else."""
    return "" if node is None or isinstance(node.value, (dict, list)) else node.text or str(node.value or "")


def unknown(node: Node, message: str, name: str, known: Mapping[str, object], report: Report) -> None:
    """Report a name that is none of `known`, with the nearest of them."""
    report.at_node(node, message, did_you_mean(name, known) or f"there is {', '.join(known) or 'none'}")


def plain_data(node: Node) -> Any:
    """The values of a node, nothing expanded."""
    if isinstance(node.value, dict):
        return {key: plain_data(inner) for key, inner in node.value.items()}
    return [plain_data(inner) for inner in node.value] if isinstance(node.value, list) else node.value
