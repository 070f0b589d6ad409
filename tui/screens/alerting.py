"""What can be done to alerts from the keyboard: to the one under the cursor, or to all that are marked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from engine.errors import TocsinError
from engine.model import Alert, AlertState
from engine.text import counted
from tui.present import moment_text
from tui.screens.base import View

T = TypeVar("T")

_NEEDS_ALERT = ("acknowledge", "resolve", "silence", "write_note")
_DONE = {"acknowledge": "acknowledged", "resolve": "resolved", "note": "noted"}


class AlertActions(View[T]):
    """A view whose cursor can be on an alert: it is taken, closed, silenced and commented from here."""

    def __init__(self) -> None:
        super().__init__()
        self._had_alert: bool | None = None

    def drawing_took(self) -> float:
        """Nothing that counts: an alert is not kept back by what it takes to draw."""
        return 0.0

    def selected_alert(self) -> Alert | None:
        """The open alert under the cursor."""
        raise NotImplementedError

    def marked_alerts(self) -> tuple[Alert, ...]:
        """The open alerts that a person has marked."""
        return ()

    def clear_marks(self) -> None:
        """What was asked of the marked alerts is under way."""

    def alert_changed(self) -> None:
        """The cursor or its alert has changed: show whether there is something to take or to close."""
        has_alert = bool(self._targets())
        if has_alert is not self._had_alert:
            self._had_alert = has_alert
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what needs an open alert while there is none under the cursor and none marked."""
        if action in _NEEDS_ALERT and self.stands and not self._targets():
            return None
        return super().check_action(action, parameters)

    def action_acknowledge(self) -> None:
        """Take care of it."""
        author = self.console.author
        self._with_note("acknowledge", lambda alert, note: self.client.acknowledge(alert.id, author, note))

    def action_resolve(self) -> None:
        """Close it by hand."""
        author = self.console.author
        self._with_note("resolve", lambda alert, note: self.client.resolve(alert.id, author, note))

    def action_write_note(self) -> None:
        """Write something down for the others."""
        author = self.console.author
        self._with_note("note", lambda alert, note: self.client.note(alert.id, author, note))

    def action_explain(self) -> None:
        """Open the page that says why the alert under the cursor is as it is."""
        from tui.widgets.timeline import AlertTimeline

        alert = self.query_one(AlertTimeline).cursor_alert
        if alert is None:
            self.console.say("no alert is selected", "warning")
        else:
            self.run_worker(self._explain(alert.id), group="explain", exclusive=True)

    async def _explain(self, alert_id: int) -> None:
        from tui.modals.explained import ExplainedModal

        past = self.console.past
        as_of = "" if past is None else moment_text(past, self.console.now())
        try:
            lines = await self.client.explain(alert_id, self.console.at)
        except TocsinError as error:
            self.console.say(str(error), "error")
        else:
            self.app.push_screen(ExplainedModal(lines, as_of))

    def action_silence(self) -> None:
        """Tell nobody of it, and of what is like it, for a time."""
        from tui.modals.silence import SilenceModal, SilenceWish

        alerts = self._targets()
        if not alerts:
            self.console.say("no open alert is selected", "warning")
            return

        def finish(wish: SilenceWish | None) -> None:
            if wish is None:
                return
            self.clear_marks()
            said = (wish.matchers, self.console.author, wish.reason)
            self.command(
                lambda: self.client.silence(*said, lasting=wish.seconds),
                f"silenced for {wish.length}: {' '.join(wish.matchers)}",
            )

        vitals = self.console.vitals
        others = vitals.open_alerts if vitals is not None else ()
        self.app.push_screen(SilenceModal(alerts, others, self.console.now()), finish)

    def action_silences(self) -> None:
        """List the silences; they can be ended from there."""
        from tui.modals.silences import SilencesModal

        self.app.push_screen(SilencesModal(), lambda _: self.reload())

    def _targets(self) -> tuple[Alert, ...]:
        """What an action is about: all that are marked, else the one under the cursor."""
        if marked := self.marked_alerts():
            return marked
        alert = self.selected_alert()
        return (alert,) if alert is not None else ()

    def _with_note(self, verb: str, act: Callable[[Alert, str], Awaitable[object]]) -> None:
        from tui.modals.note import NoteModal

        alerts = self._targets()
        if not alerts:
            self.console.say("no open alert is selected", "warning")
            return

        def finish(note: str | None) -> None:
            if note is None:
                return
            if len(alerts) == 1:
                alert = alerts[0]
                self.command(lambda: act(alert, note), f"{_DONE[verb]}: {alert.rule_name}")
            else:
                self.run_worker(self._to_all(verb, alerts, lambda alert: act(alert, note)), group="command")
            self.clear_marks()

        self.app.push_screen(NoteModal(verb, alerts), finish)

    async def _to_all(
        self, verb: str, alerts: Sequence[Alert], act: Callable[[Alert], Awaitable[object]]
    ) -> None:
        """One after the other; those that an acknowledgement cannot change are left out."""
        meant = [one for one in alerts if verb != "acknowledge" or one.state is AlertState.FIRING]
        refused: list[str] = []
        for alert in meant:
            try:
                await act(alert)
            except TocsinError as error:
                refused.append(str(error))
        done = len(meant) - len(refused)
        if done:
            self.console.say(f"{_DONE[verb]}: {counted(done, 'alert')}")
        if refused:
            self.console.say(f"{counted(len(refused), 'alert')} not: {refused[0]}", "error")
        if not meant:
            self.console.say("none of the marked alerts is firing and not yet acknowledged", "warning")
        self.console.catch_up()
        self.reload()
