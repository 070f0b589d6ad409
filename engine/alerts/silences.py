"""Silences: nobody is told of alerts that meet their matchers, for a time that always ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.alerts.matchers import Labels, meant, met, parse_all
from engine.errors import ConflictError, NotFoundError, TocsinError
from engine.lines import spelled
from engine.model import Silence
from engine.text import own_words, plain

if TYPE_CHECKING:
    from engine.config.muting import SilenceSpec

MAX_LENGTH = 30 * 86_400.0
"""Seconds that a silence made at run time lasts at most."""
MAX_MATCHERS = 50
MAX_OPEN = 1_000
_TEXT_LIMIT = 500


def standing(specs: Iterable[SilenceSpec]) -> tuple[Silence, ...]:
    """The silences of a configuration, made before any time; their ids are negative."""
    return tuple(
        Silence(-number, spec.matchers, spec.author, spec.reason, 0.0, spec.from_, spec.until)
        for number, spec in enumerate(specs, 1)
    )


def make(
    silence_id: int,
    matchers: Iterable[str],
    author: str,
    reason: str,
    starts_at: float,
    ends_at: float,
    now: float,
) -> Silence:
    """A silence that was asked for at `now`.

    Raises:
        TocsinError: no matcher or one that cannot be read, no author, no reason, an end that is not after its
            beginning, is past, or is more than 30 days off.
    """
    texts = tuple(matchers)
    author, reason = plain(author, _TEXT_LIMIT).strip(), plain(reason, _TEXT_LIMIT).strip()
    if not 0 < len(texts) <= MAX_MATCHERS:
        raise TocsinError(f"a silence has 1 to {MAX_MATCHERS} matchers", "such as rule=slow-* or tag=batch")
    try:
        parsed = tuple(map(meant, texts))
    except ValueError as error:
        raise TocsinError(own_words(error)) from error
    if not author or not reason:
        raise TocsinError("a silence says who made it, and why")
    if not max(starts_at, now) < ends_at:
        raise TocsinError("a silence ends after it begins, and not in the past")
    if ends_at - max(starts_at, now) > MAX_LENGTH:
        raise TocsinError(f"a silence lasts {spelled(MAX_LENGTH)} at most")
    return Silence(silence_id, tuple(map(str, parsed)), author, reason, now, starts_at, ends_at)


def end_of(ends_at: float | None, lasting: float | None, begins: float) -> float:
    """When something ends that is to end then, or so many seconds after it begins. Raises TocsinError."""
    if ends_at is not None and lasting is None:
        return ends_at
    if lasting is not None and ends_at is None:
        return begins + lasting
    raise TocsinError("either its end is wanted, or how long it lasts")


def expired(silence: Silence, author: str, now: float) -> Silence:
    """A silence that somebody ends now. Raises ConflictError when it has ended, or is the configuration's."""
    if silence.id < 0:
        raise ConflictError(f"silence {silence.id} stands in the configuration", "take it out there")
    if silence.end <= now:
        raise ConflictError(f"silence {silence.id} has ended")
    return replace(silence, expired_at=now, expired_by=plain(author, _TEXT_LIMIT))


def words(silence: Silence) -> str:
    """Which it is, whose, why, and until when."""
    until = datetime.fromtimestamp(silence.end, UTC)
    return f"silence {silence.id} by {silence.author} until {until:%Y-%m-%d %H:%M} UTC: {silence.reason}"


class Silences:
    """The silences that are, or will be, in force.

    Args:
        specs: those of the configuration.
    """

    def __init__(self, specs: Iterable[SilenceSpec] = ()) -> None:
        self._known = {silence.id: silence for silence in standing(specs)}
        self._next_id = 1

    def restore(self, silences: Iterable[Silence], next_id: int) -> None:
        """Take over those that were made at run time."""
        self._known |= {silence.id: silence for silence in silences}
        self._next_id = max(self._next_id, next_id)

    def adopt(self, specs: Iterable[SilenceSpec]) -> None:
        """Go by the silences of another configuration; those made at run time stay."""
        kept = {number: silence for number, silence in self._known.items() if number > 0}
        self._known = kept | {silence.id: silence for silence in standing(specs)}

    def draft(
        self,
        matchers: Iterable[str],
        author: str,
        reason: str,
        starts_at: float | None,
        ends_at: float | None,
        now: float,
        lasting: float | None = None,
    ) -> Silence:
        """A new one, which counts when it is put in. Raises TocsinError, ConflictError for too many."""
        if len(self.open(now)) >= MAX_OPEN:
            raise ConflictError(f"there are {MAX_OPEN} silences already", "expire some")
        starts_at = now if starts_at is None else starts_at
        end = end_of(ends_at, lasting, starts_at)
        made = make(self._next_id, matchers, author, reason, starts_at, end, now)
        self._next_id += 1
        return made

    def put(self, silence: Silence) -> None:
        """Let a silence count as it is now."""
        self._known[silence.id] = silence

    def find(self, silence_id: int) -> Silence:
        """Raises NotFoundError, also for one that ended long ago."""
        if silence_id not in self._known:
            raise NotFoundError(f"there is no open silence {silence_id}", "tocsin silence lists them")
        return self._known[silence_id]

    def open(self, now: float) -> tuple[Silence, ...]:
        """Those that have not ended, in the order in which they end; others are forgotten."""
        self._known = {number: one for number, one in self._known.items() if one.end > now or number < 0}
        return tuple(sorted((one for one in self._known.values() if one.end > now), key=lambda one: one.end))

    def over(self, labels: Labels, now: float) -> Silence | None:
        """The one that mutes an alert with these labels now; of several the one that ends last."""
        found = [
            silence
            for silence in self._known.values()
            if silence.is_active(now) and met(parse_all(silence.matchers), labels)
        ]
        return max(found, key=lambda silence: silence.end, default=None)
