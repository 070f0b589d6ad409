"""Text in its place, at the least cost: a layout of the screen takes longer than all that is in a text."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


def write(place: Static, text: Content) -> None:
    """Show a text, unless it is what stands there; the screen is laid out only when the height changes."""
    old, width = place.content, place.content_size.width
    if not isinstance(old, Content) or not width:
        place.update(text)
    elif not old.is_same(text):
        rules = place.styles.get_rules()
        before, after = (one.get_height(rules, width) for one in (old, text))
        place.update(text, layout=before != after)
