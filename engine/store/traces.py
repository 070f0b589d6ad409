"""What happened inside an execution, its attempts and spans, as a shape and numbers.

Runs of a workflow resemble each other: the same steps, targets and outcomes, other times and identifiers.
The shape is what recurs, so that it is stored once; identifiers, times and numbers are packed beside it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from math import isfinite
from typing import Any, NamedTuple

from engine.model import (
    Attempt,
    ErrorCategory,
    ErrorType,
    Execution,
    Failure,
    Outcome,
    Scalar,
    Span,
    SpanEvent,
    SpanKind,
    SpanLink,
    SpanStatus,
)

Shape = tuple[Any, ...]
"""Nested tuples of texts, truth values, None and the two marks; equal for runs that went the same way."""

# They stand where a number was taken out of a shape. Neither equals a truth value.
_FLOAT, _INTEGER = 2, 3
_ID_BYTES = 8
_GREATEST = 2**63


class Packed(NamedTuple):
    """An execution's inside. `loose` are spans that do not fit in: of another trace, or oddly named."""

    shape: Shape
    numbers: bytes
    loose: tuple[Span, ...]


class Inside(NamedTuple):
    """An execution's inside, unpacked."""

    attempts: tuple[Attempt, ...] = ()
    spans: tuple[Span, ...] = ()


def pack(execution: Execution, spans: Sequence[Span]) -> Packed | None:
    """Attempts without their steps, and spans in their order; None when there are neither."""
    if not spans and not execution.attempts:
        return None
    loose: tuple[Span, ...] = ()
    identifiers = _identifiers(execution, spans)
    if identifiers is None:
        kept = [span for span in spans if _identifiers(execution, (span,)) is not None]
        loose = tuple(span for span in spans if span not in kept)
        spans, identifiers = kept, _identifiers(execution, kept) or b""
    floats: list[float] = []
    integers: list[int] = []
    places = {span.span_id: place for place, span in enumerate(spans)}
    attempts = []
    for attempt in execution.attempts:
        floats += (attempt.started_at, attempt.duration)
        attempts.append((attempt.number, attempt.outcome._value_, _failure(attempt.failure)))
    shapes = []
    for span in spans:
        floats += (span.started_at, span.duration)
        shapes.append(
            (
                span.name,
                span.kind._value_,
                span.status._value_,
                places.get(span.parent_id, span.parent_id) if span.parent_id else None,
                _attributes(span.attributes, floats, integers),
                _events(span.events, floats, integers) if span.events else (),
                _links(span.links, floats, integers) if span.links else (),
            )
        )
    numbers = struct.pack(f"<{len(floats)}d{len(integers)}q", *floats, *integers)
    return Packed((tuple(attempts), tuple(shapes)), identifiers + numbers, loose)


def unpack(content: str | None, numbers: bytes, execution_id: int, trace_id: str) -> Inside:
    """The reverse of `pack`; `content` is the shape as JSON, None when it is not kept any more."""
    if content is None:
        return Inside()
    attempts, shapes = _parsed(content)
    size = len(shapes) * _ID_BYTES
    ids = [numbers[start : start + _ID_BYTES].hex() for start in range(0, size, _ID_BYTES)]
    count_of_integers = _count(shapes, _INTEGER)
    count_of_floats = (len(numbers) - size) // 8 - count_of_integers
    values = struct.unpack_from(f"<{count_of_floats}d{count_of_integers}q", numbers, size)
    floats, integers = iter(values[:count_of_floats]), iter(values[count_of_floats:])
    return Inside(
        tuple(
            Attempt(number, next(floats), next(floats), Outcome(outcome), _read_failure(failure))
            for number, outcome, failure in attempts
        ),
        tuple(
            _span(shape, span_id, ids, (trace_id, execution_id), floats, integers)
            for shape, span_id in zip(shapes, ids, strict=True)
        ),
    )


def _span(
    shape: Sequence[Any],
    span_id: str,
    ids: Sequence[str],
    owner: tuple[str, int],
    floats: Iterator[float],
    integers: Iterator[int],
) -> Span:
    name, kind, status, parent, attributes, events, links = shape
    trace_id, execution_id = owner
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=ids[parent] if isinstance(parent, int) else parent,
        name=name,
        kind=SpanKind(kind),
        started_at=next(floats),
        duration=next(floats),
        status=SpanStatus(status),
        attributes=_read_attributes(attributes, floats, integers),
        events=tuple(
            SpanEvent(next(floats), event, _read_attributes(of_event, floats, integers))
            for event, of_event in events
        ),
        execution_id=execution_id,
        links=tuple(
            SpanLink(trace, span, _read_attributes(of_link, floats, integers))
            for trace, span, of_link in links
        ),
    )


def _identifiers(execution: Execution, spans: Sequence[Span]) -> bytes | None:
    """The identifiers of spans in a row; None when there is a span that cannot be packed."""
    trace_id, number = execution.trace_id, execution.id
    written = ""
    for span in spans:
        if span.trace_id != trace_id or len(span.span_id) != _ID_BYTES * 2:
            return None
        if span.execution_id != number and span.execution_id is not None:
            return None
        written += span.span_id
    try:
        packed = bytes.fromhex(written)
    except ValueError:
        return None
    return packed if packed.hex() == written else None


def _attributes(attributes: Mapping[str, Scalar], floats: list[float], integers: list[int]) -> Shape:
    """Names and their values, numbers replaced by marks; empty when there are none."""
    if not attributes:
        return ()
    values: list[object] = []
    for value in attributes.values():
        kind = type(value)
        if kind is str:
            values.append(value)
        elif kind is float:
            if isfinite(value):  # type: ignore[arg-type]
                floats.append(value)  # type: ignore[arg-type]
                values.append(_FLOAT)
            else:
                values.append(None)
        elif kind is int and -_GREATEST <= value < _GREATEST:  # type: ignore[operator]
            integers.append(value)  # type: ignore[arg-type]
            values.append(_INTEGER)
        else:
            values.append(value if value is None or isinstance(value, (str, int)) else str(value))
    return tuple(attributes), tuple(values)


def _read_attributes(
    shape: Sequence[Any], floats: Iterator[float], integers: Iterator[int]
) -> dict[str, Scalar]:
    result: dict[str, Scalar] = {}
    for name, value in zip(*shape, strict=True) if shape else ():
        if value == _FLOAT:
            result[name] = next(floats)
        else:
            result[name] = next(integers) if value == _INTEGER else value
    return result


def _events(events: Sequence[SpanEvent], floats: list[float], integers: list[int]) -> Shape:
    shape = []
    for event in events:
        floats.append(event.at)
        shape.append((event.name, _attributes(event.attributes, floats, integers)))
    return tuple(shape)


def _links(links: Sequence[SpanLink], floats: list[float], integers: list[int]) -> Shape:
    return tuple(
        (link.trace_id, link.span_id, _attributes(link.attributes, floats, integers)) for link in links
    )


def _failure(failure: Failure | None) -> Shape | None:
    if failure is None:
        return None
    return failure.message, failure.type.value, failure.category.value, failure.retry_after


def _read_failure(shape: Sequence[Any] | None) -> Failure | None:
    if shape is None:
        return None
    message, kind, category, retry_after = shape
    return Failure(message, ErrorType(kind), ErrorCategory(category), retry_after)


def _count(shapes: Sequence[Any], mark: int) -> int:
    """How many numbers of a kind were taken out of the attributes of spans, their events and links."""
    total = 0
    for _, _, _, _, attributes, events, links in shapes:
        for part in chain((attributes,), (event[1] for event in events), (link[2] for link in links)):
            total += sum(value == mark for value in part[1]) if part else 0
    return total


@lru_cache(maxsize=256)
def _parsed(content: str) -> Any:
    return json.loads(content)
