"""Text in its place, at the least cost: a layout of the screen takes longer than all that is in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from textual.content import Content
from textual.css.styles import RulesMap
from textual.geometry import Region
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual
from textual.widget import Widget
from textual.widgets import Static

from tui.present import HANGS

_GLUE = "\ue000"
"""One cell that stands for a space at which no line ends; no text that is shown has it."""
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|ms|[smhd]|[kMGT]?i?B)(?!\w))")


class Hanging(Visual):
    """A text whose lines are wrapped as `tui.present.hanging` says."""

    def __init__(self, text: Content) -> None:
        self.text = text
        self._folded = 0, text

    def folded(self, width: int) -> Content:
        """The text with the line ends that it has when it is `width` cells wide."""
        if self._folded[0] != width:
            lines = (part for line in self.text.split("\n", allow_blank=True) for part in _fold(line, width))
            self._folded = width, Content("\n").join(lines)
        return self._folded[1]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        return self.text.get_optimal_width(rules, container_width)

    def get_minimal_width(self, rules: RulesMap) -> int:
        return self.text.get_minimal_width(rules)

    def get_height(self, rules: RulesMap, width: int) -> int:
        return self.folded(width).get_height(rules, width)

    def render_strips(
        self, width: int, height: int | None, style: Style, options: RenderOptions
    ) -> list[Strip]:
        return self.folded(width).render_strips(width, height, style, options)


class Page(Static):
    """A text to read, with hanging indents where it asks for them."""

    def __init__(
        self, text: Content | str = "", *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(text, id=id, classes=classes)
        self._hanging: Hanging | None = None

    def render(self) -> Hanging:
        return self.hung(self.content if isinstance(self.content, Content) else Content(str(self.content)))

    def hung(self, text: Content) -> Hanging:
        """The text as it is drawn here."""
        if self._hanging is None or self._hanging.text is not text:
            self._hanging = Hanging(text)
        return self._hanging

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract(self.render().folded(self.content_size.width).plain), "\n"


def write(place: Static, text: Content) -> None:
    """Show a text, unless it is what stands there; the screen is laid out only when the height changes."""
    old, width = place.content, place.content_size.width
    if not isinstance(old, Content) or not width:
        place.update(text)
    elif not old.is_same(text):
        rules = place.styles.get_rules()
        shape = place.hung if isinstance(place, Page) else _as_it_is
        before, after = (shape(one).get_height(rules, width) for one in (old, text))
        place.update(text, layout=before != after)


def write_title(pane: Widget, title: Content) -> None:
    """Show a title in a pane's border. Textual's own way, `border_title`, draws the whole pane anew."""
    if pane.is_mounted:
        pane._border_title = title.expand_tabs(4).split()[0]
        right, down = pane.content_offset
        pane.refresh(Region(-right, -down, pane.outer_size.width, 1))
    else:
        pane.border_title = title


def _as_it_is(text: Content) -> Visual:
    return text


def _glued(text: Content) -> Content:
    """A number and its unit as one word."""
    return Content(_BEFORE_UNIT.sub(_GLUE, text.plain), list(text.spans))


def _parted(text: Content) -> Content:
    return Content(text.plain.replace(_GLUE, " "), list(text.spans))


def _fold(line: Content, width: int) -> Iterator[Content]:
    """A line as it is, or the lines of `width` cells that it is wrapped into."""
    if line.cell_length <= width or width <= 0:
        yield line
        return
    hung = max((span.end for span in line.spans if span.style is HANGS), default=0)
    indent = line[:hung].cell_length
    if indent * 2 > width:
        hung = indent = 0
    first, *rest = (_parted(part) for part in _glued(line[hung:]).wrap(width - indent))
    yield line[:hung].append(first)
    for part in rest:
        yield part.pad_left(indent)
