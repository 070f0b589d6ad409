"""The steps of an execution as rows, and one of them in full with what it got back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from textual.content import Content

from engine.model import KeptReply, Span
from tui import present
from tui.screens.details import block, fact, named, when
from tui.widgets.branches import branches
from tui.widgets.row_table import Column, Row
from tui.widgets.trace_tree import error_message, number, span_outcome

STEP_COLUMNS = (
    Column("step", "Step", 12, flex=2),
    Column("type", "Type", 8, min_terminal=60),
    Column("outcome", "Outcome", 10),
    Column("duration", "Took", 8, align="right"),
    Column("phases", "Where, and why", 16, flex=5),
)
_TYPE = "step.type"
"""The attribute that tells spans of steps from those of attempts and of other programs."""
_REPLIES = 5
"""Replies of a step that are shown, the newest."""
_FIELD = 1_500
_PHASES = ("dns", "connect", "tls", "first_byte", "transfer")
_SECONDS = frozenset({"duration", *_PHASES})
_SAID = frozenset({_TYPE, "outcome", "error.message", *(f"phase.{name}" for name in _PHASES)})


def step_rows(spans: Sequence[Span]) -> list[Row]:
    """The steps of each attempt, under a line for the attempt when there were several."""
    ordered = [branch.span for branch in branches(spans)]
    steps = [span for span in ordered if is_step(span)]
    parents = {step.parent_id for step in steps}
    attempts = {span.span_id for span in ordered if span.span_id in parents and not is_step(span)}
    shown = [span for span in ordered if is_step(span) or (len(attempts) > 1 and span.span_id in attempts)]
    return [_step_row(span) if is_step(span) else _attempt_row(span) for span in shown]


def is_step(span: Span) -> bool:
    """Whether a span is that of a step of ours."""
    return _TYPE in span.attributes


def step_text(
    step: Span, spans: Sequence[Span], replies: Sequence[KeptReply], now: float, is_past: bool = False
) -> Content:
    """A step: each try of it in its execution, then what it got back of late, or by an earlier moment."""
    tries = [span for span in spans if is_step(span) and span.name == step.name]
    blocks = [_tried(place, span) for place, span in enumerate(tries, 1)]
    # Steps that run once for each of several things are told apart by what stands in brackets.
    names = (step.name, step.name.partition("[")[0])
    own = [reply for reply in replies if reply.step_id in names]
    blocks += [_reply(reply, now) for reply in own[:_REPLIES]]
    if not own:
        none = "none is kept: settings.responses says how many are, and of each minute one success"
        if is_past:
            none = "none of then is kept any more: newer ones have taken their place"
        blocks.append(block("Responses", [Content.styled(none, present.MUTED)]))
    return Content("\n\n").join(blocks)


def phases_text(span: Span) -> Content:
    """Where the time of an exchange went: `dns 2 ms · connect 5 ms · wait 40 ms`; nothing without phases."""
    met = [(name, number(span.attributes.get(f"phase.{name}"))) for name in _PHASES]
    words = (
        f"{'wait' if name == 'first_byte' else name} {present.duration_text(took)}"
        for name, took in met
        if took
    )
    return Content.styled(" · ".join(words), present.MUTED)


def _attempt_row(span: Span) -> Row:
    took = Content.styled(f"  {present.duration_text(span.duration)}", present.MUTED)
    name = present.foreign(f"{span.name}  ", 40, "bold")
    return Row(span.span_id, (Content.assemble(name, present.outcome(span_outcome(span)), took),))


def _step_row(span: Span) -> Row:
    message = error_message(span)
    return Row(
        span.span_id,
        (
            present.foreign(span.name, 64),
            present.foreign(span.attributes[_TYPE], 20, present.MUTED),
            present.outcome(span_outcome(span)),
            Content(present.duration_text(span.duration)),
            present.foreign(message, 300, "$text-error") if message else phases_text(span),
        ),
    )


def _tried(place: int, span: Span) -> Content:
    took = f"  {present.duration_text(span.duration)}"
    lines = [fact("Outcome", present.outcome(span_outcome(span)).append(Content.styled(took, present.MUTED)))]
    if message := error_message(span):
        lines.append(fact("Failure", present.foreign(message, 1000, "$text-error")))
    if phases := phases_text(span):
        lines.append(fact("Phases", phases))
    for event in span.events:
        said = " ".join(str(value) for value in event.attributes.values())
        lines.append(fact("Event", present.foreign(f"{event.name}: {said}", 500)))
    lines += named(
        (name, present.foreign(value, 500))
        for name, value in sorted(span.attributes.items())
        if name not in _SAID
    )
    return block(f"Try {place} · {present.foreign(span.attributes[_TYPE], 20).plain}", lines)


def _reply(reply: KeptReply, now: float) -> Content:
    glyph, style = (
        (present.sign("✓", "+"), "$success") if reply.succeeded else (present.sign("✗", "x"), "$error")
    )
    parts = [Content.styled(glyph, style), when(reply.at, now), Content(f" execution {reply.execution_id}")]
    lines = [Content(" ").join(parts)]
    if reply.failure is not None:
        lines.append(fact("Failure", present.foreign(reply.failure.message, 500, "$text-error")))
    lines += list(_fields(reply))
    missing = [name for name in reply.cut if name not in reply.fields]
    if missing:
        lines.append(fact("Not kept", present.foreign(", ".join(missing), 200, present.MUTED)))
    return block("Response", lines)


def _fields(reply: KeptReply) -> Iterator[Content]:
    for name, value in sorted(reply.fields.items()):
        if name == "json" and ("body" in reply.fields or "message" in reply.fields):
            continue  # it is what the text says
        if value in ("", {}, []):
            continue
        cut = Content.styled(" (cut)" if name in reply.cut else "", present.MUTED)
        shown = present.foreign(name, 40, present.MUTED).append(cut)
        yield present.hanging(shown.pad_right(max(12 - shown.cell_length, 1)), _field(name, value))


def _field(name: str, value: object) -> Content:
    if name in _SECONDS and isinstance(value, (int, float)):
        return Content(present.duration_text(value))
    if isinstance(value, Mapping):
        pairs = (f"{name}: {inner}" for name, inner in islice(value.items(), 40))
        return present.foreign("; ".join(pairs), _FIELD)
    return present.foreign(value, _FIELD)
