"""What can be done to a workflow from the keyboard: run it, pause it, close its circuit breakers."""

from __future__ import annotations

from typing import TypeVar

from textual.binding import ActiveBinding
from textual.content import Content

from engine.client import WorkflowStatus
from engine.model import BreakerState
from tui.present import foreign
from tui.screens.base import View
from tui.screens.details import breaker_line

T = TypeVar("T")

_NEEDS_WORKFLOW = ("run_now", "pause_workflow", "resume_workflow", "reset_breaker")


class WorkflowActions(View[T]):
    """A view whose cursor can be on a workflow."""

    def __init__(self) -> None:
        super().__init__()
        self._offered: tuple[bool, ...] | None = None

    def selected_workflow(self) -> WorkflowStatus | None:
        """The workflow under the cursor."""
        raise NotImplementedError

    def workflow_changed(self) -> None:
        """The cursor or its workflow has changed: offer what can be done now."""
        status = self.selected_workflow()
        offered = (status is not None, status is not None and status.paused, bool(_held_off(status)))
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """What can be done here now; a key for breakers takes no room in the footer while all are closed."""
        breaker = self._leading("breaker")
        active = super().active_bindings
        return {key: one for key, one in active.items() if one.enabled or one.binding.id != breaker}

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer pausing or resuming, whichever there is; grey out breakers where none keeps anybody out."""
        if action in _NEEDS_WORKFLOW and self.stands:
            status = self.selected_workflow()
            if action == "resume_workflow":
                return status is not None and status.paused
            if action == "pause_workflow" and status is not None and status.paused:
                return False
            if action == "reset_breaker":
                return True if _held_off(status) else None
            if status is None:
                return None
        return super().check_action(action, parameters)

    def action_run_now(self) -> None:
        """Start it at once."""
        if (status := self._chosen()) is not None:
            self.command(lambda: self.client.run_now(status.id), f"started {status.name}")

    def action_pause_workflow(self) -> None:
        """Start it no more until it is resumed."""
        if (status := self._chosen()) is None:
            return
        lines = [
            _name(status),
            Content("It is not started any more until somebody resumes it, also after a restart."),
            Content("Its alerts stay as they are."),
        ]
        self.confirmed(
            "Pause this workflow?", lines, "pause", self._leading("pause"),
            lambda: self.command(lambda: self.client.set_paused(True, status.id), f"{status.name} is paused"),
        )  # fmt: skip

    def action_resume_workflow(self) -> None:
        """Start it again when its time comes."""
        if (status := self._chosen()) is None:
            return
        if self.console.vitals is not None and self.console.vitals.info.paused:
            self.console.say("all checks are paused: Resume all in the palette lets them run", "warning")
            return
        self.command(lambda: self.client.set_paused(False, status.id), f"{status.name} runs again")

    def action_reset_breaker(self) -> None:
        """Close the circuit breakers that keep it from its targets."""
        status = self._chosen()
        targets = _held_off(status)
        if status is None or not targets:
            self.console.say("no circuit breaker of this workflow is open", "warning")
            return
        now = self.console.moment()
        lines = [
            _name(status),
            *(breaker_line(breaker, now) for breaker in status.breakers if breaker.target in targets),
            Content("The next run calls the target again."),
        ]

        async def reset() -> None:
            for target in targets:
                await self.client.reset_breaker(target)

        what = f"the breaker of {targets[0]} is" if len(targets) == 1 else f"{len(targets)} breakers are"
        self.confirmed(
            "Reset the circuit breaker?", lines, "reset", self._leading("breaker"),
            lambda: self.command(reset, f"{what} closed"),
        )  # fmt: skip

    def _leading(self, verb: str) -> str:
        """The id of an action on a workflow in this view."""
        return f"{self.SCOPE.name.lower()}.{verb}"

    def _chosen(self) -> WorkflowStatus | None:
        status = self.selected_workflow()
        if status is None:
            self.console.say("no workflow is selected: tab to one first", "warning")
        return status


def _held_off(status: WorkflowStatus | None) -> tuple[str, ...]:
    """The targets of a workflow whose breakers are not closed."""
    breakers = status.breakers if status is not None else ()
    return tuple(dict.fromkeys(one.target for one in breakers if one.state is not BreakerState.CLOSED))


def _name(status: WorkflowStatus) -> Content:
    return foreign(status.name, 120, "bold")
