"""Problems at the places they belong to: from a path in the data to line and column in the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.config.yaml_guard import Node
from engine.errors import Problem
from engine.text import plain

Path = tuple[str | int, ...]

# Shorter secrets would blank out ordinary words.
_SHORTEST_SECRET = 4

MAX_PROBLEMS = 200
"""More than anybody corrects at once."""

OPEN = "${"
"""What a text has that is not known before the file is used."""


class Report:
    """Collects the problems of one file; the first with a key or a value hides those that follow from it."""

    def __init__(self, file: str, root: Node) -> None:
        self.file = file
        self.root = root
        self._problems: list[Problem] = []
        self._seen: set[tuple[int, int, str]] = set()
        self._is_aside = False

    def __bool__(self) -> bool:
        return bool(self._problems)

    def aside(self, root: Node) -> Report:
        """A report on parts of the same file that are not used now, with `root` above them.

        Nothing is said about texts with a `${…}`: the variables need not be at hand.
        """
        aside = Report(self.file, root)
        aside._problems, aside._seen, aside._is_aside = self._problems, self._seen, True
        return aside

    def extend(self, problems: Iterable[Problem]) -> None:
        """Take over problems whose places are known."""
        for problem in problems:
            self._add("key", (problem.line, problem.column), problem.message, problem.hint)

    def at(self, path: Path, message: str, hint: str = "") -> None:
        """A problem with the value at `path`, or with what is nearest above it."""
        self.at_node(self.node(path), message, hint)

    def at_node(self, node: Node, message: str, hint: str = "") -> None:
        if not (self._is_aside and isinstance(node.value, str) and OPEN in node.value):
            self._add("value", (node.line, node.column), message, hint)

    def at_key(self, path: Path, message: str, hint: str = "") -> None:
        """A problem with the key that `path` ends in."""
        self._add("key", self.key_place(path), message, hint)

    def missing(self, path: Path, keys: Sequence[str]) -> None:
        """The mapping at `path` lacks `keys`."""
        node = self.node(path)
        named = " and ".join(f"`{key}`" for key in keys)
        self._add("missing", (node.line, node.column), f"{named} {'is' if len(keys) == 1 else 'are'} missing")

    def key_place(self, path: Path) -> tuple[int, int]:
        """Line and column of the key that `path` ends in, or of the value when it is no key."""
        parent = self.node(path[:-1])
        node = self.node(path)
        return parent.keys.get(str(path[-1]), (node.line, node.column)) if path else (node.line, node.column)

    def node(self, path: Path) -> Node:
        """The node at `path`, or the nearest above it."""
        return self.walk(path)[1]

    def walk(self, path: Path) -> tuple[Path, Node]:
        """The longest path that exists, skipping parts of `path` that are not in the file, and its node."""
        node, found = self.root, []
        for part in path:
            value = node.value
            is_key = isinstance(value, dict) and isinstance(part, str) and part in value
            if is_key or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
                node = value[part]
                found.append(part)
        return tuple(found), node

    def scalar(self, path: Path) -> object:
        """What the file says at `path`, nothing expanded; an empty list or mapping for a full one."""
        value = self.node(path).value
        return type(value)() if isinstance(value, (dict, list)) else value

    def problems(self, secrets: Iterable[str] = ()) -> list[Problem]:
        """The problems in the order of the file, without the values that came from outside.

        At most 200 of them; then a last one tells how many more there are.
        """
        hidden = sorted((s for s in secrets if len(s) >= _SHORTEST_SECRET), key=len, reverse=True)
        problems = sorted(self._problems, key=lambda problem: (problem.line, problem.column))
        if more := problems[MAX_PROBLEMS:]:
            last = Problem(self.file, more[0].line, more[0].column, f"and {len(more):,} more from here on")
            problems[MAX_PROBLEMS:] = [last]
        return [_without(problem, hidden) for problem in problems]

    def _add(self, kind: str, place: tuple[int, int], message: str, hint: str = "") -> None:
        if (*place, kind) not in self._seen:
            self._seen.add((*place, kind))
            self._problems.append(Problem(self.file, *place, plain(message), plain(hint)))


def _without(problem: Problem, secrets: Iterable[str]) -> Problem:
    message, hint = problem.message, problem.hint
    for secret in secrets:
        message, hint = message.replace(plain(secret), "***"), hint.replace(plain(secret), "***")
    return Problem(problem.file, problem.line, problem.column, message, hint)
