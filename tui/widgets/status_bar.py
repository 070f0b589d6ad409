"""The header line of every view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.widget import Widget

from engine.client import EngineInfo
from engine.model import Health, Severity
from tui.present import (
    MUTED,
    age_text,
    clock_text,
    fit,
    foreign,
    health_status,
    moment_text,
    severity_style,
    sign,
    status_style,
    zone_text,
)

_SEPARATOR = "  "
FRAMES = ("error", "warning", "success", "primary")
"""The theme's colours that the environment can have."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the line; where it does not fit, the highest `rank` goes first."""

    rank: int
    content: Content


@dataclass(frozen=True, slots=True)
class Looking:
    """That somebody looks back.

    Args:
        at: which moment is shown, and `now` is now; seconds since the epoch.
        speed: of playing; 0: it stands.
        configuration: the beginning of the digest of the one in force then, if that is another than now.
    """

    at: float
    now: float
    speed: int = 0
    configuration: str = ""


class StatusBar(Widget):
    """Product, environment, score, firing alerts, live or paused, time range and time."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    StatusBar { height: 1; padding: 0 1; background: $panel; color: $foreground; }
    StatusBar.-past { background: $accent 15%; }
    StatusBar.-error { background: $error 15%; }
    StatusBar.-warning { background: $warning 15%; }
    StatusBar.-success { background: $success 15%; }
    StatusBar.-primary { background: $primary 15%; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._left: tuple[Part, ...] = (_product(),)
        self._right: tuple[Part, ...] = ()

    def show(
        self,
        info: EngineInfo | None,
        health: Health | None,
        counts: Mapping[Severity, int],
        live: bool,
        range_label: str,
        now: float,
        missed: int = 0,
        frame: str = "",
        looking: Looking | None = None,
    ) -> None:
        """Show these; `counts` are alerts that nobody has taken, `missed` those that fire since a pause.

        `frame` is the theme's colour of the environment, such as `error`; empty for none. `looking` is given
        while the past is shown.
        """
        self._left = (_product(), *_engine_parts(info, frame), *_health_parts(health), *_alert_parts(counts))
        for colour in FRAMES:
            self.set_class(colour == frame, f"-{colour}")
        self.set_class(looking is not None, "-past")
        self._right = (
            *([Part(1, _missed(missed))] if missed else []),
            *(_past_parts(looking) if looking else [Part(0, _live(live))]),
            Part(3, Content.styled(f"{range_label} before" if looking else f"last {range_label}", MUTED)),
            *([] if looking else [Part(2, Content(clock_text(now)))]),
            Part(7, Content.styled(zone_text(), MUTED)),
        )
        self.refresh()

    def render(self) -> Content:
        return line(self._left, self._right, self.size.width)


def line(left: Sequence[Part], right: Sequence[Part], width: int) -> Content:
    """One line of exactly `width` cells: `left` and `right` at their edges, less what does not fit."""
    for limit in sorted({part.rank for part in (*left, *right)}, reverse=True):
        starts = Content(_SEPARATOR).join(part.content for part in left if part.rank <= limit)
        ends = Content("  ").join(part.content for part in right if part.rank <= limit)
        room = width - ends.cell_length
        if starts.cell_length + len(_SEPARATOR) <= room:
            return fit(starts, room) + ends
    return fit(Content(" ").join(part.content for part in left if part.rank <= 0), width)


def _product() -> Part:
    return Part(1, Content.styled("tocsin", "bold $primary"))


def _engine_parts(info: EngineInfo | None, frame: str) -> list[Part]:
    if info is None:
        return [Part(1, Content.styled("no word from the engine", MUTED))]
    parts = [_environment(info.environment, frame)] if info.environment else []
    if not info.live:
        parts.append(Part(3, Content.styled("no engine is running", "$warning")))
    elif info.paused:
        parts.append(Part(3, Content.styled("checks paused", "$warning")))
    if info.dropped:
        parts.append(Part(4, Content.styled(f"{info.dropped} dropped", "$warning")))
    if info.unexported:
        parts.append(Part(5, Content.styled(f"{info.unexported} not exported", "$warning")))
    return parts


def _environment(name: str, frame: str) -> Part:
    """Where it matters where one is, the name stays as long as the product's."""
    if not frame:
        return Part(6, foreign(name, 24, MUTED))
    return Part(1, foreign(f" {name.upper()} ", 26, f"bold $background on ${frame}"))


def _health_parts(health: Health | None) -> list[Part]:
    if health is None:
        return []
    score = Content.styled(f"{health.score:.0f}", f"bold {status_style(health.status)}")
    return [Part(2, score + " " + health_status(health.status))]


def _alert_parts(counts: Mapping[Severity, int]) -> list[Part]:
    """The worst first; the worst stays longest."""
    firing = [severity for severity in reversed(Severity) if counts.get(severity)]
    if not firing:
        return [Part(5, Content.styled("no alerts", MUTED))]
    return [
        Part((0, 4, 5, 5)[place], _chip(severity, counts[severity])) for place, severity in enumerate(firing)
    ]


def _chip(severity: Severity, count: int) -> Content:
    style = severity_style(severity)
    loud = f"bold $background on {style.split()[-1]}"
    return Content.styled(f" {count} {severity.value} ", loud if severity.rank >= 2 else style)


def _live(live: bool) -> Content:
    if live:
        return Content.styled(f"{sign('●', '*')} live", "$success")
    return Content.styled(f" {sign('‖', '||')} paused ", "bold $background on $warning")


def _past_parts(looking: Looking) -> list[Part]:
    """The moment, how long ago it is, how fast it goes by, and the configuration of then."""
    words = f" PAST {moment_text(looking.at, looking.now)} · {age_text(looking.at, looking.now)} ago "
    parts = [Part(-1, Content.styled(words, "bold $background on $accent"))]
    if looking.speed:
        parts.append(Part(1, Content.styled(f"{sign('▶', '>')} {looking.speed}×", "bold $text-accent")))
    if looking.configuration:
        parts.append(Part(3, foreign(f"configuration {looking.configuration}", 24, "$text-warning")))
    return parts


def _missed(count: int) -> Content:
    return Content.styled(f" {count} new alert{'' if count == 1 else 's'} ", "bold $background on $error")


def hint(why: str, key: str = "", does: str = "") -> Content:
    """An empty state: why there is nothing here, and which key helps, if one does; all are our own words."""
    if not key:
        return Content(why)
    return Content(f"{why}\n") + Content.styled(key, "bold $primary") + Content(f" {does}")
