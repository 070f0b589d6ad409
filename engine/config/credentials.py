"""Credentials that a file says in plain words: found by the names they stand under, before anything is run.

A secret belongs into `${env:…}` or `${file:…}`. One that does not is hidden all the same, as those are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.config.yaml_guard import Node
from engine.redaction import SHORTEST, is_secret_name

_FREE = frozenset(
    {"json", "form", "headers", "params", "metadata", "variables", "environments", "with", "env"}
)
"""Below these, every key is a name of the user's own choosing."""
_PATHS = frozenset({"extract", "outputs", "schema", "expect", "degraded", "when"})
"""Below these stand places to look at, not values."""
_WORDS = frozenset({"password", "secret", "token", "bearer", "basic", "digest", "cookie", "required"})
_VARIABLE = re.compile(r"(?:.*_)?(?:KEY|PASS|PW|DSN)", re.I)
_SCHEME = re.compile(r"(?:bearer|basic|token|apikey|digest)\s+(\S+)", re.I)
_DEEPEST = 20
_DEFAULT = re.compile(r"\$\{env:\w+:-([^}]*)\}")


def credentials(root: Node) -> frozenset[str]:
    """Every scalar of at least 6 characters whose key says that it is a credential.

    Left out: what is filled in later (`{{ … }}`), what is read from elsewhere (but not its default), and
    paths into replies.
    """
    return frozenset(text for text in _Walk().below(root) if len(text) >= SHORTEST)


def passed(keys: Mapping[str, Any]) -> frozenset[str]:
    """The same among the keys of a step as a workflow in Python passes them."""
    return credentials(_node(keys, _DEEPEST))


def _node(value: Any, depth: int) -> Node:
    """A plain value as one of a file; what lies deeper than `depth` is nothing."""
    if depth and isinstance(value, Mapping):
        return Node({str(key): _node(inner, depth - 1) for key, inner in value.items()}, 0, 0)
    if depth and isinstance(value, (list, tuple)):
        return Node([_node(inner, depth - 1) for inner in value], 0, 0)
    return Node(value if isinstance(value, (str, int, float)) else None, 0, 0)


class _Walk:
    """Goes through a file once: what has several aliases is looked at once in each role."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, str, bool]] = set()

    def below(self, node: Node, parent: str = "", is_free: bool = False) -> Iterator[str]:
        """Those among the values of a mapping, and further down."""
        if not isinstance(node.value, (dict, list)) or (id(node), parent, is_free) in self._seen:
            return
        self._seen.add((id(node), parent, is_free))
        if isinstance(node.value, list):
            for inner in node.value:
                yield from self.below(inner, parent, is_free)
            return
        for key, inner in node.value.items():
            if _names_one(key, parent):
                yield from _texts(inner)
            if is_free or key not in _PATHS:
                yield from self.below(inner, key, is_free or key in _FREE)


def _names_one(key: str, parent: str) -> bool:
    if is_secret_name(key) or (parent, key) in (("auth", "bearer"), ("tracing", "accept")):
        return True
    return parent == "env" and _VARIABLE.fullmatch(key) is not None


def _texts(node: Node) -> Iterator[str]:
    """How a credential may turn up: whole, line by line, and without the scheme before it."""
    if isinstance(node.value, list):
        for inner in node.value:
            yield from _texts(inner) if not isinstance(inner.value, (dict, list)) else ()
        return
    if isinstance(node.value, (dict, bool)) or node.value is None:
        return
    text = node.value if isinstance(node.value, str) else node.text or str(node.value)
    if "{{" in text or "${" in text:
        yield from _DEFAULT.findall(text)
        return
    if text.lower() in _WORDS:
        return
    yield text
    if found := _SCHEME.fullmatch(text):
        yield found[1]
    if "\n" in text:
        yield from filter(None, map(str.strip, text.splitlines()))
