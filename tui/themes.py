"""The console's own themes; the only place where colours are written as numbers."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="tocsin-dark",
    primary="#6cb2eb",
    secondary="#8f9fb5",
    accent="#e7b65c",
    success="#6fc98b",
    warning="#e7b65c",
    error="#f48582",
    foreground="#dfe5ec",
    background="#101419",
    surface="#151a21",
    panel="#1f2731",
    dark=True,
    variables={
        "text-muted": "#9caab8",
        "border": "#6cb2eb",
        "border-blurred": "#35404d",
        "block-cursor-background": "#203a53",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#1f2731",
        "footer-background": "#151a21",
        "footer-key-foreground": "#6cb2eb",
        "footer-description-foreground": "#9dabba",
        "scrollbar": "#35404d",
        "scrollbar-hover": "#4a5868",
        "scrollbar-active": "#6cb2eb",
        "scrollbar-background": "#101419",
        "scrollbar-background-hover": "#101419",
        "scrollbar-background-active": "#101419",
        "scrollbar-corner-color": "#101419",
    },
)

LIGHT = Theme(
    name="tocsin-light",
    primary="#1f5f99",
    secondary="#566475",
    accent="#7a4f00",
    success="#17652f",
    warning="#7a4f00",
    error="#b3261e",
    foreground="#1c232b",
    background="#f7f8fa",
    surface="#eef1f4",
    panel="#dfe5eb",
    dark=False,
    variables={
        "text-muted": "#546170",
        "border": "#1f5f99",
        "border-blurred": "#bac4ce",
        "block-cursor-background": "#d3e5f5",
        "block-cursor-foreground": "#0d151d",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#e3e8ed",
        "footer-background": "#e6eaee",
        "footer-key-foreground": "#1f5f99",
        "footer-description-foreground": "#46525f",
        "scrollbar": "#bac4ce",
        "scrollbar-hover": "#94a2b0",
        "scrollbar-active": "#1f5f99",
        "scrollbar-background": "#f7f8fa",
        "scrollbar-background-hover": "#f7f8fa",
        "scrollbar-background-active": "#f7f8fa",
        "scrollbar-corner-color": "#f7f8fa",
    },
)

OWN_THEMES = (DARK, LIGHT)


def _plain(theme: Theme, ground: str, text: str, muted: str, faint: str, cursor: str, *colours: str) -> Theme:
    """A theme in nothing but colours that every terminal has; `colours`: primary, success, warning, error."""
    primary, success, warning, error = colours
    grounds = ("footer-background", "scrollbar-corner-color")
    tracks = (f"scrollbar-background{way}" for way in ("", "-hover", "-active"))
    variables = theme.variables | dict.fromkeys((*grounds, *tracks), ground)
    variables |= {f"text-{name}": colour for name, colour in zip(_MEANINGS, colours, strict=True)}
    variables |= {
        "text-muted": muted,
        "border": primary,
        "border-blurred": faint,
        "block-cursor-background": cursor,
        "block-cursor-foreground": text,
        "block-cursor-blurred-background": faint,
        "footer-key-foreground": primary,
        "footer-description-foreground": muted,
        "scrollbar": faint,
        "scrollbar-hover": muted,
        "scrollbar-active": primary,
    }
    return Theme(
        name=theme.name, primary=primary, secondary=muted, accent=warning, success=success,
        warning=warning, error=error, foreground=text, background=ground, surface=ground, panel=ground,
        dark=theme.dark, variables=variables,
    )  # fmt: skip


_MEANINGS = ("primary", "success", "warning", "error")
# The colours by which Rich finds the nearest of sixteen; which they look like is the terminal's affair.
_BLACK, _DARK_GREY, _GREY, _WHITE = "#000000", "#555555", "#aaaaaa", "#ffffff"
IN_SIXTEEN = (
    _plain(DARK, _BLACK, _WHITE, _GREY, _DARK_GREY, "#0000aa", "#55ffff", "#55ff55", "#ffff55", "#ff5555"),
    _plain(LIGHT, _WHITE, _BLACK, _DARK_GREY, _GREY, "#55ffff", "#0000aa", "#00aa00", "#aa5500", "#aa0000"),
)
"""The same themes for terminals of 16 colours, where what is nearest to a soft colour is a grey."""


def themes_for(colour_system: str | None) -> tuple[Theme, ...]:
    """The console's own themes on a terminal with this one of Rich's colour systems."""
    return IN_SIXTEEN if colour_system == "standard" else OWN_THEMES
