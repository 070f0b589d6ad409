"""Where the time of a trace went: self times, and the path that decided how long it all took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.model import Span

SLACK = 5e-6
"""Seconds by which two spans may overlap and still be one after the other: times are kept in microseconds."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the critical path that is one span's own; seconds, counted from the start of the root."""

    span_id: str
    start: float
    duration: float


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Where the time of a trace went.

    Args:
        root: the span that the others are measured by; None of no spans.
        self_times: seconds of each span in which none of its children ran, by span identifier.
        path: the critical path from the start of the root to its end, without gaps.
    """

    root: Span | None
    self_times: Mapping[str, float]
    path: tuple[Segment, ...]

    def critical_time(self, span_id: str) -> float:
        """Seconds of the critical path that are this span's own."""
        return sum(segment.duration for segment in self.path if segment.span_id == span_id)


@dataclass(slots=True)
class _Node:
    """A span on the time scale of the root."""

    span: Span
    start: float
    end: float
    children: list[_Node]


def anatomy(spans: Sequence[Span]) -> Anatomy:
    """Take a trace apart; the order of `spans` does not matter.

    The root is the span without a parent, else the one whose parent is missing, that began first. Other spans
    without a known parent count as its children, as does the earliest of spans that are each other's
    ancestors. What of a child lies outside its parent, be it late or its clock wrong, is not counted.

    The critical path is found from the end: of a span's children the one that finished last decided when it
    could end, then the one that had finished when that one began, and so on; between them it was busy itself.
    Children that ran beside these took no time of their own.
    """
    root = _tree(spans)
    if root is None:
        return Anatomy(None, {}, ())
    nodes = [root]
    for node in nodes:
        nodes += node.children
    return Anatomy(root.span, {node.span.span_id: _self_time(node) for node in nodes}, _path(root))


def _tree(spans: Sequence[Span]) -> _Node | None:
    known: dict[str, Span] = {}
    for span in sorted(spans, key=lambda span: (span.started_at, -span.duration)):
        known.setdefault(span.span_id, span)
    if not known:
        return None
    children: dict[str, list[Span]] = {}
    strays: list[Span] = []
    for span in known.values():
        if span.parent_id in known:
            children.setdefault(span.parent_id or "", []).append(span)
        else:
            strays.append(span)
    top = min(strays or known.values(), key=lambda span: (span.parent_id is not None, span.started_at))
    root = _node(top, top)
    placed = {top.span_id}
    _grow(root, top, children, placed)
    for span in (*strays, *known.values()):
        if span.span_id not in placed:
            placed.add(span.span_id)
            root.children.append(stray := _node(span, top))
            _grow(stray, top, children, placed)
    return root


def _node(span: Span, top: Span) -> _Node:
    start = span.started_at - top.started_at
    return _Node(span, start, start + max(span.duration, 0.0), [])


def _grow(node: _Node, top: Span, children: Mapping[str, Sequence[Span]], placed: set[str]) -> None:
    """Hang everything below `node` that has no place yet."""
    growing = [node]
    while growing:
        parent = growing.pop()
        for span in children.get(parent.span.span_id, ()):
            if span.span_id not in placed:
                placed.add(span.span_id)
                parent.children.append(child := _node(span, top))
                growing.append(child)


def _self_time(node: _Node) -> float:
    alone, at = 0.0, node.start
    for start, end in sorted((child.start, child.end) for child in node.children):
        alone += max(min(start, node.end) - at, 0.0)
        at = max(at, min(end, node.end))
    return alone + max(node.end - at, 0.0)


def _path(root: _Node) -> tuple[Segment, ...]:
    """Backwards in time, without recursion: a stretch is either a span's own or that of a child."""
    path: list[Segment] = []
    stretches: list[tuple[_Node, float, float, bool]] = [(root, root.start, root.end, False)]
    while stretches:
        node, start, end, is_own = stretches.pop()
        if is_own:
            path.append(Segment(node.span.span_id, start, end - start))
        else:
            stretches += reversed(_stretches(node, start, end))
    return tuple(reversed(path))


def _stretches(node: _Node, first: float, last: float) -> list[tuple[_Node, float, float, bool]]:
    """What decided the time of `node` from `first` to `last`, the latest stretch first."""
    found: list[tuple[_Node, float, float, bool]] = []
    at = last
    for child in sorted(node.children, key=lambda child: (-min(child.end, last), child.start)):
        start, end = max(child.start, first), min(child.end, last)
        if end > at + SLACK or min(end, at) <= start:
            continue
        if end < at:
            found.append((node, end, at, True))
        found.append((child, start, min(end, at), False))
        at = start
    if at > first:
        found.append((node, first, at, True))
    return found
