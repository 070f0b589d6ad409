"""Python's garbage collector, told what kind of program this is."""

from __future__ import annotations

import gc
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 20_000
"""Objects that are made before the young ones are looked at: what one round of checks leaves is seen once."""


def settle_collector() -> None:
    """Leave alone what was made up to now, and look less often: for a process whose engine has just started.

    A configuration of 1,000 workflows is 65,000 objects that stay; looking through them time and again
    took a seventh of the processor under load, and held up the loop each time. Even one look at all of it now
    would hold up the first checks for a tenth of a second, to find 1,000 objects of 200,000 that could go.
    Where it was paused for the start, it goes on from here.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
    gc.enable()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Look for no garbage meanwhile: for building something large of bounded size that stays.

    The more has been built, and the more the program holds besides, the longer each of many looks takes;
    nothing is found by them. Where it is paused already, nothing changes: of several threads that build at
    once, each one that paused it lets it go on.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class LightCancellation:
    """A block that forgets, when it is cancelled, which frames the cancellation came through.

    A cancelled task keeps the error, the error its frames, and they keep the task: what they had read so far,
    tens of thousands of figures at times, would stay until the collector looks through everything.
    """

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CancelledError):
            error.__traceback__ = None
