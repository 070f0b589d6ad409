"""Rules about rules: `database-down and not offline`, over the ids of other rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.config.conditions import CompositeCondition, Condition, Group

if TYPE_CHECKING:
    from engine.config.schema import Rule

MAX_DEPTH = 12
MAX_CHAIN = 50
_TOKEN = re.compile(r"\s*(?:([()])|([A-Za-z0-9_][A-Za-z0-9_.-]*)|(\S))")
_WORDS = ("and", "or", "not")
_NONE: Mapping[str, Iterable[str]] = {}

State = Callable[[str], bool | None]
"""Whether a rule holds, None when unknown."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One part of it: an id, or `and`, `or`, `not` and the parts below."""

    word: str
    parts: tuple[Combination, ...] = ()

    def state(self, of: State) -> bool | None:
        """Kleene's logic over the states of the rules."""
        if not self.parts:
            return of(self.word)
        states = [part.state(of) for part in self.parts]
        if self.word == "not":
            return None if states[0] is None else not states[0]
        decides = self.word == "or"
        if decides in states:
            return decides
        return None if None in states else not decides

    def rules(self) -> Iterator[str]:
        """The ids in it, from left to right."""
        if not self.parts:
            yield self.word
        for part in self.parts:
            yield from part.rules()


@lru_cache(maxsize=1024)
def parse_rules(text: str) -> Combination:
    """Read `a and (b or not c)`.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    tokens: list[str] = []
    for bracket, word, other in _TOKEN.findall(text):
        if other:
            raise ValueError(f"`{other}` cannot stand among rules; write `one and not (two or three)`")
        tokens.append(bracket or (word.lower() if word.lower() in _WORDS else word))
    reader = _Reader(tokens)
    combination = reader.level("or", 1)
    if reader.ahead:
        raise ValueError(f"`{reader.ahead}` is not expected; put `and` or `or` between rules")
    return combination


class _Reader:
    """Descends through the precedences: `or`, `and`, `not`, parentheses."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens[::-1]

    @property
    def ahead(self) -> str:
        return self._tokens[-1] if self._tokens else ""

    def level(self, word: str, depth: int) -> Combination:
        if depth > MAX_DEPTH:
            raise ValueError(f"parentheses go more than {MAX_DEPTH} deep; split it into several rules")
        parts = [self.level("and", depth) if word == "or" else self._one(depth)]
        while self.ahead == word:
            self._tokens.pop()
            parts.append(self.level("and", depth) if word == "or" else self._one(depth))
        return parts[0] if len(parts) == 1 else Combination(word, tuple(parts))

    def _one(self, depth: int) -> Combination:
        word = self._tokens.pop() if self._tokens else ""
        if word == "not":
            if depth > MAX_DEPTH:
                raise ValueError(f"`not` goes more than {MAX_DEPTH} deep")
            return Combination("not", (self._one(depth + 1),))
        if word == "(":
            inner = self.level("or", depth + 1)
            if self.ahead != ")":
                raise ValueError("a parenthesis is not closed")
            self._tokens.pop()
            return inner
        if word in ("", ")", *_WORDS):
            raise ValueError(f"a rule is expected {f'before `{word}`' if word else 'at the end'}")
        return Combination(word)


def referred(conditions: Iterable[Condition]) -> frozenset[str]:
    """The ids of the rules that conditions look at; what cannot be read refers to none."""
    found: set[str] = set()
    for condition in conditions:
        if isinstance(condition, Group):
            found |= referred(condition.parts)
        elif isinstance(condition, CompositeCondition):
            try:
                found |= set(parse_rules(condition.rules).rules())
            except ValueError:
                continue
    return frozenset(found)


def in_order(rules: Mapping[str, Rule], before: Mapping[str, Iterable[str]] = _NONE) -> list[Rule]:
    """The rules, each after those that it looks at, and after those `before` it; otherwise as they were.

    Raises:
        ValueError: rules look at each other in a circle; the sentence names them.
    """
    ordered: dict[str, Rule] = {}

    def place(rule: Rule, above: tuple[str, ...]) -> None:
        if rule.id in ordered:
            return
        if rule.id in above:
            circle = " → ".join((*above[above.index(rule.id) :], rule.id))
            raise ValueError(f"rules look at each other in a circle: {circle}")
        if len(above) == MAX_CHAIN:
            raise ValueError(f"rules look at more than {MAX_CHAIN} others in a row, up to {rule.id}")
        for name in sorted({*referred(rule.conditions), *before.get(rule.id, ())}):
            if name in rules:
                place(rules[name], (*above, rule.id))
        ordered[rule.id] = rule

    for rule in rules.values():
        place(rule, ())
    return list(ordered.values())
