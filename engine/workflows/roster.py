"""The workflows that are scheduled, and those that have left and are still at work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from engine.config.schema import Workflow
from engine.errors import NotFoundError
from engine.model import ScheduleCursor
from engine.workflows.entry import Entry


class Moves(NamedTuple):
    """What another configuration does to a roster: entries that came, have other slots, or left."""

    came: tuple[Entry, ...]
    moved: tuple[Entry, ...]
    left: tuple[Entry, ...]


class Roster:
    """Entries by workflow, in the order of the file.

    Args:
        cursors: the slots handled before, by workflow, and what was paused.
    """

    def __init__(self, workflows: Sequence[Workflow], cursors: Mapping[str, ScheduleCursor]) -> None:
        self.cursors = dict(cursors)
        self._entries = {workflow.id: self._entry(workflow) for workflow in workflows}
        self._leaving: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, workflow_id: str) -> Entry | None:
        return self._entries.get(workflow_id)

    def find(self, workflow_id: str) -> Entry:
        """Raises NotFoundError."""
        entry = self._entries.get(workflow_id)
        if entry is None:
            raise NotFoundError(f"there is no workflow {workflow_id}")
        return entry

    def adopt(self, workflows: Sequence[Workflow], cursors: Mapping[str, ScheduleCursor]) -> Moves:
        """Hold these workflows from now on; one that is back before its last run has ended goes on.

        Args:
            cursors: the slots handled before of those that are new.
        """
        before, self._entries = self._entries, {}
        came, moved = [], []
        for workflow in workflows:
            entry = before.pop(workflow.id, None)
            if entry is None and (entry := self._leaving.pop(workflow.id, None)) is not None:
                entry.adopt(workflow)
                moved.append(entry)
            elif entry is None:
                if workflow.id in cursors:
                    self.cursors[workflow.id] = cursors[workflow.id]
                entry = self._entry(workflow)
                came.append(entry)
            elif entry.adopt(workflow):
                moved.append(entry)
            self._entries[workflow.id] = entry
        for entry in before.values():
            self.cursors.pop(entry.workflow.id, None)
            if entry.tasks:
                self._leaving[entry.workflow.id] = entry
        return Moves(tuple(came), tuple(moved), tuple(before.values()))

    def ended(self, entry: Entry) -> None:
        """A run of the entry is over."""
        if not entry.tasks and self._leaving.get(entry.workflow.id) is entry:
            del self._leaving[entry.workflow.id]

    def _entry(self, workflow: Workflow) -> Entry:
        entry = Entry(workflow)
        cursor = self.cursors.get(workflow.id)
        entry.paused = cursor is not None and cursor.paused
        return entry
