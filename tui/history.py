"""Where a person has been: places to go back to, and forward again."""

from __future__ import annotations

from dataclasses import dataclass

_MOST = 100


@dataclass(frozen=True, slots=True)
class Place:
    """A view with the details opened on top of it, and the row its cursor was on.

    Args:
        view: the name of the view.
        trail: the details on top of it, each its kind and identifier: `("workflow", "checkout")`.
        table: the id of the list that had the focus, if one had.
        row: the key of the row under its cursor.
    """

    view: str
    trail: tuple[tuple[str, str], ...] = ()
    table: str = ""
    row: str = ""

    def is_beside(self, other: Place) -> bool:
        """Both show the same, whatever the cursor is on."""
        return (self.view, self.trail) == (other.view, other.trail)


class History:
    """The last 100 places, as a browser keeps them."""

    def __init__(self) -> None:
        self._past: list[Place] = []
        self._future: list[Place] = []

    def leave(self, place: Place) -> None:
        """A person goes from `place` to a new one; what lay ahead is forgotten."""
        if self._past and self._past[-1].is_beside(place):
            self._past.pop()
        self._past = [*self._past, place][-_MOST:]
        self._future.clear()

    def back(self, present: Place) -> Place | None:
        """The place before `present`; None at the beginning."""
        return _step(self._past, self._future, present)

    def forward(self, present: Place) -> Place | None:
        """The place that `back` was called from; None at the end."""
        return _step(self._future, self._past, present)


def _step(source: list[Place], target: list[Place], present: Place) -> Place | None:
    while source:
        place = source.pop()
        if not place.is_beside(present):
            target.append(present)
            return place
    return None
