"""Pure presentation: the model's words as Content, with glyph, word and colour.

Whatever did not come from this program passes through `foreign()`. Colours are theme variables, so that every
theme, NO_COLOR and 16 colours work; no meaning hangs on colour alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final, Literal

from textual.content import Content
from textual.style import Style

from engine.client import EngineInfo
from engine.lines import percent
from engine.lines import seconds as measured
from engine.model import (
    AlertState,
    BreakerState,
    Health,
    HealthStatus,
    LogLevel,
    NotificationState,
    Outcome,
    Severity,
)
from engine.model.rules import RuleState
from engine.text import is_utf8_terminal, plain, plain_marked

# Read once, before a running app replaces standard output.
UNICODE = is_utf8_terminal()

MUTED: Final = "$foreground 68%"
HANGS: Final = Style.from_meta({"hangs": True})
"""Not drawn: what has it is left of all lines that its line is wrapped into."""
_HIT: Final = "bold $background on $warning"
_BARS: Final = "▁▂▃▄▅▆▇█"
_ASCII_BARS: Final = "_.-=+*%#"
_AGES: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))

# Each: glyph, its ASCII stand-in, style.
_Sign = tuple[str, str, str]
_SEVERITIES: Final[Mapping[Severity, _Sign]] = {
    Severity.INFO: ("○", "i", "$primary"),
    Severity.WARNING: ("▲", "!", "$warning"),
    Severity.ERROR: ("■", "x", "$error"),
    Severity.CRITICAL: ("●", "#", "bold $error"),
}
_STATES: Final[Mapping[AlertState, _Sign]] = {
    AlertState.PENDING: ("◌", ".", MUTED),
    AlertState.FIRING: ("◉", "*", "$error"),
    AlertState.ACKNOWLEDGED: ("◐", "a", "$primary"),
    AlertState.RESOLVED: ("✓", "+", "$success"),
}
_OUTCOMES: Final[Mapping[Outcome, _Sign]] = {
    Outcome.OK: ("✓", "+", "$success"),
    Outcome.DEGRADED: ("◐", "~", "$warning"),
    Outcome.FAILED: ("✗", "x", "$error"),
    Outcome.ERROR: ("!", "!", "bold $error"),
    Outcome.SKIPPED: ("–", "-", MUTED),
    Outcome.INTERRUPTED: ("⊘", "/", MUTED),
}
_UPTIME: Final[Mapping[Outcome, _Sign]] = {
    Outcome.OK: ("▌", "|", "$success"),
    Outcome.DEGRADED: ("▞", "~", "$warning"),
    Outcome.FAILED: ("█", "X", "$error"),
    Outcome.ERROR: ("▓", "E", "$error"),
    Outcome.SKIPPED: ("·", ".", MUTED),
    Outcome.INTERRUPTED: ("╌", "/", MUTED),
}
_STATUSES: Final[Mapping[HealthStatus, _Sign]] = {
    HealthStatus.HEALTHY: ("●", "+", "$success"),
    HealthStatus.DEGRADED: ("◐", "~", "$warning"),
    HealthStatus.UNHEALTHY: ("✗", "x", "$error"),
    HealthStatus.UNKNOWN: ("?", "?", MUTED),
}
_BREAKERS: Final[Mapping[BreakerState, _Sign]] = {
    BreakerState.CLOSED: ("●", "+", "$success"),
    BreakerState.HALF_OPEN: ("◐", "~", "$warning"),
    BreakerState.OPEN: ("○", "x", "$error"),
}
_RULES: Final[Mapping[RuleState, _Sign]] = {
    RuleState.FIRING: ("◉", "*", "$error"),
    RuleState.FAILED: ("!", "!", "bold $error"),
    RuleState.PENDING: ("◌", ".", "$warning"),
    RuleState.QUIET: ("✓", "+", "$success"),
    RuleState.ASLEEP: ("‖", "=", MUTED),
    RuleState.DISABLED: ("–", "-", MUTED),
}
_VERDICTS: Final[Mapping[bool | None, tuple[str, _Sign]]] = {
    True: ("true", ("●", "*", "$error")),
    False: ("false", ("○", "o", "$success")),
    None: ("unknown", ("?", "?", MUTED)),
}
_NOTIFICATIONS: Final[Mapping[NotificationState, _Sign]] = {
    NotificationState.QUEUED: ("◌", ".", "$warning"),
    NotificationState.SENDING: ("▸", ">", "$warning"),
    NotificationState.SENT: ("✓", "+", "$success"),
    NotificationState.DEAD: ("✗", "x", "$error"),
    NotificationState.COLLAPSED: ("–", "-", MUTED),
    NotificationState.MOVED: ("→", "/", "$warning"),
}
_LEVELS: Final[Mapping[LogLevel, str]] = {
    LogLevel.DEBUG: MUTED,
    LogLevel.INFO: "$primary",
    LogLevel.WARNING: "$warning",
    LogLevel.ERROR: "$error",
    LogLevel.FATAL: "bold $error",
}


def sign(glyph: str, ascii_glyph: str) -> str:
    """The glyph, or its stand-in where the terminal cannot show it."""
    return glyph if UNICODE else ascii_glyph


def foreign(text: object, limit: int = 512, style: str = "") -> Content:
    """One safe line of foreign text; the only way such text becomes Content. `limit` is in characters."""
    safe = plain(text, limit)
    return Content.styled(safe, style) if style else Content(safe)


def duration_text(seconds: float | None) -> str:
    """A duration for people: `12 ms`, `1.24 s`, `2 m 05 s`, `3 h 10 m`, `2 d 04 h`; a dash for None."""
    return measured(seconds) or sign("–", "-")


def age_text(at: float | None, now: float) -> str:
    """How long ago `at` was: `now`, `12 s`, `5 m`, `3 h`, `2 d`; `in 12 s` for what is to come."""
    if at is None:
        return sign("–", "-")
    distance = abs(now - at)
    if distance < 1:
        return "now"
    size, unit = next(pair for pair in _AGES if distance >= pair[0])
    text = f"{distance // size:.0f} {unit}"
    return f"in {text}" if at > now else text


def due_text(at: float | None, now: float) -> str:
    """When something is due: as `age_text`, but from 10 s to a minute by tens; `now` until 10 s late.

    A list of what runs every minute would otherwise change in every line at every second.
    """
    if at is None or not -10 < at - now < 60:
        return age_text(at, now)
    step = 1 if at - now < 10 else 10
    return age_text(now + max(math.ceil((at - now) / step), 0) * step, now)


def ago_text(at: float, now: float) -> str:
    """How long ago `at` was, in words that nobody takes for a duration: `12 s ago`, `now`."""
    return "now" if now - at < 1 else f"{age_text(at, now)} ago"


def lasting_text(since: float, now: float) -> str:
    """How long something has lasted: `for 12 s`; `just now` for what has only begun."""
    return "just now" if now - since < 1 else f"for {age_text(since, now)}"


def percent_text(rate: float | None) -> str:
    """A rate of 0–1 in percent; `100 %` and `0 %` only when exact. A dash for None."""
    return percent(rate) or sign("–", "-")


def clock_text(at: float, seconds: bool = True) -> str:
    """Local time of day: `14:03:22`, or `14:03` without seconds."""
    return time.strftime("%H:%M:%S" if seconds else "%H:%M", time.localtime(at))


def moment_text(at: float, now: float) -> str:
    """A time of day, with its date when it is not of today."""
    day, today = time.localtime(at), time.localtime(now)
    date = "" if day[:3] == today[:3] else time.strftime("%d %b ", day)
    return plain(date + clock_text(at), 40)


def zone_text() -> str:
    """The name of the local time zone: `UTC`, `CEST`."""
    return plain(time.strftime("%Z"), 16)


def hanging(lead: Content, text: Content) -> Content:
    """A line of a page whose wrapped text goes on below where it began, not below its label or sign."""
    return lead.stylize(HANGS).append(text)


def _worded(word: str, chosen: _Sign) -> Content:
    glyph, ascii_glyph, style = chosen
    return Content.styled(f"{sign(glyph, ascii_glyph)} {word}", style)


def paused() -> Content:
    """That a check is not started: glyph and word."""
    return _worded("paused", ("‖", "=", "$warning"))


def stopped() -> Content:
    """That a check is not started while a maintenance window lasts: glyph and word."""
    return _worded("stopped by maintenance", ("‖", "=", "$warning"))


def muted() -> Content:
    """That nobody is told of what fires: glyph and word."""
    return _worded("muted", ("⊘", "/", MUTED))


def leaving(info: EngineInfo, firing: Mapping[Severity, int]) -> tuple[Content, ...]:
    """What leaving the console does, a line each; nothing when it does nothing."""
    lines: list[Content] = []
    if info.attached:
        return ()
    if info.live:
        count = info.workflows
        lines.append(Content(f"The engine stops: {count} workflow{'' if count == 1 else 's'} "
                             f"{'is' if count == 1 else 'are'} not checked any more."))  # fmt: skip
    if alerts := sum(firing.values()):
        lines.append(
            Content(f"{alerts} alert{' is' if alerts == 1 else 's are'} firing and not acknowledged.")
        )
    return tuple(lines)


def severity(sev: Severity) -> Content:
    return _worded(sev.value, _SEVERITIES[sev])


def severity_sign(sev: Severity) -> Content:
    """The glyph alone, where there is room for one cell."""
    glyph, ascii_glyph, style = _SEVERITIES[sev]
    return Content.styled(sign(glyph, ascii_glyph), style)


def severity_style(sev: Severity) -> str:
    """The style in which everything of this severity is drawn."""
    return _SEVERITIES[sev][2]


def alert_state(state: AlertState, *, short: bool = False) -> Content:
    """Glyph and word; `short` words are at most 8 cells."""
    word = "acked" if short and state is AlertState.ACKNOWLEDGED else state.value
    return _worded(word, _STATES[state])


def rule_state(state: RuleState) -> Content:
    return _worded(state.value, _RULES[state])


def verdict(result: bool | None) -> Content:
    """What came of a condition; unknown is a result of its own."""
    word, signs = _VERDICTS[result]
    return _worded(word, signs)


def notification_state(state: NotificationState) -> Content:
    return _worded(state.value, _NOTIFICATIONS[state])


def outcome(o: Outcome) -> Content:
    return _worded(o.value, _OUTCOMES[o])


def outcome_glyph(o: Outcome) -> Content:
    glyph, ascii_glyph, style = _OUTCOMES[o]
    return Content.styled(sign(glyph, ascii_glyph), style)


def health_status(s: HealthStatus) -> Content:
    return _worded(s.value, _STATUSES[s])


def health_score(health: Health, *, brief: bool = False) -> Content:
    """Score and status, of which only the glyph when `brief`; what is unknown has no score."""
    status = health_status(health.status)
    if brief:
        status = status[:1]
    if health.status is HealthStatus.UNKNOWN:
        return status
    return Content.styled(f"{health.score:.0f}", f"bold {status_style(health.status)}") + " " + status


def status_style(s: HealthStatus) -> str:
    """The style in which everything of this status is drawn."""
    return _STATUSES[s][2]


def log_level(level: LogLevel) -> Content:
    return Content.styled(level.label, _LEVELS[level])


def breaker(s: BreakerState) -> Content:
    return _worded(s.value.lower().replace("_", "-"), _BREAKERS[s])


def uptime_bar(recent: Sequence[Outcome], width: int) -> Content:
    """One cell an execution, the newest at the right edge; exactly `width` cells."""
    shown = recent[-width:] if width > 0 else ()
    empty = Content.styled(sign("·", " ") * (max(width, 0) - len(shown)), "$foreground 20%")
    # Those that ended alike are one piece of text: a piece for each cell costs ten times as much to draw.
    runs = ((_UPTIME[outcome], sum(1 for _ in alike)) for outcome, alike in groupby(shown))
    bars = [Content.styled(sign(glyph, letter) * count, style) for (glyph, letter, style), count in runs]
    return empty + Content("").join(bars)


def sparkline(values: Sequence[float], width: int) -> Content:
    """The newest values as bars between their least and greatest, right aligned; exactly `width` cells."""
    shown = list(values[-width:]) if width > 0 else []
    finite = [value for value in shown if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    bars = sign(_BARS, _ASCII_BARS)
    top = len(bars) - 1

    def bar(value: float) -> str:
        if not math.isfinite(value):
            return " "
        # Halved first: the distance of two finite numbers may be infinite.
        span = high / 2 - low / 2
        return bars[round((value / 2 - low / 2) / span * top)] if span else bars[0]

    return Content.styled("".join(map(bar, shown)).rjust(max(width, 0)), "$primary")


def highlight(text: str, hits: Sequence[tuple[int, int]], limit: int = 512) -> Content:
    """Foreign text with its hits (from, to, in characters) marked."""
    shown, places = plain_marked(text, hits, limit)
    content = foreign(shown, len(shown) or 1)
    for first, last in places:
        content = content.stylize(_HIT, first, last)
    return content


def success(rate: float | None) -> Content:
    """A success rate of 0–1 in percent: a warning below 0.7, bad below 0.5."""
    known = 1.0 if rate is None else rate
    style = "$error" if known < 0.5 else "$warning" if known < 0.7 else ""
    return Content.styled(percent_text(rate), style)


def fit(content: Content | str, width: int, align: Literal["left", "right"] = "left") -> Content:
    """Cut with an ellipsis or pad to exactly `width` cells. A `str` is taken as foreign text."""
    if width <= 0:
        return Content("")
    line = foreign(content) if isinstance(content, str) else content
    missing = width - line.cell_length
    if missing < 0:
        return line.truncate(width - 1) + Content(sign("…", "~"))
    return line.pad_left(missing) if align == "right" else line.pad_right(missing)
