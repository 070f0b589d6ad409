"""The tree of a trace's spans, flattened: each in its place, with the lines that lead to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.model import Span
from tui.present import sign

_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Branch:
    """A span in its place in the tree; `guides` are the lines that lead to it.

    Args:
        folded: how many spans below it are not shown because it is folded.
    """

    span: Span
    guides: str
    below: str
    folded: int = 0


def branches(spans: Sequence[Span], folded: Collection[str] = ()) -> tuple[Branch, ...]:
    """The spans in the order of the tree, children by start time; what is below `folded` ones is left out.

    A span whose parent is missing is a root; of spans that are each other's ancestors the earliest is one.
    """
    ordered = sorted(spans, key=lambda span: (span.started_at, -span.duration))
    known = {span.span_id for span in ordered}
    children: dict[str, list[Span]] = {}
    roots: list[Span] = []
    for span in ordered:
        if span.parent_id in known and span.parent_id != span.span_id:
            children.setdefault(span.parent_id or "", []).append(span)
        else:
            roots.append(span)
    seen: set[int] = set()
    found: list[Branch] = []
    for root in (*roots, *ordered):
        found.extend(_walk(root, children, seen, folded))
    return tuple(found)


def _walk(
    root: Span, children: Mapping[str, list[Span]], seen: set[int], folded: Collection[str]
) -> Iterator[Branch]:
    """Depth first without recursion; nothing that was seen is entered again."""
    fork, last, trunk = sign("├─ ", "|- "), sign("└─ ", "`- "), sign("│  ", "|  ")
    stack = [(root, "", "")]
    while stack:
        span, guides, below = stack.pop()
        if id(span) in seen:
            continue
        seen.add(id(span))
        nested = [child for child in children.get(span.span_id, ()) if id(child) not in seen]
        if nested and span.span_id in folded:
            yield Branch(span, guides, below + "   ", _pass_over(nested, children, seen))
            continue
        yield Branch(span, guides, below + (trunk if nested else "   "))
        # Below a certain depth the tree goes straight down: guides must not outgrow the screen.
        stem = below[: _DEEPEST * len(trunk)]
        for place, child in reversed(list(enumerate(nested))):
            final = place == len(nested) - 1
            stack.append((child, stem + (last if final else fork), stem + ("   " if final else trunk)))


def _pass_over(spans: Sequence[Span], children: Mapping[str, list[Span]], seen: set[int]) -> int:
    """Count these and all below them as seen; returns how many there are."""
    before, left = len(seen), list(spans)
    while left:
        span = left.pop()
        if id(span) not in seen:
            seen.add(id(span))
            left += children.get(span.span_id, ())
    return len(seen) - before
