"""What became of messages, in words."""

from __future__ import annotations

from engine.lines import clock_time, moment, seconds
from engine.model import AlertEventKind, Notification, NotificationState
from engine.text import clean, plain

TEXT_LIMIT = 500
_WORDS = {
    AlertEventKind.FIRED: "it fires",
    AlertEventKind.REOPENED: "it fires again",
    AlertEventKind.ESCALATED: "it escalated",
    AlertEventKind.REMINDED: "it still fires",
    AlertEventKind.LAPSED: "its acknowledgement ran out",
    AlertEventKind.FLAPPING: "it changes too often",
    AlertEventKind.STEADY: "it no longer changes too often",
    AlertEventKind.RESOLVED: "it ended",
}


def fate(row: Notification, said: float) -> str:
    """What became of a message: `ops was told that it fires (taken in 12 ms)`; `said` as for `when`."""
    channel, error = plain(row.channel), short(row.error)
    if row.stands_for:
        channel += f", in place of {plain(row.stands_for)},"
    what = f"told that {_WORDS.get(row.transition, row.transition)}"
    match row.state:
        case NotificationState.SENT:
            tries = f" at try {row.tries}" if row.tries > 1 else ""
            return f"{channel} was {what} (taken in {seconds(row.latency or 0.0)}{tries})"
        case NotificationState.SENDING:
            return f"{channel} is just being {what}"
        case NotificationState.QUEUED if row.error and row.tries:
            tries = _tries(row.tries)
            return f"{channel} could not be {what}: {error}; {tries}, the next at {when(row.next_at, said)}"
        case NotificationState.QUEUED:
            company = ", with what else its group has to tell" if row.group else ""
            at = f"{when(max(row.next_at, row.created_at), said)}{company}"
            return f"{channel} is to be {what} at {at}{f': {error}' if error else ''}"
        case NotificationState.DEAD:
            after = f" after {_tries(row.tries)}, {error}" if row.tries else f", {error}"
            return f"{channel} was not {what}: given up{after}"
        case _:
            return f"{channel} was not {what}: {error}"


def when(at: float, said: float) -> str:
    """The local time of `at`, with its date when that is not the one of `said`, which has been told."""
    full = moment(at)[:19]
    return clock_time(at) if full[:10] == moment(said)[:10] else full


def short(text: str) -> str:
    """One line of a text, at most 500 characters."""
    return clean(text, TEXT_LIMIT)


def _tries(number: int) -> str:
    return "1 try" if number == 1 else f"{number} tries"
