"""What a rehearsal came to: fires, who would have been told, and how two of them differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from engine.model import Alert, AlertEventKind, Severity
from engine.store.history import Coverage

WEEK = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Fire:
    """An alert that fired; `ended_at` is None while it still did at the end."""

    rule_id: str
    subject: str
    severity: Severity
    fired_at: float
    ended_at: float | None
    value: str
    message: str

    @classmethod
    def of(cls, alert: Alert) -> Fire:
        """The fire of an alert that has fired."""
        assert alert.fired_at is not None
        return cls(
            rule_id=alert.rule_id,
            subject=alert.subject,
            severity=alert.severity,
            fired_at=alert.fired_at,
            ended_at=alert.resolved_at,
            value="" if alert.value is None else str(alert.value),
            message=alert.message,
        )

    def meets(self, other: Fire) -> bool:
        """Whether both are about the same at the same time."""
        if (self.rule_id, self.subject) != (other.rule_id, other.subject):
            return False
        return self.fired_at <= (other.ended_at or _EVER) and other.fired_at <= (self.ended_at or _EVER)


_EVER = float("inf")


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that one channel would have been told; those of one `message` left together."""

    at: float
    channel: str
    rule_id: str
    subject: str
    kind: AlertEventKind
    severity: Severity
    message: int = 0


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What one configuration would have done.

    Args:
        asked: how many times a channel was to be told of something.
        stopped: how many of those stopped at a gate, by the gate's name without its channel.
        told: those that passed all of them.
        messages: how many messages they make, grouped.
        executions: how many were looked at in the range.
    """

    coverage: Coverage
    fires: tuple[Fire, ...] = ()
    asked: int = 0
    stopped: Mapping[str, int] = field(default_factory=Counter)
    told: tuple[Told, ...] = ()
    messages: int = 0
    executions: int = 0
    faults: tuple[str, ...] = ()

    def about(self, rule_id: str) -> Rehearsed:
        """What of it is about one rule."""
        told = tuple(one for one in self.told if one.rule_id == rule_id)
        fires = tuple(fire for fire in self.fires if fire.rule_id == rule_id)
        return replace(self, fires=fires, told=told, messages=len({one.message for one in told}))

    @property
    def median_length(self) -> float | None:
        """Seconds that a fire lasts in the middle; those that had not ended last until the end."""
        lengths = [(fire.ended_at or self.coverage.until) - fire.fired_at for fire in self.fires]
        return median(lengths) if lengths else None

    def per_week(self, count: int) -> float | None:
        """A count of the range as one of a week of looking; None where nobody looked."""
        return count * WEEK / self.coverage.seconds if self.coverage.seconds else None

    @property
    def after_gates(self) -> list[tuple[str, int]]:
        """What was left of `asked` after each gate that stopped any, in their order."""
        left, steps = self.asked, []
        for gate, count in self.stopped.items():
            left -= count
            steps.append((gate, left))
        return steps


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a candidate did, and which fires only it has, or only the live rule.

    Args:
        unseen: rules that were left out.
        partly: sentences about what was not replayed from the beginning.
    """

    name: str
    rehearsed: Rehearsed
    added: tuple[Fire, ...] = ()
    gone: tuple[Fire, ...] = ()
    unseen: tuple[str, ...] = ()
    partly: tuple[str, ...] = ()


def only_in(one: Iterable[Fire], other: Sequence[Fire]) -> tuple[Fire, ...]:
    """Fires of `one` during which `other` has none about the same."""
    known: dict[tuple[str, str], list[Fire]] = {}
    for fire in other:
        known.setdefault((fire.rule_id, fire.subject), []).append(fire)
    return tuple(
        fire for fire in one if not any(map(fire.meets, known.get((fire.rule_id, fire.subject), ())))
    )
