"""What is different in an environment: laid over the file, or looked at by itself where it does not count."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.config.nodes import mapping, text, unknown
from engine.config.report import Report
from engine.config.yaml_guard import MAX_VALUES, Node
from engine.text import plain

_BY_ID = ("workflows", "rules")
_BY_NAME = ("channels", "retries")
_OVERLAID = ("settings", *_BY_NAME, *_BY_ID)
_FLOW = ("variables", "steps", "finally", "outputs")
"""Keys of a workflow that are looked at together: what steps read, and what reads them."""


def read_overlays(section: Node | None, environments: dict[str, Node], report: Report) -> dict[str, Node]:
    """The overlays by environment, those that can be used; everything wrong with their shape is reported."""
    if section is None:
        return {}
    if not isinstance(section.value, dict):
        report.at_node(section, "`overlays` wants a mapping of environments")
        return {}
    found = {}
    for name, node in section.value.items():
        if name not in environments:
            unknown(node, f"there is no environment `{plain(name, 80)}`", name, environments, report)
        elif not isinstance(node.value, dict):
            report.at_node(node, "an overlay wants a mapping of sections")
        else:
            found[name] = node
    return found


@dataclass(slots=True)
class Overlaying:
    """Lays overlays over the `sections` of a file, which are not changed.

    `borrowed` counts the values that parts for checking took over from what they change.
    """

    sections: dict[str, Node]
    report: Report
    borrowed: int = 0

    def whole(self, overlay: Node) -> dict[str, Node]:
        """The file as it is in the environment of `overlay`."""
        sections = dict(self.sections)
        for section, node in self._usable(overlay).items():
            base = sections.get(section)
            if section not in _BY_ID:
                sections[section] = _merged(base, node, 2 if section in _BY_NAME else 1)
                continue
            changed = list(_items(base))
            for index, over in self._entries(section, node):
                changed[index] = _merged(changed[index], over, 1)
            sections[section] = replace(base, value=changed) if base is not None else node
        return sections

    def parts(self, overlay: Node) -> dict[str, Node]:
        """Only what `overlay` changes, with as much of what it changes as the check of that needs."""
        sections: dict[str, Node] = {}
        for section, node in self._usable(overlay).items():
            base = self.sections.get(section)
            if section in _BY_ID:
                found = self._entries(section, node)
                borrowed = [(self._borrow(_items(base)[index], over), over) for index, over in found]
                entries = [_merged(entry, over, 1) for entry, over in borrowed if entry is not None]
                sections[section] = replace(node, value=entries)
            elif section in _BY_NAME:
                named = mapping(base)
                merged = {name: _merged(named.get(name), over, 1) for name, over in node.value.items()}
                sections[section] = replace(node, value=merged)
            else:
                sections[section] = _merged(base, node, 1)
        return sections

    def _usable(self, overlay: Node) -> dict[str, Node]:
        found = {}
        for section, node in overlay.value.items():
            if section not in _OVERLAID:
                message = f"`{plain(section, 80)}` is not what an overlay changes"
                unknown(node, message, section, dict.fromkeys(_OVERLAID), self.report)
            elif not isinstance(node.value, dict):
                self.report.at_node(node, f"`{section}` of an overlay wants a mapping")
            else:
                found[section] = node
        return found

    def _entries(self, section: str, node: Node) -> list[tuple[int, Node]]:
        """The entries of the list that `node` names by their ids: their places, and what is different."""
        ids = {text(mapping(item).get("id")): i for i, item in enumerate(_items(self.sections.get(section)))}
        found = []
        for name, over in node.value.items():
            if name not in ids:
                kind = section.removesuffix("s")
                unknown(over, f"there is no {kind} `{plain(name, 80)}`", name, ids, self.report)
            elif not isinstance(over.value, dict):
                self.report.at_node(over, "this wants a mapping of the keys that are different")
            else:
                found.append((ids[name], over))
        return found

    def _borrow(self, base: Node, over: Node) -> Node | None:
        """What is changed, without its steps where those have no say: the check stays as long as the file.

        None, and a problem, when too much has been borrowed already.
        """
        values = dict(mapping(base))
        if "steps" in values and not over.value.keys() & set(_FLOW):
            values = {key: node for key, node in values.items() if key not in _FLOW}
            values["steps"] = replace(base, value=[stand_in(base)], size=1)
        if self.borrowed > MAX_VALUES:
            return None
        self.borrowed += sum(node.size for node in values.values())
        if self.borrowed > MAX_VALUES:
            self.report.at_node(over, f"overlays change parts of more than {MAX_VALUES:,} values")
        return replace(base, value=values)


def _items(section: Node | None) -> list[Node]:
    return section.value if section is not None and isinstance(section.value, list) else []


def _merged(base: Node | None, over: Node, depth: int) -> Node:
    """`base` with the keys of `over`, whose values replace its own `depth` levels down."""
    if base is None or not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    values = dict(base.value)
    for key, node in over.value.items():
        values[key] = _merged(values.get(key), node, depth - 1) if depth > 1 else node
    return replace(base, value=values, keys={**base.keys, **over.keys})


def stand_in(place: Node) -> Node:
    """A step that nothing is wrong with, where there has to be one."""

    def node(value: object, text: str = "") -> Node:
        return Node(value, place.line, place.column, text)

    wait = node({"for": node("1s", "1s")})
    return node({"id": node("step", "step"), "wait": wait})
