"""What is known of a job that reports to the engine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Signal(StrEnum):
    """What a job can say."""

    START = "start"
    SUCCESS = "success"
    FAIL = "fail"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The newest of each signal of one job, in wall time; `log` leaves no trace here.

    Args:
        key: tells jobs apart; made from the token, which it does not give away.
        watched_since: when the job was first waited for.
        run: seconds from a start to the success or failure that followed it, None when none was told.
        exit_code: what the last success or failure came with, None when it came without.
        note: the text of the newest success or failure.
        traceparent: the span that it came with, as a W3C header; empty when it came without.
    """

    key: str
    watched_since: float
    started_at: float | None = None
    succeeded_at: float | None = None
    failed_at: float | None = None
    run: float | None = None
    exit_code: int | None = None
    note: str = ""
    traceparent: str = ""
