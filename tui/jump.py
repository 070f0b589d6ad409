"""What `:` leads to, and which of it fits what was typed: pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import nsmallest

_APART = 40
_INSIDE = 3


@dataclass(frozen=True, slots=True)
class Target:
    """Somewhere to go, or something to do.

    Args:
        entry: what is typed for it, one safe line: `workflow checkout`.
        what: a few safe words more, shown beside it.
        go: goes there.
        is_late: comes after all that fit as well: it changes something, or is over.
    """

    entry: str
    what: str
    go: Callable[[], None]
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Fit:
    """A target, and which characters of its entry fit what was typed."""

    target: Target
    places: tuple[int, ...]


def fitting(typed: str, targets: Sequence[Target], most: int) -> list[Fit]:
    """The targets that have every word of `typed`, or its letters in their order; the best first.

    What starts a word counts for more than what is inside one, and that for more than letters apart; of
    equals those that are late come last, the shorter entry first, then the one that is listed first.
    """
    words = typed.casefold().split()
    found: list[tuple[int, bool, int, int, Fit]] = []
    for order, target in enumerate(targets):
        matched = _match(words, target.entry.casefold())
        if matched is not None:
            cost, places = matched
            fit = Fit(target, tuple(places))
            found.append((cost, target.is_late, len(target.entry), order, fit))
    return [fit for *_, fit in nsmallest(most, found, key=lambda one: one[:4])]


def _match(words: Sequence[str], entry: str) -> tuple[int, set[int]] | None:
    """What it costs to find every word in an entry, and where they are; None when one is not there."""
    cost, places = 0, set[int]()
    for word in words:
        at = entry.find(word)
        if at < 0:
            spread = _spread(word, entry)
            if spread is None:
                return None
            cost += _APART + spread[-1] - spread[0]
            places.update(spread)
            continue
        starting = at if at == 0 else entry.find(f" {word}") + 1
        at = starting or at
        cost += 0 if at == 0 else 1 if entry[at - 1] == " " else _INSIDE
        places.update(range(at, at + len(word)))
    return cost, places


def _spread(word: str, entry: str) -> list[int] | None:
    """Where the letters of a word are, one after the other; None when they are not."""
    places: list[int] = []
    at = -1
    for letter in word:
        at = entry.find(letter, at + 1)
        if at < 0:
            return None
        places.append(at)
    return places
