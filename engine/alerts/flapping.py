"""Whether something changes too often to be told each time.

The score is Icinga 2's: of the last 20 looks those that found a change, in percent, a newer one weighing more
(0.8 for the oldest to 1.18 for the newest). It flaps from above `high` until the score is not above `low`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.model import AlertEventKind, Gate

if TYPE_CHECKING:
    from engine.config.lifecycle import FlappingSpec

LOOKS = 20
_ALL = (1 << LOOKS) - 1
_WEIGHTS = tuple(0.8 + 0.02 * (LOOKS - 1 - age) for age in range(LOOKS))
"""By age: of the newest look first."""


def score(changes: int) -> float:
    """Percent, 0 to 99, of a history of changes: bit n is set when the look n before the newest found one."""
    return 100.0 * sum(weight for age, weight in enumerate(_WEIGHTS) if changes >> age & 1) / LOOKS


@dataclass(slots=True)
class _Track:
    """What is remembered of one fingerprint; `told` is what was last said about it."""

    last: bool | None = None
    changes: int = 0
    flaps: bool = False
    told: bool = False


class Flapping:
    """The recent changes of every fingerprint whose rule asks for it; of steady ones nothing is kept."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}

    def restore(self, fingerprints: Iterable[str]) -> None:
        """Take over what was said to flap before a restart: it has to be steady for a while again."""
        for fingerprint in fingerprints:
            self._tracks[fingerprint] = _Track(changes=_ALL, flaps=True, told=True)

    def see(self, fingerprint: str, result: bool | None, spec: FlappingSpec) -> None:
        """Take in the result of a look; unknown is no news."""
        track = self._tracks.get(fingerprint)
        if result is None or (track is None and not result):
            return
        if track is None:
            # Nothing is kept of what is steady and false, so that true is a change.
            track = self._tracks[fingerprint] = _Track(last=False)
        changed = track.last is not None and result is not track.last
        track.last = result
        track.changes = (track.changes << 1 | changed) & _ALL
        track.flaps = score(track.changes) > (spec.low if track.flaps else spec.high)
        if not (track.changes or track.flaps or track.told or result):
            del self._tracks[fingerprint]

    def gate(self, fingerprint: str) -> Gate | None:
        """Why nobody is told of single changes now."""
        track = self._tracks.get(fingerprint)
        if track is None or not track.flaps:
            return None
        return Gate(
            "flapping", False, f"it changes too often: {score(track.changes):.1f} % of the last looks"
        )

    def news(self, fingerprint: str) -> AlertEventKind | None:
        """What has to be said: that it flaps, or that it has stopped to."""
        track = self._tracks.get(fingerprint)
        if track is None or track.flaps is track.told:
            return None
        return AlertEventKind.FLAPPING if track.flaps else AlertEventKind.STEADY

    def said(self, fingerprint: str, kind: AlertEventKind) -> None:
        """It has been said."""
        track = self._tracks.get(fingerprint)
        if track is not None:
            track.told = kind is AlertEventKind.FLAPPING
