"""YAML without its traps: bounded, positioned, and meaning what was typed.

Events of the parser are composed here, in one pass and without recursion, so that a hostile file is refused
before anything can grow: nesting, aliases and merge keys are counted as they come.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

import yaml
from yaml import events

from engine.config.yaml_words import explain
from engine.errors import ConfigError, Problem
from engine.text import plain

if TYPE_CHECKING:
    from yaml.error import Mark

MAX_DEPTH = 50
MAX_VALUES = 100_000
# A long text counts as several values, so that aliases cannot multiply text either.
_TEXT_UNIT = 256

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_MERGE = "<<"
_NO_KEYS: Any = MappingProxyType({})
"""Those of a value that is no mapping: most values are none, and a dict for each of them is felt."""


@dataclass(slots=True, eq=False)
class Node:
    """A value of the file and where it stands (line and column count from 1).

    `value` is a scalar, a list of nodes, or a dict of nodes; `text` is a scalar as typed; `keys` holds the
    places of a mapping's keys; `size` counts the values below, aliases expanded.
    """

    value: Any
    line: int
    column: int
    text: str = ""
    size: int = 1
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)


def parse_yaml(text: str, file: str) -> tuple[Node, list[Problem]]:
    """Compose `text`, one YAML document.

    Returns:
        The root and the faults that do not hide the rest (duplicate keys).

    Raises:
        ConfigError: the text is not YAML, or is larger inside than it may be.
    """
    composer = _Composer(file)
    try:
        root = composer.compose(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        line, column, message, hint = explain(error, text)
        raise ConfigError([*composer.problems, Problem(file, line, column, message, hint)]) from None
    return root, composer.problems


def resolve(text: str) -> str | int | float | bool | None:
    """What a plain scalar means: null, true, false, a decimal number, else the text as typed.

    `on`, `no`, `12:30`, `0777` and `2024-01-01` stay text.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "+-.0123456789":
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
    return text


class _Composer:
    """Builds nodes from events; `_open` holds the collections not yet closed, outermost first.

    `_keys` are the keys that these stand under, `_key` the one that waits for its value, and `_merges` the
    mappings that a `<<` names, by the depth of the one that it stands in.
    """

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._open: list[Node] = []
        self._key: Node | None = None
        self._keys: list[Node | None] = []
        self._merges: dict[int, list[Node]] = {}
        self._anchors: dict[str, Node] = {}
        self._root: Node | None = None
        self._copied = 0

    def compose(self, source: Iterator[Any]) -> Node:
        documents = 0
        for event in source:
            kind = type(event)
            if kind is events.ScalarEvent:
                self._add(self._scalar(event), event)
            elif kind is events.MappingStartEvent:
                self._enter(self._collection(event, {}, {}, "map"), event)
            elif kind is events.SequenceStartEvent:
                self._enter(self._collection(event, [], _NO_KEYS, "seq"), event)
            elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
                self._leave()
            elif kind is events.AliasEvent:
                self._add(self._alias(event), event)
            elif kind is events.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    self._refuse(
                        event.start_mark, "a second document starts here", "keep one document in the file"
                    )
        if self._root is None:
            raise ConfigError(
                [Problem(self._file, 1, 1, "the file is empty", "`tocsin init` writes one to start from")]
            )
        return self._root

    def _scalar(self, event: Any) -> Node:
        mark, value = event.start_mark, event.value
        text: str = value
        if event.tag is not None:
            self._check_tag(event, "str")
        elif event.implicit[0]:
            value = resolve(text)
        node = Node(value, mark.line + 1, mark.column + 1, text, 1 + len(text) // _TEXT_UNIT, _NO_KEYS)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _collection(self, event: Any, value: Any, keys: Any, tag: str) -> Node:
        if event.tag is not None:
            self._check_tag(event, tag)
        return Node(value, event.start_mark.line + 1, event.start_mark.column + 1, keys=keys)

    def _check_tag(self, event: Any, allowed: str) -> None:
        tag = event.tag
        if tag != "!" and tag.removeprefix("tag:yaml.org,2002:") != allowed:
            shown = plain(tag.replace("tag:yaml.org,2002:", "!!"), 60)
            self._refuse(
                event.start_mark, f"unknown tag `{shown}`", "tags have no meaning here: write the plain value"
            )

    def _alias(self, event: Any) -> Node:
        node = self._anchors.get(event.anchor)
        name = plain(event.anchor, 60)
        if node is None:
            self._refuse(
                event.start_mark, f"`*{name}` refers to nothing", f"set `&{name}` on an earlier value"
            )
        if any(node is parent for parent in self._open):
            self._refuse(
                event.start_mark, f"`*{name}` refers to a value that holds it", "a value cannot hold itself"
            )
        return node

    def _enter(self, node: Node, event: Any) -> None:
        if len(self._open) >= MAX_DEPTH:
            self._refuse(event.start_mark, f"nested more than {MAX_DEPTH} levels deep")
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        if self._open and self._key is None and isinstance(self._open[-1].value, dict):
            self._refuse(event.start_mark, "a key is a plain word, not a list or a mapping")
        self._open.append(node)
        self._keys.append(self._key)
        self._key = None

    def _leave(self) -> None:
        merges = self._merges.pop(len(self._open), ())
        node = self._open.pop()
        self._key = self._keys.pop()
        for merged in merges:
            self._merge(node, merged)
        self._place(node)

    def _add(self, node: Node, event: Any) -> None:
        if self._key is None and self._open and type(self._open[-1].value) is dict:
            self._take_key(node, event)
        else:
            self._place(node)

    def _take_key(self, node: Node, event: Any) -> None:
        mark = event.start_mark
        if type(event) is events.AliasEvent:
            if isinstance(node.value, (dict, list)):
                self._refuse(mark, "a key is a plain word, not a list or a mapping")
            node = Node(node.text, mark.line + 1, mark.column + 1, node.text)
        if not node.text:
            self._refuse(mark, "a key is missing before `:`")
        self._key = node

    def _place(self, node: Node) -> None:
        """Put a finished value into its parent, and count what it adds."""
        if not self._open:
            self._root = node
            return
        parent, key = self._open[-1], self._key
        if key is None:
            self._grow(parent, node)
            parent.value.append(node)
            return
        self._key = None
        if key.text == _MERGE:
            self._remember_merge(node, key)
            return
        self._grow(parent, node)
        if key.text in parent.value:
            first = parent.keys[key.text][0]
            message = f"`{plain(key.text, 80)}` is set twice, on lines {first} and {key.line}"
            self._problem(key, message, "keep one of them")
        else:
            parent.value[key.text] = node
            parent.keys[key.text] = (key.line, key.column)

    def _remember_merge(self, node: Node, key: Node) -> None:
        sources = node.value if isinstance(node.value, list) else [node]
        if all(isinstance(source.value, dict) for source in sources):
            self._merges.setdefault(len(self._open), []).extend(sources)
        else:
            self._problem(key, "`<<` takes a mapping, or a list of mappings", "such as `<<: *defaults`")

    def _merge(self, node: Node, merged: Node) -> None:
        self._copied += len(merged.value)
        if self._copied > MAX_VALUES:
            self._too_large(node)
        for key, value in merged.value.items():
            if key not in node.value:
                self._grow(node, value)
                node.value[key] = value
                node.keys[key] = merged.keys[key]

    def _grow(self, parent: Node, node: Node) -> None:
        parent.size += node.size
        if parent.size > MAX_VALUES:
            self._too_large(node)

    def _too_large(self, node: Node) -> NoReturn:
        message = f"the file stands for more than {MAX_VALUES:,} values"
        self._problem(node, message, "aliases and `<<` multiply them")
        raise ConfigError(self.problems)

    def _problem(self, node: Node, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self._file, node.line, node.column, message, hint))

    def _refuse(self, mark: Mark, message: str, hint: str = "") -> NoReturn:
        self.problems.append(Problem(self._file, mark.line + 1, mark.column + 1, message, hint))
        raise ConfigError(self.problems)
