"""What stands in one place of a file and counts in another: overlays of environments, fragments of steps.

Both are put in place on the nodes of the file, before anything is checked, so that every fault that is found
afterwards is reported where it was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.config.nodes import mapping, text, unknown
from engine.config.overlays import Overlaying, read_overlays, stand_in
from engine.config.report import Report
from engine.config.yaml_guard import MAX_VALUES, Node
from engine.text import plain
from engine.workflows.placeholders import PLACEHOLDER, leading, split

NESTING = 5
"""Fragments within fragments."""

_TOO_DEEP = "fragments use each other in a circle or too deep"
_USE_KEYS = ("use", "id", "with")
_FRAGMENT_KEYS = ("params", "steps")


@dataclass(frozen=True, slots=True)
class Aside:
    """Parts of the file that the chosen environment does not use, which are checked all the same.

    `environment` is the one they are for; None for fragments that nothing uses.
    """

    environment: str | None
    root: Node


@dataclass(frozen=True, slots=True)
class Composed:
    """The file as it counts in the chosen environment, and what does not count there."""

    root: Node
    asides: tuple[Aside, ...] = ()


def compose(root: Node, environment: str, report: Report) -> Composed:
    """The file with the overlay of `environment` laid over it and every `use:` replaced by its steps.

    Args:
        root: the mapping of the whole file; it is not changed.
        environment: the chosen one.
        report: takes the problems.
    """
    sections = dict(root.value)
    section, fragments = sections.pop("overlays", None), sections.pop("fragments", None)
    overlays = read_overlays(section, dict(mapping(sections.get("environments"))), report)
    overlaying = Overlaying(sections, report)
    version = {"version": sections["version"]} if "version" in sections else {}
    known = _fragments(fragments, report)
    used: set[str] = set()
    asides = [
        Aside(name, replace(root, value=version | _expanded(overlaying.parts(overlay), known, used, report)))
        for name, overlay in overlays.items()
        if name != environment
    ]
    if environment in overlays:
        sections = overlaying.whole(overlays[environment])
    sections = _expanded(sections, known, used, report)
    if unused := [name for name in known if name not in used]:
        alone = [_Expansion(known, report).alone(name) for name in unused]
        _check_depth(unused, known, report)
        asides.append(Aside(None, replace(root, value=version | {"workflows": replace(root, value=alone)})))
    return Composed(replace(root, value=sections), tuple(asides))


def _expanded(
    sections: dict[str, Node], known: Mapping[str, _Fragment], used: set[str], report: Report
) -> dict[str, Node]:
    """The sections with workflows that have no `use:`; the fragments they had are added to `used`."""
    workflows = sections.get("workflows")
    if workflows is None or not isinstance(workflows.value, list):
        return sections
    expanded = []
    for workflow in workflows.value:
        expansion = _Expansion(known, report)
        expanded.append(expansion.workflow(workflow))
        used |= expansion.used
    return {**sections, "workflows": replace(workflows, value=expanded)}


@dataclass(frozen=True, slots=True)
class _Fragment:
    """Steps to be used by name; a parameter whose default is null has to be given."""

    place: Node
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
        steps, params = mapping(node).get("steps"), mapping(node).get("params")
        for key in mapping(node).keys() - set(_FRAGMENT_KEYS):
            message = f"unknown key `{plain(key, 80)}`"
            unknown(mapping(node)[key], message, key, dict.fromkeys(_FRAGMENT_KEYS), report)
        if steps is None or not isinstance(steps.value, list):
            report.at_node(steps or node, "a fragment has a list of `steps`")
        elif params is not None and not isinstance(params.value, (dict, type(None))):
            report.at_node(params, "`params` wants a mapping of names and defaults")
        else:
            found[name] = _Fragment(node, mapping(params), tuple(steps.value))
    return found


@dataclass(slots=True)
class _Expansion:
    """Puts the steps of fragments in the place of their uses."""

    known: Mapping[str, _Fragment]
    report: Report
    size: int = 0
    stack: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def workflow(self, node: Node) -> Node:
        """The workflow without `use:`."""
        changes = {
            key: replace(mapping(node)[key], value=self._steps(mapping(node)[key].value))
            for key in ("steps", "finally")
            if isinstance(mapping(node).get(key, node).value, list)
            and any("use" in mapping(step) for step in mapping(node)[key].value)
        }
        return replace(node, value={**node.value, **changes}) if changes else node

    def alone(self, name: str) -> Node:
        """A fragment as a workflow, for checking it where nothing uses it.

        What its parameters without a default will be is open; other fragments that it uses are checked by
        themselves.
        """
        fragment = self.known[name]
        values = {key: _open(key, node) for key, node in fragment.params.items()}
        filled = [_Filling(values, frozenset(), "", self.report).step(step) for step in fragment.steps]
        for step in filled:
            if "use" in mapping(step) and (used := self._fragment_of(step)) is not None:
                self._values(step, used)
        steps = [step for step in filled if "use" not in mapping(step)]

        def node(value: object) -> Node:
            return replace(fragment.place, value=value, text=str(value))

        keys = {"id": node(name), "name": node(name), "on_call": node(True)}
        return replace(fragment.place, value={**keys, "steps": node(steps or [stand_in(fragment.place)])})

    def _steps(self, steps: list[Node]) -> list[Node]:
        return [each for step in steps for each in (self._used(step) if "use" in mapping(step) else [step])]

    def _fragment_of(self, use: Node) -> _Fragment | None:
        name = text(use.value["use"])
        for key in use.value.keys() - set(_USE_KEYS):
            hint = f"beside `use` there are {', '.join(_USE_KEYS[1:])}"
            self.report.at_node(use.value[key], f"`{plain(key, 80)}` does not go with `use`", hint)
        if name not in self.known:
            message = f"there is no fragment `{plain(name, 80)}`"
            unknown(use.value["use"], message, name, self.known, self.report)
        return self.known.get(name)

    def _used(self, use: Node) -> list[Node]:
        fragment, name = self._fragment_of(use), text(use.value["use"])
        if fragment is None:
            return []
        self.used.add(name)
        if name in self.stack or len(self.stack) >= NESTING:
            chain = " → ".join([*self.stack, name])
            self.report.at_node(use.value["use"], f"{_TOO_DEEP}: {chain}")
            return []
        values = self._values(use, fragment)
        own = {text(mapping(step).get("id")) for step in fragment.steps} - {""}
        prefix = text(use.value.get("id"))
        filling = _Filling(values, own if prefix else frozenset(), prefix, self.report)
        self.size += sum(step.size for step in fragment.steps)
        if self.size > MAX_VALUES:
            self.report.at_node(use, f"fragments make more than {MAX_VALUES:,} values of this workflow")
            return []
        self.stack.append(name)
        steps = self._steps([filling.step(step) for step in fragment.steps])
        self.stack.pop()
        return steps

    def _values(self, use: Node, fragment: _Fragment) -> dict[str, Node]:
        given = mapping(use.value.get("with"))
        for name in given.keys() - fragment.params.keys():
            message = f"the fragment has no parameter `{plain(name, 80)}`"
            unknown(given[name], message, name, fragment.params, self.report)
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
            renamed = [self._prefixed(need) if text(need) in self.own else need for need in needs.value]
            changes["needs"] = replace(needs, value=renamed)
        return replace(filled, value={**filled.value, **changes})

    def _prefixed(self, node: Node) -> Node:
        name = f"{self.prefix}.{text(node)}"
        return replace(node, value=name, text=name)

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
        filled = PLACEHOLDER.sub(lambda match: self._text(match[0], match[1], node), node.value)
        return replace(node, value=filled, text=filled)

    def _text(self, written: str, content: str, node: Node) -> str:
        if leading(content.strip(), self.own):
            return f"{{{{ {self.prefix}.{content.strip()} }}}}"
        source, name = split(content)
        if source != "params":
            return written
        value = self.values.get(name) or self._missing(node, name)
        if isinstance(value.value, (dict, list)):
            self.report.at_node(value, f"`{plain(name, 80)}` stands within a text: it is one value")
        return text(value)

    def _missing(self, node: Node, name: str) -> Node:
        message = f"the fragment has no parameter `{plain(name, 80)}`"
        unknown(node, message, name, self.values, self.report)
        return replace(node, value="", text="")


def _open(name: str, default: Node) -> Node:
    """A parameter that has to be given, as a text of which nothing is known before the file is used."""
    return replace(default, value=f"${{{name}}}", text=f"${{{name}}}") if default.value is None else default


def _check_depth(unused: Sequence[str], known: Mapping[str, _Fragment], report: Report) -> None:
    """Report fragments that nothing uses and that could not be used: too deep, or in a circle."""
    uses = {
        name: [mapping(step)["use"] for step in fragment.steps if "use" in mapping(step)]
        for name, fragment in known.items()
    }
    depth = dict.fromkeys(known, 1)
    for _ in range(NESTING):
        depth |= {
            name: 1 + max((depth.get(text(use), 0) for use in below), default=0)
            for name, below in uses.items()
        }
    for name in unused:
        for use in uses[name]:
            if depth.get(text(use), 0) >= NESTING:
                report.at_node(use, f"{_TOO_DEEP}: {plain(name, 80)} → {plain(text(use), 80)}")
