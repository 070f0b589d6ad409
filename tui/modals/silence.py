"""Tell nobody of some alerts for a time: which, how long, and why."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from engine.alerts.matchers import MAX_CHARACTERS, labels_of, met, parse_all
from engine.model import Alert
from engine.text import counted, plain
from tui import present
from tui.modals.base import Modal
from tui.screens.rows import at_text
from tui.widgets.field import Field

LENGTHS = (
    ("15 minutes", 900.0),
    ("1 hour", 3_600.0),
    ("4 hours", 14_400.0),
    ("12 hours", 43_200.0),
    ("1 day", 86_400.0),
    ("3 days", 259_200.0),
    ("7 days", 604_800.0),
)
_USUAL = 1
_TEXT_LIMIT = 500
_LINE_LIMIT = 2_000
_ANY = re.compile(r"[*?]")
# Fewer than `re.escape` escapes: people read this.
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


@dataclass(frozen=True, slots=True)
class SilenceWish:
    """What a person asked for; `length` is `seconds` in words."""

    matchers: tuple[str, ...]
    reason: str
    seconds: float
    length: str


def matchers_for(alerts: Sequence[Alert]) -> tuple[str, ...]:
    """Matchers that these alerts meet and no others: their rules and subjects, also when they fire again.

    Where rules and subjects belong together in pairs only, alerts are named by their numbers; so many that
    those do not fit into a matcher, by rules and subjects all the same.
    """
    pairs = {(alert.rule_id, alert.subject) for alert in alerts}
    rules, subjects = sorted({rule for rule, _ in pairs}), sorted({subject for _, subject in pairs})
    both = _one_of("rule", rules), _one_of("subject", subjects)
    numbers = _one_of("id", [str(alert.id) for alert in alerts])
    is_exact = len(pairs) == len(rules) * len(subjects)
    fits = max(map(len, both)) <= MAX_CHARACTERS
    return both if fits and (is_exact or len(numbers) > MAX_CHARACTERS) else (numbers,)


def _one_of(label: str, values: Sequence[str]) -> str:
    if len(values) == 1 and not _ANY.search(values[0]):
        return f"{label}={values[0]}"
    literal = "|".join(_SPECIAL.sub(r"\\\g<0>", value) for value in values)
    return f"{label}=~{literal}"


def reach(matchers: Sequence[str], meant: Sequence[Alert], others: Sequence[Alert]) -> Content:
    """How many alerts of now the matchers mute, and how many of those are not `meant`.

    Empty while they cannot be read, and for tags, which an alert does not tell.
    """
    known = {alert.id: alert for alert in (*meant, *others)}
    try:
        read = parse_all(matchers)
    except ValueError:
        return Content("")
    if not read or any(matcher.label == "tag" for matcher in read):
        return Content("")
    muted = {alert.id for alert in known.values() if met(read, labels_of(alert, None))}
    words = Content.styled(f"Mutes {counted(len(muted), 'alert')} of now", present.MUTED)
    if besides := len(muted.difference(alert.id for alert in meant)):
        words += Content.styled(f", {besides} of them not chosen here", "$text-warning")
    if missed := sum(alert.id not in muted for alert in meant):
        words += Content.styled(f", not {missed} of those chosen", "$text-warning")
    return words


class SilenceModal(Modal[SilenceWish]):
    """Answers what was asked for, or None when left.

    Args:
        alerts: what it is about.
        others: the alerts that are open besides.
        now: when it would begin.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "longer(1)", show=False),
        Binding("down", "longer(-1)", show=False),
    ]

    def __init__(self, alerts: Sequence[Alert], others: Sequence[Alert], now: float) -> None:
        super().__init__()
        self._matchers = shlex.join(matchers_for(alerts))
        self._alerts = tuple(alerts)
        self._others = tuple(others)
        self._now = now
        self._place = _USUAL

    def compose(self) -> ComposeResult:
        count = len(self._alerts)
        what = "alert" if count == 1 else counted(count, "alert")
        with self.box(Content(f"Silence {what}"), "enter confirm", "↑ ↓ how long", "tab next"):
            yield Static("Whose alerts: all of these are met, * is any text", classes="subtle")
            yield Field(plain(self._matchers, _LINE_LIMIT), id="matchers", max_length=_LINE_LIMIT)
            yield Static(id="reach")
            yield Static(id="length")
            yield Field(placeholder="why? others will read it", id="reason", max_length=_TEXT_LIMIT)
            yield Static(id="fault", classes="fault")

    def on_mount(self) -> None:
        self._show_length()
        # At once: what is typed already belongs there.
        self.set_focus(self.query_one("#reason", Input))

    def action_longer(self, way: int) -> None:
        """Choose a longer, or a shorter, time."""
        self._place = min(max(self._place + way, 0), len(LENGTHS) - 1)
        self._show_length()

    @on(Input.Changed, "#matchers")
    def _show_reach(self) -> None:
        """Say whom it mutes, as it is typed."""
        try:
            matchers = shlex.split(self.query_one("#matchers", Input).value)
        except ValueError:
            matchers = []
        self.query_one("#reach", Static).update(reach(matchers, self._alerts, self._others))

    @on(Input.Submitted)
    def _confirm(self) -> None:
        length, seconds = LENGTHS[self._place]
        reason = plain(self.query_one("#reason", Input).value.strip(), _TEXT_LIMIT)
        try:
            matchers = tuple(shlex.split(self.query_one("#matchers", Input).value))
        except ValueError:
            return self._fault("matchers", "a quotation mark is open in the matchers")
        if not matchers:
            return self._fault("matchers", "a matcher is missing, such as rule=slow-* or subject=checkout")
        if not reason:
            return self._fault("reason", "a silence says why")
        self.dismiss(SilenceWish(matchers, reason, seconds, length))
        return None

    def _fault(self, field: str, words: str) -> None:
        self.query_one("#fault", Static).update(Content.styled(words, "$text-error"))
        self.query_one(f"#{field}", Input).focus()

    def _show_length(self) -> None:
        length, seconds = LENGTHS[self._place]
        end = at_text(self._now + seconds, self._now)
        self.query_one("#length", Static).update(
            Content.assemble("For ", (length, "bold $text-primary"), (f", until {end}", present.MUTED))
        )
