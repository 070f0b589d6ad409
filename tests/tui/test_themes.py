"""Both themes can be read: every text against what is behind it, by the contrast that WCAG 2.1 asks for."""

from __future__ import annotations

import pytest
from rich.color import Color as RichColor
from rich.color import ColorSystem
from textual.color import Color
from textual.theme import Theme

from tui.present import MUTED
from tui.themes import IN_SIXTEEN, OWN_THEMES, themes_for

READABLE = 4.5
TEXTS = (
    "$foreground", "$text-muted", MUTED, "$primary", "$secondary", "$success", "$warning", "$error",
    "$text-primary", "$text-success", "$text-warning", "$text-error",
)  # fmt: skip
GROUNDS = ("$background", "$surface", "$panel")
CURSORS = ("$block-cursor-background", "$block-cursor-blurred-background")
ON_A_ROW = ("$foreground", "$text-muted", MUTED, "$primary", "$success", "$warning", "$error")
# The line at the top, in the colour of the environment or of the past, and the notice below it.
TINTS = tuple(f"${name} 15%" for name in ("accent", "error", "warning", "success", "primary"))
SPECIAL = (
    ("$text-error", "$error 20%"),
    ("$text-warning", "$warning 20%"),
    ("$footer-key-foreground", "$footer-background"),
    ("$footer-description-foreground", "$footer-background"),
    (MUTED, "$footer-background"),
    ("$block-cursor-foreground", "$block-cursor-background"),
    # Chips: of alerts, of a paused display, of a search's hits.
    ("$background", "$error"),
    ("$background", "$warning"),
    ("$background", "$success"),
    ("$background", "$primary"),
)


@pytest.mark.parametrize("theme", OWN_THEMES, ids=lambda theme: theme.name)
def test_every_text_stands_out(theme: Theme) -> None:
    pairs = [
        *((text, ground) for text in TEXTS for ground in GROUNDS),
        *((text, ground) for text in ON_A_ROW for ground in CURSORS),
        *((text, tint) for text in ON_A_ROW for tint in TINTS),
        *SPECIAL,
    ]
    base = colour(theme, "$background")
    found = {
        (text, ground): round(contrast(colour(theme, text), base + colour(theme, ground)), 2)
        for text, ground in pairs
    }
    assert {pair: ratio for pair, ratio in found.items() if ratio < READABLE} == {}


def test_the_measure_is_that_of_the_standard() -> None:
    black, white = Color.parse("#000"), Color.parse("#fff")
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(Color.parse("#777"), white) == pytest.approx(4.48, abs=0.01)


def colour(theme: Theme, name: str) -> Color:
    """A variable of the theme; `$name 60%` is that much of it."""
    variable, _, share = name.removeprefix("$").partition(" ")
    found = Color.parse(theme.to_color_system().generate()[variable])
    return found.with_alpha(int(share.rstrip("%")) / 100) if share else found


def contrast(text: Color, ground: Color) -> float:
    """From 1 (the same) to 21 (black on white)."""
    lighter, darker = sorted((luminance(ground + text), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(shown: Color) -> float:
    """Relative, from 0 to 1."""
    parts = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in shown.rgb)
    )
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


@pytest.mark.parametrize("theme", IN_SIXTEEN, ids=lambda theme: theme.name)
def test_on_sixteen_colours_each_meaning_keeps_a_colour_of_its_own(theme: Theme) -> None:
    names = ("primary", "success", "warning", "error", "foreground", "text-muted", "background")
    cursors = ("block-cursor-background", "block-cursor-blurred-background")
    shown = {name: nearest_of_sixteen(colour(theme, f"${name}")) for name in (*names, *cursors)}
    assert len({shown[name] for name in names}) == len(names)
    assert not {shown[name] for name in cursors} & {shown[name] for name in names if name != "text-muted"}
    faded = colour(theme, "$background") + colour(theme, MUTED)
    assert nearest_of_sixteen(faded) not in {shown["background"], *(shown[name] for name in cursors)}


def test_a_terminal_of_few_colours_gets_the_themes_in_them() -> None:
    assert themes_for("standard") is IN_SIXTEEN
    assert themes_for("truecolor") is themes_for("256") is themes_for(None) is OWN_THEMES
    assert [theme.name for theme in IN_SIXTEEN] == [theme.name for theme in OWN_THEMES]


def nearest_of_sixteen(shown: Color) -> int | None:
    """The number of the colour that is sent to such a terminal."""
    return RichColor.from_rgb(*shown.rgb).downgrade(ColorSystem.STANDARD).number
