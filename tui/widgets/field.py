"""A line to type in, into which nothing gets that a terminal would obey."""

from __future__ import annotations

from textual.widgets import Input

from engine.text import clean


class Field(Input):
    """Textual's input takes control characters as they are, pasted or set; here they are made harmless."""

    def validate_value(self, value: str) -> str:
        """`value` as it can be shown."""
        return clean(value)
