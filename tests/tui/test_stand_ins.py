"""A terminal without Unicode keeps its layout: each character is replaced by one as wide."""

from __future__ import annotations

from io import BytesIO, TextIOWrapper

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.stand_ins import stand_in, use_stand_ins


def written(text: str, encoding: str) -> str:
    raw = BytesIO()
    terminal = TextIOWrapper(raw, encoding=encoding)
    use_stand_ins(terminal)
    terminal.write(text)
    terminal.flush()
    return raw.getvalue().decode(encoding)


def test_borders_and_separators_look_like_themselves() -> None:
    assert written("╭─ Alerts · 15m › a… ─╮", "ascii") == "+- Alerts . 15m > a~ -+"
    assert written("│ ✗ failed █▌ │", "ascii") == "| x failed ## |"


def test_what_the_terminal_can_show_stays() -> None:
    assert written("café · ─", "latin-1") == "café · -"
    assert written("╭─ Alerts · 日本", "utf-8") == "╭─ Alerts · 日本"


@pytest.mark.parametrize("text", ["日本語", "🚨", "e\u0301", "─" * 9])
def test_wide_text_stays_wide(text: str) -> None:
    assert len(written(text, "ascii")) == cell_len(text)


@given(st.characters(min_codepoint=0x80))
def test_every_character_has_an_ascii_stand_in_of_its_width(character: str) -> None:
    assert stand_in(character).isascii()
    assert len(stand_in(character)) == cell_len(character)
