"""Tell nobody of some alerts for a time: which, how long, and why."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

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


@dataclass(frozen=True, slots=True)
class SilenceWish:
    """What a person asked for; `length` is `seconds` in words."""

    matchers: tuple[str, ...]
    reason: str
    seconds: float
    length: str


def matchers_for(alerts: Sequence[Alert]) -> tuple[str, ...]:
    """Matchers that all of the alerts meet: of one its rule and subject, of several what they share.

    Several that share neither are named by their numbers.
    """
    rules = {alert.rule_id for alert in alerts}
    subjects = {alert.subject for alert in alerts}
    found = [f"rule={next(iter(rules))}"] if len(rules) == 1 else []
    if len(subjects) == 1:
        found.append(f"subject={next(iter(subjects))}")
    return tuple(found) or (f"id=~{'|'.join(str(alert.id) for alert in alerts)}",)


class SilenceModal(Modal[SilenceWish]):
    """Answers what was asked for, or None when left.

    Args:
        matchers: what the line of matchers says at first.
        count: how many alerts they are about.
        now: when it would begin.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "longer(1)", show=False),
        Binding("down", "longer(-1)", show=False),
    ]

    def __init__(self, matchers: Sequence[str], count: int, now: float) -> None:
        super().__init__()
        self._matchers = shlex.join(matchers)
        self._count = count
        self._now = now
        self._place = _USUAL

    def compose(self) -> ComposeResult:
        what = "alert" if self._count == 1 else counted(self._count, "alert")
        with self.box(Content(f"Silence {what}"), "enter confirm · ↑ ↓ how long · tab next · esc leave"):
            yield Static("Whose alerts: all of these are met, * is any text", classes="subtle")
            yield Field(plain(self._matchers, _LINE_LIMIT), id="matchers", max_length=_LINE_LIMIT)
            yield Static(id="length")
            yield Field(placeholder="why? others will read it", id="reason", max_length=_TEXT_LIMIT)
            yield Static(id="fault", classes="fault")

    def on_mount(self) -> None:
        self._show_length()
        self.query_one("#reason", Input).focus()

    def action_longer(self, way: int) -> None:
        """Choose a longer, or a shorter, time."""
        self._place = min(max(self._place + way, 0), len(LENGTHS) - 1)
        self._show_length()

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
