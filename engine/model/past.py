"""What somebody who looks back finds: the configuration that was in force, and what to stop at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InForce:
    """A configuration that an engine ran under from `since` on.

    Args:
        digest: tells it from others.
        path: of its file, then.
        version: of the program.
        text: what it says, secrets left out; empty where only asked when which was in force.
    """

    since: float
    digest: str
    environment: str
    path: str
    version: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Landmark:
    """An event of an alert, or the beginning of another configuration.

    Args:
        kind: `fired`, `reopened`, `resolved`, or `configuration`.
        what: the rule and the subject, or the configuration's digest.
    """

    at: float
    kind: str
    what: str
    alert_id: int | None = None
