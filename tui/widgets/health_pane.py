"""Health at a glance: the score, the engine's components, and one line a workflow."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import Vertical
from textual.message import Message

from engine.client import WorkflowStatus
from engine.model import Health


class HealthPane(Vertical):
    """Score, components and workflows; the list of workflows takes the focus."""

    class Highlighted(Message):
        """The cursor is on another workflow, or on none."""

        def __init__(self, pane: HealthPane, workflow_id: str | None) -> None:
            super().__init__()
            self.pane = pane
            self.workflow_id = workflow_id

        @property
        def control(self) -> HealthPane:
            return self.pane

    class Selected(Message):
        """Enter, or a click, on a workflow."""

        def __init__(self, pane: HealthPane, workflow_id: str) -> None:
            super().__init__()
            self.pane = pane
            self.workflow_id = workflow_id

        @property
        def control(self) -> HealthPane:
            return self.pane

    def show(self, health: Health, workflows: Sequence[WorkflowStatus], now: float) -> None: ...

    @property
    def cursor_workflow(self) -> str | None:
        return None
