"""The book of heartbeats: what jobs said last, and what that means at a moment. Knows no network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from engine.lines import lasted, spelled
from engine.model import Heartbeat, Signal
from engine.text import clean, plain

NOTE_LIMIT = 10_000
SHOWN_NOTE = 200


class Due(Protocol):
    """When the next success is due after one at `start`; None means never."""

    def after(self, start: float) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Every:
    """Due `period` seconds after the last one."""

    period: float

    def after(self, start: float) -> float:
        return start + self.period


@dataclass(frozen=True, slots=True)
class State:
    """What a heartbeat means: `status` is new, up, running, late or failed; `wrong` says what is amiss."""

    status: str
    next_at: float | None
    wrong: str = ""


class Heartbeats:
    """Jobs by token, for the listener that hears them and the steps that look at them.

    Args:
        jobs: whose workflow each token is.
        known: what the store remembers.
        now: from when on jobs that are not known are waited for.
    """

    def __init__(
        self, jobs: Mapping[str, str] | None = None, known: Sequence[Heartbeat] = (), now: float = 0.0
    ) -> None:
        self._jobs = {key_of(token): workflow for token, workflow in (jobs or {}).items()}
        remembered = {beat.key: beat for beat in known}
        self._beats = {key: remembered.get(key) or Heartbeat(key, now) for key in self._jobs}
        self.fresh = tuple(beat for key, beat in self._beats.items() if key not in remembered)
        """Those that the store does not know yet."""

    def adopt(self, jobs: Mapping[str, str], known: Sequence[Heartbeat], now: float) -> None:
        """Wait for these jobs from now on; the arguments are as at first. `fresh` are the new ones then."""
        self._jobs = {key_of(token): workflow for token, workflow in jobs.items()}
        remembered = {beat.key: beat for beat in known} | self._beats
        self._beats = {key: remembered.get(key) or Heartbeat(key, now) for key in self._jobs}
        self.fresh = tuple(beat for key, beat in self._beats.items() if key not in remembered)

    def __len__(self) -> int:
        return len(self._jobs)

    def workflow_of(self, token: str) -> str | None:
        """The workflow that waits for a token; None when none does."""
        return self._jobs.get(key_of(token))

    def find(self, token: str) -> Heartbeat | None:
        return self._beats.get(key_of(token))

    def heard(
        self,
        token: str,
        signal: Signal,
        now: float,
        note: bytes | str = b"",
        exit_code: int | None = None,
        traceparent: str = "",
    ) -> Heartbeat:
        """What is known when `signal` has come; `keep` makes it count. KeyError when nobody waits for it.

        Args:
            traceparent: the job's own span, as a valid W3C header.
        """
        beat = self._beats[key_of(token)]
        if signal is Signal.START:
            return replace(beat, started_at=now)
        if signal is Signal.LOG:
            return beat
        started = beat.started_at
        is_end = started is not None and started > max(beat.succeeded_at or 0.0, beat.failed_at or 0.0)
        ended = replace(
            beat,
            run=max(now - started, 0.0) if is_end and started is not None else None,
            exit_code=exit_code,
            note=clean(note, NOTE_LIMIT, multiline=True),
            traceparent=traceparent,
        )
        if signal is Signal.SUCCESS:
            return replace(ended, succeeded_at=now)
        return replace(ended, failed_at=now)

    def keep(self, beat: Heartbeat) -> None:
        """Let what was stored count."""
        self._beats[beat.key] = beat


def key_of(token: str) -> str:
    """Tells tokens apart without giving them away."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()[:32]


def state_of(beat: Heartbeat, due: Due, grace: float, now: float) -> State:
    """What a heartbeat means at `now`; `grace` seconds are given beyond each due time, and to each run."""
    succeeded, failed, started = beat.succeeded_at, beat.failed_at, beat.started_at
    next_at = due.after(succeeded if succeeded is not None else beat.watched_since)
    newest = max(succeeded or 0.0, failed or 0.0)
    if started is not None and started > newest:
        running = now - started
        if running > grace:
            limit = spelled(grace)
            return State("late", next_at, f"started {_ago(running)} ago and has not ended within {limit}")
        if failed is None or (succeeded or 0.0) >= failed:
            return State("running", next_at)
    if failed is not None and failed > (succeeded or 0.0):
        code = f" with exit code {beat.exit_code}" if beat.exit_code is not None else ""
        note = f": {plain(beat.note, SHOWN_NOTE)}" if beat.note else ""
        return State("failed", next_at, f"said {_ago(now - failed)} ago that it failed{code}{note}")
    if next_at is not None and now > next_at + grace:
        if succeeded is None:
            return State(
                "late", next_at, f"was never heard, waited for since {_ago(now - beat.watched_since)}"
            )
        late = _ago(now - next_at)
        return State("late", next_at, f"last succeeded {_ago(now - succeeded)} ago and is {late} overdue")
    return State("up" if succeeded is not None else "new", next_at)


def _ago(seconds: float) -> str:
    """Whole seconds, and no seconds where there are hours."""
    return lasted(round(seconds))
