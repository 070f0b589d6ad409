"""Explanations as text on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.content import Content

from engine.model import ExplanationLine, LineKind
from tui import present

_SIGNS = {
    LineKind.PASSED: ("✓", "+", "$text-success"),
    LineKind.STOPPED: ("✗", "x", "$text-warning"),
    LineKind.EVIDENCE: ("·", ".", present.MUTED),
    LineKind.TOLD: ("→", ">", "$text-success"),
    LineKind.UNTOLD: ("✗", "x", "$text-warning"),
}


def explanation_text(lines: Sequence[ExplanationLine]) -> Content:
    """An explanation as it stands on a page."""
    return Content("\n").join(_each(lines))


def _each(lines: Sequence[ExplanationLine]) -> Iterator[Content]:
    headed = False
    for line in lines:
        if line.kind in (LineKind.TITLE, LineKind.HEADING):
            headed = True
            yield Content("")
            yield present.foreign(line.text, 600, "bold $text-primary")
            continue
        if line.kind not in _SIGNS and not headed:
            yield present.foreign(line.text, 1200)
            continue
        glyph, stand_in, style = _SIGNS.get(line.kind, (" ", " ", ""))
        sign = Content.styled(f"{present.sign(glyph, stand_in)} ", style)
        yield present.hanging(sign, present.foreign(line.text, 1200))
