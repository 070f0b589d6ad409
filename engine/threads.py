"""Opening what may take its time to open, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def opened(make: Callable[[], T], close: Callable[[T], object]) -> T:
    """What `make()` returns, called in a thread of the loop's pool; raises what it raises.

    The thread goes on when the wait for it is cancelled, and what it opens then would belong to nobody.

    Args:
        close: given what was made for a wait that was cancelled; called in either thread.
    """
    lock, ready, is_given_up = threading.Lock(), list[T](), False

    def carry_out() -> None:
        made = make()
        with lock:
            if not is_given_up:
                ready.append(made)
                return
        close(made)

    try:
        await asyncio.to_thread(carry_out)
    except asyncio.CancelledError:
        with lock:
            is_given_up = True
        for made in ready:
            close(made)
        raise
    return ready[0]
