"""What became of a look at a configuration that may have changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """One reload: the differences that are in force now, or the problems for which none is.

    Args:
        at: when it ended.
        summary: one line: `+1 workflow, ~2 rules`.
        changes: a line for each part that came, went or is another.
        problems: why everything stayed as it was, each with its place in the file; empty when it was read.
    """

    at: float
    summary: str
    changes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether what the file says is in force now."""
        return not self.problems
