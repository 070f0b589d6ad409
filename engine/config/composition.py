"""What stands in one place of a file and counts in another: overlays of environments, fragments of steps.

Both are put in place on the nodes of the file, before anything is checked, so that every fault that is found
afterwards is reported where it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.config.messages import did_you_mean
from engine.config.report import Report
from engine.config.yaml_guard import MAX_VALUES, Node
from engine.text import plain
from engine.workflows.placeholders import PLACEHOLDER, split

NESTING = 5
"""Fragments within fragments."""

_BY_ID = ("workflows", "rules")
_BY_NAME = ("channels", "retries")
_OVERLAID = ("settings", *_BY_NAME, *_BY_ID)
_USE_KEYS = ("use", "id", "with")
_FRAGMENT_KEYS = ("params", "steps")


def compose(root: Node, environment: str, report: Report) -> Node:
    """The file with the overlay of `environment` laid over it and every `use:` replaced by its steps.

    Args:
        root: the mapping of the whole file; it is not changed.
        environment: the chosen one.
        report: takes the problems.
    """
    sections = dict(root.value)
    overlays, fragments = sections.pop("overlays", None), sections.pop("fragments", None)
    if overlays is not None:
        sections = _overlaid(sections, overlays, environment, report)
    workflows = sections.get("workflows")
    if workflows is not None and isinstance(workflows.value, list):
        known = _fragments(fragments, report)
        expanded = [_Expansion(known, report).workflow(workflow) for workflow in workflows.value]
        sections["workflows"] = replace(workflows, value=expanded)
    return replace(root, value=sections)


def _overlaid(sections: dict[str, Node], overlays: Node, environment: str, report: Report) -> dict[str, Node]:
    environments = _mapping(sections.get("environments"))
    if not isinstance(overlays.value, dict):
        report.at_node(overlays, "`overlays` wants a mapping of environments")
        return sections
    for name, node in overlays.value.items():
        if name not in environments:
            _unknown(node, f"there is no environment `{plain(name, 80)}`", name, environments, report)
        elif not isinstance(node.value, dict):
            report.at_node(node, "an overlay wants a mapping of sections")
    for section, node in _mapping(overlays.value.get(environment)).items():
        if section not in _OVERLAID:
            message = f"`{plain(section, 80)}` is not what an overlay changes"
            _unknown(node, message, section, dict.fromkeys(_OVERLAID), report)
        elif not isinstance(node.value, dict):
            report.at_node(node, f"`{section}` of an overlay wants a mapping")
        elif section in _BY_ID:
            sections[section] = _entries_by_id(section, sections.get(section), node, report)
        else:
            depth = 2 if section in _BY_NAME else 1
            sections[section] = _merged(sections.get(section), node, depth)
    return sections


def _entries_by_id(section: str, base: Node | None, over: Node, report: Report) -> Node:
    """The list with the keys of the entries that `over` names by their ids replaced."""
    items = base.value if base is not None and isinstance(base.value, list) else []
    ids = {_text(_mapping(item).get("id")): index for index, item in enumerate(items)}
    changed = list(items)
    for name, node in over.value.items():
        if name not in ids:
            kind = section.removesuffix("s")
            _unknown(node, f"there is no {kind} `{plain(name, 80)}`", name, ids, report)
        elif not isinstance(node.value, dict):
            report.at_node(node, "this wants a mapping of the keys that are different")
        else:
            changed[ids[name]] = _merged(items[ids[name]], node, 1)
    return replace(base, value=changed) if base is not None else over


def _merged(base: Node | None, over: Node, depth: int) -> Node:
    """`base` with the keys of `over`, whose values replace its own `depth` levels down."""
    if base is None or not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    values = dict(base.value)
    for key, node in over.value.items():
        values[key] = _merged(values.get(key), node, depth - 1) if depth > 1 else node
    return replace(base, value=values, keys={**base.keys, **over.keys})


@dataclass(frozen=True, slots=True)
class _Fragment:
    """Steps to be used by name; a parameter whose default is null has to be given."""

    params: Mapping[str, Node]
    steps: tuple[Node, ...]


def _fragments(section: Node | None, report: Report) -> dict[str, _Fragment]:
    if section is None or section.value is None:
        return {}
    if not isinstance(section.value, dict):
        report.at_node(section, "`fragments` wants a mapping of names")
        return {}
    found: dict[str, _Fragment] = {}
    for name, node in section.value.items():
        steps, params = _mapping(node).get("steps"), _mapping(node).get("params")
        for key in _mapping(node).keys() - set(_FRAGMENT_KEYS):
            message = f"unknown key `{plain(key, 80)}`"
            _unknown(_mapping(node)[key], message, key, dict.fromkeys(_FRAGMENT_KEYS), report)
        if steps is None or not isinstance(steps.value, list):
            report.at_node(steps or node, "a fragment has a list of `steps`")
        elif params is not None and not isinstance(params.value, (dict, type(None))):
            report.at_node(params, "`params` wants a mapping of names and defaults")
        else:
            found[name] = _Fragment(_mapping(params), tuple(steps.value))
    return found


@dataclass(slots=True)
class _Expansion:
    """Puts the steps of fragments in the place of their uses."""

    known: Mapping[str, _Fragment]
    report: Report
    size: int = 0
    stack: list[str] = field(default_factory=list)

    def workflow(self, node: Node) -> Node:
        """The workflow without `use:`."""
        changes = {
            key: replace(_mapping(node)[key], value=self._steps(_mapping(node)[key].value))
            for key in ("steps", "finally")
            if isinstance(_mapping(node).get(key, node).value, list)
            and any("use" in _mapping(step) for step in _mapping(node)[key].value)
        }
        return replace(node, value={**node.value, **changes}) if changes else node

    def _steps(self, steps: list[Node]) -> list[Node]:
        return [each for step in steps for each in (self._used(step) if "use" in _mapping(step) else [step])]

    def _used(self, use: Node) -> list[Node]:
        name, given = _text(use.value["use"]), _mapping(use.value.get("with"))
        fragment = self.known.get(name)
        for key in use.value.keys() - set(_USE_KEYS):
            hint = f"beside `use` there are {', '.join(_USE_KEYS[1:])}"
            self.report.at_node(use.value[key], f"`{plain(key, 80)}` does not go with `use`", hint)
        if fragment is None:
            message = f"there is no fragment `{plain(name, 80)}`"
            _unknown(use.value["use"], message, name, self.known, self.report)
            return []
        if name in self.stack or len(self.stack) >= NESTING:
            chain = " → ".join([*self.stack, name])
            self.report.at_node(
                use.value["use"], f"fragments use each other in a circle or too deep: {chain}"
            )
            return []
        values = self._values(use, fragment, given)
        own = {_text(_mapping(step).get("id")) for step in fragment.steps} - {""}
        prefix = _text(use.value.get("id"))
        filling = _Filling(values, own if prefix else frozenset(), prefix, self.report)
        self.size += sum(step.size for step in fragment.steps)
        if self.size > MAX_VALUES:
            self.report.at_node(use, f"fragments make more than {MAX_VALUES:,} values of this workflow")
            return []
        self.stack.append(name)
        steps = self._steps([filling.step(step) for step in fragment.steps])
        self.stack.pop()
        return steps

    def _values(self, use: Node, fragment: _Fragment, given: Mapping[str, Node]) -> dict[str, Node]:
        for name in given.keys() - fragment.params.keys():
            message = f"the fragment has no parameter `{plain(name, 80)}`"
            _unknown(given[name], message, name, fragment.params, self.report)
        values = {name: given.get(name, default) for name, default in fragment.params.items()}
        for name, node in values.items():
            if node.value is None and name not in given:
                self.report.at_node(use, f"the fragment wants a value for `{plain(name, 80)}` in `with`")
        return values


@dataclass(frozen=True, slots=True)
class _Filling:
    """Fills parameters into the steps of one use, and puts its `prefix` before the ids of its `own` steps."""

    values: Mapping[str, Node]
    own: set[str] | frozenset[str]
    prefix: str
    report: Report

    def step(self, node: Node) -> Node:
        filled = self._node(node)
        if not self.prefix or not isinstance(filled.value, dict):
            return filled
        changes = {}
        if (own_id := filled.value.get("id")) is not None:
            changes["id"] = self._prefixed(own_id)
        if (needs := filled.value.get("needs")) is not None and isinstance(needs.value, list):
            renamed = [self._prefixed(need) if _text(need) in self.own else need for need in needs.value]
            changes["needs"] = replace(needs, value=renamed)
        return replace(filled, value={**filled.value, **changes})

    def _prefixed(self, node: Node) -> Node:
        text = f"{self.prefix}.{_text(node)}"
        return replace(node, value=text, text=text)

    def _node(self, node: Node) -> Node:
        if isinstance(node.value, dict):
            return replace(node, value={key: self._node(inner) for key, inner in node.value.items()})
        if isinstance(node.value, list):
            return replace(node, value=[self._node(inner) for inner in node.value])
        if not isinstance(node.value, str) or "{{" not in node.value:
            return node
        whole = PLACEHOLDER.fullmatch(node.value)
        if whole is not None and split(whole[1])[0] == "params":
            return self.values.get(split(whole[1])[1]) or self._missing(node, split(whole[1])[1])
        text = PLACEHOLDER.sub(lambda match: self._text(match[0], match[1], node), node.value)
        return replace(node, value=text, text=text)

    def _text(self, written: str, content: str, node: Node) -> str:
        source, name = split(content)
        if source in self.own:
            return f"{{{{ {self.prefix}.{source}.{name} }}}}"
        if source != "params":
            return written
        value = self.values.get(name) or self._missing(node, name)
        if isinstance(value.value, (dict, list)):
            self.report.at_node(value, f"`{plain(name, 80)}` stands within a text: it is one value")
        return _text(value)

    def _missing(self, node: Node, name: str) -> Node:
        message = f"the fragment has no parameter `{plain(name, 80)}`"
        _unknown(node, message, name, self.values, self.report)
        return replace(node, value="", text="")


def _mapping(node: Node | None) -> Mapping[str, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _text(node: Node | None) -> str:
    """A scalar as it was typed."""
    return "" if node is None or isinstance(node.value, (dict, list)) else node.text or str(node.value or "")


def _unknown(node: Node, message: str, name: str, known: Mapping[str, object], report: Report) -> None:
    report.at_node(node, message, did_you_mean(name, known) or f"there is {', '.join(known) or 'none'}")
