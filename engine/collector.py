"""Python's garbage collector, told what kind of program this is."""

from __future__ import annotations

import gc

YOUNG = 20_000
"""Objects that are made before the young ones are looked at: what one round of checks leaves is seen once."""


def settle_collector() -> None:
    """Leave alone what was made up to now, and look less often: for a process whose engine has just started.

    A configuration of 1,000 workflows is 65,000 objects that stay; looking through them time and again
    took a seventh of the processor under load, and held up the loop each time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
