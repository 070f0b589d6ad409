"""The header line of every view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

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
    health_score,
    moment_text,
    severity_style,
    sign,
    zone_text,
)

_SEPARATOR = "  "
_TURNS = 3
"""After so many turns all words are short that can be."""
_BRIEF = {Severity.CRITICAL: "CRIT", Severity.WARNING: "WARN"}
FRAMES = ("error", "warning", "success", "primary")
"""The theme's colours that the environment can have."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the line; where it does not fit, the highest `rank` goes first.

    Before any piece goes, words become `short`: those of the lowest `turn` first.
    """

    rank: int
    content: Content
    short: Content | None = None
    turn: int = 1

    def at(self, turn: int) -> Content:
        """As it is once the words of all up to `turn` are short."""
        return self.short if self.short is not None and self.turn <= turn else self.content


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
        counts: Mapping[Severity, int] | None,
        live: bool,
        range_label: str,
        now: float,
        missed: int = 0,
        frame: str = "",
        looking: Looking | None = None,
        looks_only: bool = False,
        taken: int = 0,
    ) -> None:
        """Show these; `counts` are alerts that nobody has taken, `missed` those that fire since a pause.

        `taken` are those that somebody has acknowledged, which are open still.

        Without `health` or `counts` they are not known. Alerts of an engine that is gone are grey.
        `frame` is the theme's colour of the environment, such as `error`; empty for none. `looking` is given
        while the past is shown. `looks_only`: nothing can be changed from here.
        """
        only = [Part(3, Content.styled("read-only", "$warning"))] if looks_only else []
        self._left = (
            _product(), *_engine_parts(info, frame), *only, *_health_parts(info, health),
            *_alert_parts(info, counts, taken, gone=looking is None),
        )  # fmt: skip
        for colour in FRAMES:
            self.set_class(colour == frame, f"-{colour}")
        self.set_class(looking is not None, "-past")
        self._right = (
            *([Part(1, _missed(missed))] if missed else []),
            *(_past_parts(looking) if looking else [Part(0, _live(live, info is not None and info.live))]),
            _range(range_label, looking),
            Part(2, _time(now, looking), None if looking else _time(now, looking, seconds=False), 2),
        )
        self.refresh()

    def render(self) -> Content:
        return line(self._left, self._right, self.size.width)


def line(left: Sequence[Part], right: Sequence[Part], width: int) -> Content:
    """One line of exactly `width` cells: `left` and `right` at their edges, less what does not fit."""
    ranks = sorted({part.rank for part in (*left, *right)}, reverse=True)
    for limit, turn in product(ranks, range(_TURNS + 1)):
        starts = Content(_SEPARATOR).join(part.at(turn) for part in left if part.rank <= limit)
        ends = Content("  ").join(part.at(turn) for part in right if part.rank <= limit)
        room = width - ends.cell_length
        if starts.cell_length + len(_SEPARATOR) <= room:
            return fit(starts, room) + ends
    return fit(Content(" ").join(part.at(_TURNS) for part in left if part.rank <= 0), width)


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


def _health_parts(info: EngineInfo | None, health: Health | None) -> list[Part]:
    if health is None:
        return [] if info is None else [Part(5, Content.styled("health unknown", MUTED))]
    return [Part(2, health_score(health), health_score(health, brief=True), 1)]


def _alert_parts(
    info: EngineInfo | None, counts: Mapping[Severity, int] | None, taken: int, *, gone: bool
) -> list[Part]:
    """The worst first; the worst stays longest. Grey with `gone`, where no engine watches over them."""
    if counts is None:
        return [] if info is None else [Part(5, Content.styled("alerts unknown", MUTED))]
    is_old = gone and info is not None and not info.live
    firing = [severity for severity in reversed(Severity) if counts.get(severity)]
    acked = [Part(6, Content.styled(f"{taken} acked", MUTED))] if taken else []
    if not firing:
        return acked or ([] if is_old else [Part(5, Content.styled("no alerts", MUTED))])
    chips = [
        Part(
            (0, 4, 5, 5)[place],
            _chip(counts[each], each, is_old),
            _chip(counts[each], each, is_old, brief=True),
            3,
        )
        for place, each in enumerate(firing)
    ]
    return chips + acked


def _chip(count: int, severity: Severity, is_old: bool, *, brief: bool = False) -> Content:
    style = severity_style(severity)
    loud = f"bold $background on {style.split()[-1]}"
    words = f"{count} {_BRIEF.get(severity, severity.value)}" if brief else f" {count} {severity.value} "
    return Content.styled(words, MUTED if is_old else loud if severity.rank >= 2 else style)


def _live(live: bool, is_running: bool) -> Content:
    """Whether what is shown goes on: it does not while a person has paused it, or without an engine."""
    if live:
        if is_running:
            return Content.styled(f"{sign('●', '*')} live", "$success")
        return Content.styled(f"{sign('○', 'o')} not live", "$warning")
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


def _range(label: str, looking: Looking | None) -> Part:
    if looking:
        return Part(3, Content.styled(f"{label} before", MUTED))
    return Part(3, Content.styled(f"last {label}", MUTED), Content.styled(label, MUTED), 1)


def _time(now: float, looking: Looking | None, *, seconds: bool = True) -> Content:
    """The time of day with its zone; of the past only the zone, as the moment is told beside it."""
    zone = Content.styled(zone_text(), MUTED)
    return zone if looking else Content(f"{clock_text(now, seconds)} ") + zone


def _missed(count: int) -> Content:
    return Content.styled(f" {count} new alert{'' if count == 1 else 's'} ", "bold $background on $error")


def hint(why: str, key: str = "", does: str = "") -> Content:
    """An empty state: why there is nothing here, and which key helps, if one does; all are our own words."""
    if not key:
        return Content(why)
    return Content(f"{why}\n") + Content.styled(key, "bold $primary") + Content(f" {does}")
